"""A real Orthanc as the PACS: results are stored, found by C-FIND and fetched by C-MOVE."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

from cxr_node.config import PeerSection
from cxr_node.dicom.archive import ReceivingAE
from cxr_node.domain.results import ResultKind
from cxr_node.domain.study import StudyState
from tests.builders import radiograph, save
from tests.nodes import script
from tests.orthancs import RELEASES, Release
from tests.peers import Orthanc, orthanc_server, require
from tests.running_node import RunningNode

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module", params=RELEASES, ids=lambda release: release.name)
def orthanc(request: pytest.FixtureRequest) -> Iterator[Orthanc]:
    """Debian 12's and Debian 13's."""
    release: Release = request.param
    release.require()
    with orthanc_server(root=release.root) as peer:
        yield peer


@pytest.fixture
def beside_orthanc(tmp_path: Path, orthanc: Orthanc) -> Iterator[RunningNode]:
    pacs = PeerSection(
        name="orthanc",
        ae_title=orthanc.ae_title,
        host="127.0.0.1",
        port=orthanc.dicom_port,
        receives_results=True,
        objects=tuple(ResultKind),
    )
    with RunningNode(tmp_path / "node", destinations=(pacs,), model=script(tmp_path)) as node:
        yield node


def query(study_uid: str) -> pydicom.Dataset:
    """A SERIES level query for the study's structured reports."""
    asked = pydicom.Dataset()
    asked.QueryRetrieveLevel = "SERIES"
    asked.StudyInstanceUID = study_uid
    asked.Modality = "SR"
    asked.SeriesInstanceUID = ""
    return asked


def test_orthanc_stores_finds_and_returns_the_report(
    beside_orthanc: RunningNode, orthanc: Orthanc, tmp_path: Path
) -> None:
    image = radiograph()
    beside_orthanc.send(save(image, tmp_path / "in"))
    assert beside_orthanc.settled(image.StudyInstanceUID).state is StudyState.DELIVERED

    ae = AE(ae_title="READER")
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    archive = ReceivingAE(tmp_path / "moved", "READER")
    orthanc.add_modality("reader", "READER", archive.start())
    association = ae.associate("127.0.0.1", orthanc.dicom_port, ae_title=orthanc.ae_title)
    assert association.is_established
    try:
        find = StudyRootQueryRetrieveInformationModelFind
        answers = association.send_c_find(query(image.StudyInstanceUID), find)
        [series] = [found for status, found in answers if found is not None]
        wanted = query(image.StudyInstanceUID)
        wanted.SeriesInstanceUID = series.SeriesInstanceUID
        move = StudyRootQueryRetrieveInformationModelMove
        final = [status for status, _ in association.send_c_move(wanted, "READER", move)][-1]
        assert final.Status == 0x0000
    finally:
        association.release()
        archive.stop()

    [moved] = (tmp_path / "moved" / image.StudyInstanceUID).glob("SR-*.dcm")
    report = pydicom.dcmread(moved)
    [instance] = orthanc.find("Instance", SOPInstanceUID=report.SOPInstanceUID)
    stored = pydicom.dcmread(BytesIO(orthanc.content(f"/instances/{instance}/file")))
    assert stored == report
    assert report.VerificationFlag == "UNVERIFIED"
    _all_objects_are_there(beside_orthanc, orthanc, image.StudyInstanceUID)


def _all_objects_are_there(node: RunningNode, orthanc: Orthanc, study_uid: str) -> None:
    """Page, document and key object beside image and report, each as it was built."""
    built = {}
    for path in (node.folder / "data" / "spool").rglob("*.dcm"):
        ds = pydicom.dcmread(path)
        built[ds.SOPInstanceUID] = ds
    modalities = set()
    for instance in orthanc.find("Instance", StudyInstanceUID=study_uid):
        stored = pydicom.dcmread(BytesIO(orthanc.content(f"/instances/{instance}/file")))
        modalities.add(stored.Modality)
        if stored.Modality != "DX":
            assert stored == built[stored.SOPInstanceUID]
    assert {"SR", "OT", "DOC", "KO"} <= modalities


def test_dcmtk_findscu_shows_the_flagged_study_first(
    beside_orthanc: RunningNode, tmp_path: Path
) -> None:
    findscu = require("findscu", "dcmtk")
    quiet, flagged = radiograph(body_part="HAND"), radiograph(patient_name="URGENT^ONE")
    beside_orthanc.send(save(quiet, tmp_path / "quiet"), save(flagged, tmp_path / "flagged"))
    beside_orthanc.settled(flagged.StudyInstanceUID)
    beside_orthanc.settled(quiet.StudyInstanceUID)
    answers = tmp_path / "answers"
    answers.mkdir()
    keys = ["-k", "0010,0010", "-k", "0020,000D", "-k", "0040,1003", "-k", "0040,0100[0].0008,0060"]
    address = ["127.0.0.1", str(beside_orthanc.dicom_port)]
    subprocess.run(
        [
            *(findscu, "-W", "-X", "-od", str(answers), "-aet", "MODALITY", "-aec", "CXRNODE"),
            *address,
            *keys,
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    found = [pydicom.dcmread(p, force=True) for p in sorted(answers.glob("rsp*.dcm"))]
    assert found[0].StudyInstanceUID == flagged.StudyInstanceUID
    assert found[0].RequestedProcedurePriority == "STAT"
    assert {ds.StudyInstanceUID for ds in found} == {
        flagged.StudyInstanceUID,
        quiet.StudyInstanceUID,
    }
    shutil.rmtree(answers)
