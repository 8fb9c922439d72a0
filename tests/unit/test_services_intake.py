"""Intake: what is promised by 0x0000, and what is made of everything that may arrive."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import FileDataset

from cxr_node.domain.errors import (
    CxrNodeError,
    MalformedUid,
    NotConformant,
    NotReadable,
    SpoolFull,
    StoreUnavailable,
    Unreadable,
)
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.study import StudyState
from cxr_node.services.doorbell import MemoryDoorbell
from cxr_node.spool.files import FileSpool
from cxr_node.store import studies
from cxr_node.store.database import Database
from cxr_node.store.schema import (
    InstanceRow,
    JobRow,
    MilestoneRow,
    QuarantineRow,
    RevisionRow,
    StudyRow,
)
from tests.builders import ct_slice, radiograph
from tests.intake_bench import OWN_DEVICE, IntakeBench

STUDY = "1.2.826.0.1.3680043.8.498.77"


@pytest.fixture
def bench(sqlite_database: Database, tmp_path: Path) -> IntakeBench:
    return IntakeBench(sqlite_database, FileSpool(tmp_path / "spool", 0))


def test_the_first_frontal_image_starts_the_triage(bench: IntakeBench) -> None:
    bench.send(radiograph(study_uid=STUDY))
    (instance,) = bench.rows(InstanceRow)
    assert Path(instance.path).exists()
    assert (instance.reason, instance.is_image, instance.view) == ("", True, "PA")
    assert [job.kind for job in bench.rows(JobRow)] == ["triage"]
    assert bench.bell.rings == ["read"]
    names = {row.name for row in bench.rows(MilestoneRow)}
    assert names == {Milestone.FIRST_IMAGE, Milestone.LAST_IMAGE}


def test_only_the_first_frontal_image_does(bench: IntakeBench) -> None:
    bench.send(radiograph(study_uid=STUDY, view="LL"))
    assert bench.rows(JobRow) == []
    bench.send(radiograph(study_uid=STUDY, view="AP"))
    bench.send(radiograph(study_uid=STUDY, view="PA"))
    assert len(bench.rows(JobRow)) == 1
    assert bench.bell.rings == ["read"]


def test_ten_times_the_same_is_once(bench: IntakeBench) -> None:
    image = radiograph(study_uid=STUDY)
    for _ in range(10):
        bench.send(image)
        bench.clock.advance(1)
    (instance,) = bench.rows(InstanceRow)
    assert instance.duplicates == 9
    assert len(bench.rows(JobRow)) == 1
    assert len(bench.files()) == 1


def test_a_duplicate_does_not_touch_the_clock(bench: IntakeBench) -> None:
    image = radiograph(study_uid=STUDY)
    bench.send(image)
    bench.clock.advance(9)
    bench.send(image)
    bench.clock.advance(1.5)
    assert bench.close() == 1


def test_sent_again_after_closing_it_is_read_once(bench: IntakeBench) -> None:
    image = radiograph(study_uid=STUDY)
    bench.send(image)
    bench.clock.advance(11)
    bench.close()
    bench.send(image)
    bench.clock.advance(11)
    assert bench.close() == 0
    assert bench.states() == ["queued"]
    assert sorted(job.kind for job in bench.rows(JobRow)) == ["read", "triage"]


def test_three_slow_associations_are_one_revision(bench: IntakeBench) -> None:
    for view in ("PA", "LL", "PA"):
        for _ in range(3):
            bench.intake.progress(Uid(STUDY))
            bench.clock.advance(8)
            assert bench.close() == 0
        bench.send(radiograph(study_uid=STUDY, view=view))
    bench.clock.advance(11)
    assert bench.close() == 1
    assert bench.states() == ["queued"]
    assert len(bench.rows(InstanceRow)) == 3


def test_a_late_lateral_opens_the_next_revision(bench: IntakeBench) -> None:
    bench.send(radiograph(study_uid=STUDY))
    bench.clock.advance(11)
    bench.close()
    bench.send(radiograph(study_uid=STUDY, view="LL"))
    assert bench.states() == ["queued", "receiving"]
    assert [job.kind for job in bench.rows(JobRow)] == ["triage", "read"]
    bench.clock.advance(11)
    bench.close()
    assert bench.states() == ["queued", "queued"]
    assert len(bench.rows(JobRow)) == 3
    first, second = bench.rows(RevisionRow)
    assert first.work_key != second.work_key


def test_other_bytes_under_a_known_uid_make_the_study_not_eligible(bench: IntakeBench) -> None:
    image = radiograph(study_uid=STUDY)
    bench.send(image)
    image.StudyDescription = "changed"
    bench.send(image)
    (instance,) = bench.rows(InstanceRow)
    assert (instance.conflicts, instance.duplicates) == (1, 0)
    (aside,) = bench.rows(QuarantineRow)
    assert aside.reason == "conflicting-instance"
    assert Path(aside.path).exists()
    assert aside.sha256 != instance.sha256
    assert len(bench.files()) == 1
    bench.clock.advance(11)
    bench.close()
    (revision,) = bench.rows(RevisionRow)
    assert (revision.state, revision.reason) == ("not-eligible", "conflicting-instance")


def test_a_conflict_in_another_study_makes_no_new_study(bench: IntakeBench) -> None:
    image = radiograph(study_uid=STUDY)
    bench.send(image)
    image.StudyInstanceUID = STUDY + ".1"
    bench.send(image)
    assert len(bench.rows(StudyRow)) == 1
    assert bench.rows(InstanceRow)[0].conflicts == 1


def _own_result() -> FileDataset:
    """A Structured Report of this node, as far as intake looks at it."""
    ds = ct_slice(study_uid=STUDY)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.34"
    ds.Modality = "SR"
    ds.ManufacturerModelName = "cxr-node"
    ds.DeviceUID = OWN_DEVICE
    del ds.PixelData
    return ds


def test_the_nodes_own_report_is_kept_and_never_queued(bench: IntakeBench) -> None:
    bench.send(radiograph(study_uid=STUDY))
    bench.clock.advance(11)
    bench.close()
    bench.send(_own_result())
    assert bench.states() == ["queued"]
    assert len(bench.rows(JobRow)) == 2
    own = bench.rows(InstanceRow)[1]
    assert (own.reason, own.is_image, own.revision_number) == ("own-result", False, 1)
    assert Path(own.path).exists()


def test_the_nodes_own_report_does_not_keep_a_study_open(bench: IntakeBench) -> None:
    bench.send(radiograph(study_uid=STUDY))
    bench.clock.advance(9)
    bench.send(_own_result())
    bench.clock.advance(1.5)
    assert bench.close() == 1
    assert bench.states() == ["queued"]


def test_a_report_of_an_unknown_study_is_said_to_be_not_eligible(bench: IntakeBench) -> None:
    bench.send(_own_result())
    bench.clock.advance(11)
    bench.close()
    (revision,) = bench.rows(RevisionRow)
    assert (revision.state, revision.reason) == ("not-eligible", "own-result")
    bench.send(radiograph(study_uid=STUDY))
    assert bench.states() == ["not-eligible", "receiving"]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (lambda: ct_slice(study_uid=STUDY), "modality"),
        (lambda: radiograph(study_uid=STUDY, body_part="KNEE"), "body-part"),
        (lambda: radiograph(study_uid=STUDY, age="009Y"), "age"),
    ],
)
def test_what_cannot_be_read_is_kept_with_its_reason(
    bench: IntakeBench, image: object, reason: str
) -> None:
    bench.send(image())  # type: ignore[operator]
    assert bench.rows(InstanceRow)[0].reason == reason
    assert bench.rows(JobRow) == []
    bench.clock.advance(11)
    bench.close()
    (revision,) = bench.rows(RevisionRow)
    assert (revision.state, revision.reason) == ("not-eligible", reason)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotReadable("pixel-data-short"), "pixel-data-short"),
        (Unreadable("a second look could not parse the header"), "decode"),
    ],
)
def test_pixels_that_contradict_the_header_are_kept_with_their_reason(
    bench: IntakeBench, error: CxrNodeError, reason: str
) -> None:
    bench.images.refuse = error
    bench.send(radiograph(study_uid=STUDY))
    assert bench.rows(InstanceRow)[0].reason == reason
    assert bench.rows(JobRow) == []


def test_a_look_that_failed_is_no_reason_not_to_read(bench: IntakeBench) -> None:
    bench.images.refuse = CxrNodeError("no decoder can be started")
    bench.send(radiograph(study_uid=STUDY))
    assert bench.rows(InstanceRow)[0].reason == ""
    assert [job.kind for job in bench.rows(JobRow)] == ["triage"]


def test_nothing_is_kept_under_an_identifier_that_is_none(bench: IntakeBench) -> None:
    image = radiograph(study_uid=STUDY)
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.02"
    with pytest.raises(MalformedUid):
        bench.send(image)
    assert bench.rows(QuarantineRow) == []
    assert [path for path in bench.spool.root.rglob("*") if path.is_file()] == []


def test_a_late_ct_leaves_the_reading_as_it_is(bench: IntakeBench) -> None:
    bench.send(radiograph(study_uid=STUDY))
    bench.clock.advance(11)
    bench.close()
    bench.send(ct_slice(study_uid=STUDY))
    bench.clock.advance(11)
    assert bench.close() == 1
    assert bench.states() == ["queued"]
    assert [row.revision_number for row in bench.rows(InstanceRow)] == [1, 1]
    assert len(bench.rows(JobRow)) == 2


def test_two_patients_in_one_study_are_not_read(bench: IntakeBench) -> None:
    bench.send(radiograph(study_uid=STUDY, patient_id="A"))
    bench.send(radiograph(study_uid=STUDY, patient_id="B"))
    bench.clock.advance(11)
    bench.close()
    assert bench.rows(RevisionRow)[0].reason == "patient-conflict"


def test_a_refused_data_set_is_kept_aside_and_refused(bench: IntakeBench) -> None:
    image = radiograph(study_uid=STUDY)
    with pytest.raises(NotConformant):
        bench.send(image, sop_class_uid="1.2.840.10008.5.1.4.1.1.1")
    (aside,) = bench.rows(QuarantineRow)
    assert (aside.reason, aside.sender) == ("wrong-sop-class", "MODALITY")
    assert Path(aside.path).exists()
    assert bench.rows(StudyRow) == []
    bench.send(image)
    assert len(bench.rows(InstanceRow)) == 1


def test_bytes_that_are_no_data_set_are_refused(bench: IntakeBench, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"\0" * 200)
    with pytest.raises(NotConformant):
        bench.send(radiograph(study_uid=STUDY), source=rubbish)
    assert len(bench.rows(QuarantineRow)) == 1


def test_a_full_spool_takes_nothing(bench: IntakeBench, tmp_path: Path) -> None:
    full = IntakeBench(bench.db, FileSpool(tmp_path / "full", 1 << 62))
    with pytest.raises(SpoolFull):
        full.send(radiograph(study_uid=STUDY))
    assert bench.rows(StudyRow) == []


KILL_POINTS = [
    (studies, "upsert_study"),
    (studies, "find_instance"),
    (studies, "open_revision"),
    (studies, "add_instance"),
    (studies, "mark"),
    (FileSpool, "file"),
    (Database, "begin"),
]


@pytest.mark.parametrize(("owner", "name"), KILL_POINTS, ids=[name for _, name in KILL_POINTS])
def test_stopped_at_any_point_nothing_is_promised_and_resending_works(
    bench: IntakeBench, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    def stop(*_rest: object, **_named: object) -> None:
        raise StoreUnavailable("stopped here")

    image = radiograph(study_uid=STUDY)
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, stop)
        with pytest.raises(StoreUnavailable):
            bench.send(image)
    for table in (StudyRow, RevisionRow, InstanceRow, JobRow, MilestoneRow):
        assert bench.rows(table) == []
    assert bench.bell.rings == []
    bench.send(image)
    (instance,) = bench.rows(InstanceRow)
    assert instance.duplicates == 0
    assert len(bench.rows(JobRow)) == 1
    assert len(bench.files()) == 1


def test_the_bell_rings_only_after_the_commit(bench: IntakeBench) -> None:
    seen: list[int] = []

    class Listening(MemoryDoorbell):
        def ring(self, queue: str) -> None:
            super().ring(queue)
            seen.append(len(bench.rows(JobRow)))

    bench.bell = Listening()
    bench.send(radiograph(study_uid=STUDY))
    assert seen == [1]


def test_a_quality_control_image_marks_its_study(bench: IntakeBench) -> None:
    bench.send(radiograph(study_uid=STUDY, quality_control=True))
    assert bench.rows(StudyRow)[0].quality_control
    assert bench.states() == [StudyState.RECEIVING]
