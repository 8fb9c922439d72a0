"""The main path from outside: C-STORE in, flag and Structured Report out, in real processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pydicom

from cxr_node.dicom.worklist_scu import find_priorities
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState
from tests.builders import radiograph, save
from tests.running_node import RunningNode

Reports = Callable[[str], list[Path]]


def test_a_radiograph_becomes_a_report_and_a_flag(
    node: RunningNode, reports: Reports, tmp_path: Path
) -> None:
    image = radiograph()
    node.send(save(image, tmp_path / "in"))
    item = node.settled(image.StudyInstanceUID)
    assert item.state is StudyState.DELIVERED
    assert item.findings == ["pneumothorax"]
    assert item.priority is Priority.STAT
    [path] = reports(image.StudyInstanceUID)
    report = pydicom.dcmread(path)
    assert report.PatientID == image.PatientID
    assert report.StudyInstanceUID == image.StudyInstanceUID
    listed = find_priorities(
        "127.0.0.1", node.dicom_port, calling_ae="MODALITY", called_ae="CXRNODE"
    )
    assert listed[image.StudyInstanceUID] is Priority.STAT


def test_our_own_report_coming_back_is_kept_and_not_read(
    node: RunningNode, reports: Reports, tmp_path: Path
) -> None:
    image = radiograph()
    node.send(save(image, tmp_path / "in"))
    node.settled(image.StudyInstanceUID)
    [path] = reports(image.StudyInstanceUID)
    node.send(path)
    after = node.page.study(image.StudyInstanceUID)
    assert after is not None
    assert after.study.state is StudyState.DELIVERED
    assert after.study.revision == 1
    assert len(reports(image.StudyInstanceUID)) == 1


def test_the_same_study_ten_times_is_read_once(
    node: RunningNode, reports: Reports, tmp_path: Path
) -> None:
    path = save(radiograph(), tmp_path / "in")
    study_uid = pydicom.dcmread(path).StudyInstanceUID
    node.send(*[path] * 5)
    node.settled(study_uid)
    node.send(*[path] * 5)
    after = node.settled(study_uid)
    assert after.revision == 1
    assert len(reports(study_uid)) == 1
    log = node.log.read_text()
    assert log.count('"job-finished"') == 2  # triage and full reading, once each
    assert log.count('"report-built"') == 1


def test_a_late_lateral_opens_a_revision_that_names_its_predecessor(
    node: RunningNode, reports: Reports, tmp_path: Path
) -> None:
    frontal = radiograph()
    node.send(save(frontal, tmp_path / "in"))
    node.settled(frontal.StudyInstanceUID)
    lateral = radiograph(study_uid=frontal.StudyInstanceUID, view="LL")
    node.send(save(lateral, tmp_path / "in"))
    node.until(lambda: len(reports(frontal.StudyInstanceUID)) == 2, 60, "reported again")
    assert node.settled(frontal.StudyInstanceUID).revision == 2
    found = [pydicom.dcmread(p) for p in reports(frontal.StudyInstanceUID)]
    successors = [ds for ds in found if "PredecessorDocumentsSequence" in ds]
    [successor] = successors
    [first] = [ds for ds in found if ds is not successor]
    named = successor.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID


def test_one_study_over_three_slow_associations_is_read_once(
    node: RunningNode, reports: Reports, tmp_path: Path
) -> None:
    frontal = radiograph()
    views = [radiograph(study_uid=frontal.StudyInstanceUID, view=view) for view in ("LL", "AP")]
    for number, image in enumerate([frontal, *views]):
        node.send(save(image, tmp_path / f"in{number}"))
        time.sleep(0.3)  # slower than the images of one exposure, quicker than the quiet time
    item = node.settled(frontal.StudyInstanceUID)
    assert (item.state, item.revision) == (StudyState.DELIVERED, 1)
    assert len(reports(frontal.StudyInstanceUID)) == 1
    assert node.log.read_text().count('"report-built"') == 1
