"""Retention removes what is over its time and nothing that is still to be done or delivered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cxr_node.config_housekeeping import RetentionSection
from cxr_node.domain.delivery import Outcome, Verdict
from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.study import StudyState
from cxr_node.services.dead_letters import DeadLetters
from cxr_node.services.retention import Removed, Retention
from cxr_node.services.verify_store import Fault, StoreVerification
from cxr_node.spool.files import FileSpool
from cxr_node.store import jobs, studies
from cxr_node.store.database import Database
from cxr_node.store.dead_letters import Choice
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import InstanceRow, QuarantineRow
from tests.builders import radiograph
from tests.contract.test_services_delivery import Somewhere, delivery
from tests.intake_bench import IntakeBench
from tests.publishing import Station, peer

DAY = 86_400.0
ALL = RetentionSection(images_days=30, failed_days=60, results_days=30, quarantine_days=7)


def retention(station: Station, section: RetentionSection = ALL, free: int = 0) -> Retention:
    return Retention(
        db=station.db,
        clock=station.clock,
        root=station.spool.root,
        section=section,
        free_bytes=lambda: free,
    )


def counted(found: list[Removed]) -> dict[str, int]:
    return {one.what: one.files for one in found if one.files}


def published(station: Station, *answers: Verdict) -> int:
    """A study with a report and a page, delivered with these answers."""
    revision = station.read_study()
    wanted = [peer("pacs", objects=("page",))]
    station.publish(wanted).publish(station.claim())
    outcomes = iter(answers)
    pacs = Somewhere(lambda _: Outcome(next(outcomes), "said so", status=0))
    delivery(station, pacs=pacs).work()
    return revision


def test_a_delivered_study_loses_its_images_and_its_page_but_not_its_report(
    station: Station,
) -> None:
    published(station, Verdict.DONE, Verdict.DONE)
    station.clock.advance(29 * DAY)
    assert counted(retention(station).work()) == {}
    station.clock.advance(2 * DAY)
    wanted = retention(station).preview()
    assert counted(wanted) == {"images": 1, "results": 1}
    assert len(list(station.spool.root.glob("??/*.dcm"))) == 3
    assert retention(station).work() == wanted
    [left] = station.spool.root.glob("??/*.dcm")
    kept = [row for row in station.objects() if row.removed_at is None]
    assert [(row.kind, row.path) for row in kept] == [("sr", str(left))]
    assert counted(retention(station).work()) == {}


@pytest.mark.parametrize("answers", [(), (Verdict.RETRY, Verdict.RETRY)])
def test_what_is_not_delivered_stays_however_old(
    station: Station, answers: tuple[Verdict, ...]
) -> None:
    if answers:
        published(station, *answers)
    else:
        station.read_study()
    station.clock.advance(1000 * DAY)
    assert counted(retention(station).work()) == {}


def test_what_was_given_up_is_kept_for_who_sends_it_again(station: Station) -> None:
    revision = published(station, Verdict.REFUSED, Verdict.REFUSED)
    station.clock.advance(59 * DAY)
    assert counted(retention(station).work()) == {}
    station.clock.advance(2 * DAY)
    assert counted(retention(station).work()) == {"images of failed studies": 1}
    letters = DeadLetters(station.db, station.clock, station.bell)
    assert letters.retry(Choice()) == 2
    delivery(station, pacs=Somewhere()).work()
    assert station.state(revision) is StudyState.DELIVERED


def test_a_study_that_is_still_worked_on_stays(station: Station) -> None:
    revision = published(station, Verdict.DONE, Verdict.DONE)
    with station.db.begin() as session:
        jobs.add_job(session, revision, JobKind.SHADOW, 0, station.clock.now())
    station.clock.advance(31 * DAY)
    assert counted(retention(station).work()) == {"results": 1}


def test_a_full_disk_loses_its_oldest_ended_study_first(station: Station) -> None:
    published(station, Verdict.DONE, Verdict.DONE)
    space = RetentionSection(clean_below_bytes=1000)
    assert counted(retention(station, space, free=999).work()) == {}, "ended just now"
    station.clock.advance(7200)
    assert counted(retention(station, space, free=1000).work()) == {}
    assert counted(retention(station, space, free=999).work()) == {"images for space": 1}


@pytest.fixture
def bench(sqlite_database: Database, tmp_path: Path) -> IntakeBench:
    return IntakeBench(sqlite_database, FileSpool(tmp_path / "spool", 0))


def end_all(bench: IntakeBench) -> None:
    """No study of this bench is eligible for anything further."""
    bench.clock.advance(20)
    with bench.db.begin() as session:
        for revision in studies.due_revisions(
            session, quiet_before=bench.clock.now(), opened_before=bench.clock.now()
        ):
            for state in (StudyState.ASSEMBLED, StudyState.NOT_ELIGIBLE):
                studies.move(session, revision.id, state, bench.clock.now())
        session.query(jobs.JobRow).delete()


def test_the_spool_never_holds_more_than_one_retention_period(bench: IntakeBench) -> None:
    """F38: ten periods of a day each, ten studies a day."""
    keep = Retention(
        db=bench.db,
        clock=bench.clock,
        root=bench.spool.root,
        section=RetentionSection(images_days=1, quarantine_days=1),
    )
    image = radiograph(rows=32, columns=32)
    most = 0
    for _ in range(10):
        for _ in range(5):
            image.StudyInstanceUID, image.SOPInstanceUID = (
                radiograph().SOPInstanceUID for _ in "ab"
            )
            image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
            bench.send(image)
            end_all(bench)
            bench.clock.advance(DAY / 5 - 20)
            keep.work()
            most = max(most, len(bench.files()))
    assert len(bench.rows(InstanceRow)) == 50
    assert most <= 5


def test_an_image_that_was_removed_is_here_again_when_it_is_sent_again(
    bench: IntakeBench,
) -> None:
    image = radiograph(rows=32, columns=32)
    bench.send(image)
    end_all(bench)
    bench.clock.advance(2 * DAY)
    section = RetentionSection(images_days=1)
    keep = Retention(db=bench.db, clock=bench.clock, root=bench.spool.root, section=section)
    keep.work()
    assert bench.files() == []
    bench.send(image)
    [row] = bench.rows(InstanceRow)
    assert (row.removed_at, row.duplicates) == (None, 1)
    assert Path(row.path).exists()


def test_nothing_outside_the_spool_is_ever_removed(bench: IntakeBench, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("not ours")
    bench.send(radiograph(rows=32, columns=32))
    end_all(bench)
    with bench.db.begin() as session:
        session.query(InstanceRow).one().path = str(precious)
    bench.clock.advance(2 * DAY)
    section = RetentionSection(images_days=1)
    keep = Retention(db=bench.db, clock=bench.clock, root=bench.spool.root, section=section)
    with pytest.raises(CxrNodeError):
        keep.work()
    assert precious.exists()


def test_the_store_is_verified_and_what_is_wrong_moved_aside(bench: IntakeBench) -> None:
    images = [radiograph(rows=32, columns=32) for _ in range(4)]
    for image in images:
        bench.send(image)
    other = radiograph(instance_uid=images[3].SOPInstanceUID, rows=33, columns=32)
    bench.send(other)
    look = StoreVerification(bench.db, bench.clock, bench.spool.root)
    assert list(look.findings()) == []
    assert look.count.files == 5
    rows = bench.rows(InstanceRow)
    Path(rows[0].path).write_bytes(b"changed")
    Path(rows[1].path).unlink()
    [aside] = [Path(row.path) for row in bench.rows(QuarantineRow)]
    aside.unlink()
    orphan = Path(rows[2].path).with_name("0" * 64 + "-" + "1" * 64 + ".dcm")
    orphan.write_bytes(b"nobody's")
    found = list(look.findings())
    os.utime(orphan, (0, 0))
    found = list(look.findings())
    assert {(one.fault, one.path) for one in found} == {
        (Fault.CHANGED, Path(rows[0].path)),
        (Fault.MISSING, Path(rows[1].path)),
        (Fault.MISSING, aside),
        (Fault.ORPHAN, orphan),
    }
    assert [look.move_aside(one) is not None for one in found].count(True) == 2
    assert (bench.spool.root / "aside" / "orphan" / orphan.name).read_bytes() == b"nobody's"
    again = {one.fault for one in look.findings()}
    assert again == {Fault.MISSING}
