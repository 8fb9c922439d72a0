"""Exams that modalities report (MPPS): complete, discontinued, mistaken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from cxr_node.dicom.mpps_scp import MPPS, MppsService
from cxr_node.dicom.ups_reading import code
from cxr_node.services.exams import Exams
from cxr_node.spool.files import FileSpool
from cxr_node.store.database import Database
from cxr_node.store.schema import JobRow, RevisionRow
from cxr_node.store.schema_ups import ExamRow
from tests.builders import radiograph
from tests.intake_bench import IntakeBench
from tests.listening import listening
from tests.work_items import Steps, steps

STUDY = "1.2.826.0.1.3680043.8.498.77"


class Modality:
    """Reports one exam over an association."""

    def __init__(self, scu: Steps) -> None:
        self._association = scu.association
        self.uid = generate_uid()

    def begin(self, state: str = "IN PROGRESS") -> int:
        ds = Dataset()
        ds.PerformedProcedureStepStatus = state
        step = Dataset()
        step.StudyInstanceUID = STUDY
        ds.ScheduledStepAttributesSequence = [step]
        status, _ = self._association.send_n_create(ds, MPPS, self.uid)
        return int(status.Status)

    def end(self, state: str, *images: Dataset, reason: str = "") -> int:
        ds = Dataset()
        ds.PerformedProcedureStepStatus = state
        series = Dataset()
        series.ReferencedImageSequence = [Dataset() for _ in images]
        for item, image in zip(series.ReferencedImageSequence, images, strict=True):
            item.ReferencedSOPInstanceUID = image.SOPInstanceUID
        ds.PerformedSeriesSequence = [series]
        if reason:
            because = [code(reason, "DCM", "reason")]
            ds.PerformedProcedureStepDiscontinuationReasonCodeSequence = because
        status, _ = self._association.send_n_set(ds, MPPS, self.uid)
        return int(status.Status)


@pytest.fixture
def bench(sqlite_database: Database, tmp_path: Path) -> IntakeBench:
    return IntakeBench(sqlite_database, FileSpool(tmp_path / "spool", 0))


@pytest.fixture
def exams(bench: IntakeBench) -> Exams:
    return Exams(bench.db, bench.clock)


@pytest.fixture
def modality(exams: Exams, tmp_path: Path) -> Iterator[Modality]:
    with listening(tmp_path, exams=MppsService(exams)) as node, steps(node.port) as scu:
        yield Modality(scu)


def kinds(bench: IntakeBench) -> list[str]:
    return sorted(job.kind for job in bench.rows(JobRow))


def test_a_complete_exam_ends_the_quiet_time_when_its_last_image_is_here(
    bench: IntakeBench, exams: Exams, modality: Modality
) -> None:
    frontal = radiograph(study_uid=STUDY)
    lateral = radiograph(study_uid=STUDY, view="LL")
    assert modality.begin() == 0
    bench.send(frontal)
    assert modality.end("COMPLETED", frontal, lateral) == 0
    assert exams.settle() == 0
    assert bench.close() == 0
    bench.send(lateral)
    assert exams.settle() == 1
    assert bench.close() == 1
    assert kinds(bench) == ["read", "triage"]
    assert exams.settle() == 0
    [exam] = bench.rows(ExamRow)
    assert exam.settled


def test_an_exam_that_names_no_images_leaves_the_quiet_time(
    bench: IntakeBench, exams: Exams, modality: Modality
) -> None:
    modality.begin()
    bench.send(radiograph(study_uid=STUDY))
    assert modality.end("COMPLETED") == 0
    assert exams.settle() == 0
    assert bench.close() == 0
    bench.clock.advance(11)
    assert bench.close() == 1


def test_a_discontinued_exam_waits_as_ever_and_is_read(
    bench: IntakeBench, exams: Exams, modality: Modality
) -> None:
    image = radiograph(study_uid=STUDY)
    modality.begin()
    bench.send(image)
    assert modality.end("DISCONTINUED", image, reason="110500") == 0
    assert exams.settle() == 0
    assert bench.close() == 0
    bench.clock.advance(11)
    bench.close()
    assert kinds(bench) == ["read", "triage"]


def test_an_exam_of_a_wrong_worklist_entry_is_not_read(
    bench: IntakeBench, modality: Modality
) -> None:
    image = radiograph(study_uid=STUDY)
    modality.begin()
    bench.send(image)
    assert modality.end("DISCONTINUED", image, reason="110514") == 0
    bench.clock.advance(11)
    bench.close()
    assert kinds(bench) == ["triage"]
    [revision] = bench.rows(RevisionRow)
    assert revision.state == "parked"
    assert "incorrect worklist entry" in revision.reason


def test_what_cannot_be_kept_is_refused(modality: Modality) -> None:
    assert modality.end("COMPLETED") == 0x0112
    assert modality.begin("COMPLETED") == 0x0106
    assert modality.begin() == 0
    assert modality.begin() == 0x0111
    assert modality.end("PAUSED") == 0x0110
    assert modality.end("COMPLETED") == 0
    assert modality.end("DISCONTINUED") == 0x0110
