"""An earlier study is fetched from a real Orthanc by C-MOVE, C-GET and DICOMweb."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_node.config import PeerSection
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.store.schema import InstanceRow, JobRow, PriorFetchRow
from tests.archives import BEFORE, TODAY, FetchingNode
from tests.builders import radiograph, save
from tests.ohif import dicomweb_archive
from tests.peers import Orthanc

WAYS = {
    "c-move": "way = 'c-move'\npeer = 'archive'",
    "c-get": "way = 'c-get'\npeer = 'archive'",
    "dicomweb": "way = 'dicomweb'\nurl = '{url}/dicom-web'",
}


@pytest.fixture(scope="module")
def archive() -> Iterator[Orthanc]:
    with dicomweb_archive() as peer:
        yield peer


@pytest.mark.parametrize("way", WAYS)
def test_the_newest_earlier_radiograph_is_fetched_and_named(
    archive: Orthanc, empty_database: Path, tmp_path: Path, way: str
) -> None:
    patient = f"PRIOR-{way}"
    stored = {
        "newest": radiograph(patient_id=patient, **BEFORE),
        "older": radiograph(patient_id=patient, StudyDate="20240101", StudyTime="080000"),
        "hand": radiograph(patient_id=patient, body_part="HAND", StudyDate="20251230"),
        "namesake": radiograph(patient_id=patient, patient_name="ROE^R", StudyDate="20251231"),
    }
    source = WAYS[way].format(url=archive.base_url)
    node = FetchingNode(tmp_path / "node", empty_database, source, archive.dicom_port, 20.0)
    try:
        for name, image in stored.items():
            _put(archive, save(image, tmp_path / name))
        archive.add_modality("node", "CXRNODE", node.dicom_port)
        said = node.read_today(radiograph(patient_id=patient, **TODAY))
        assert said.prior is not None
        assert said.prior.study_uid.text == stored["newest"].StudyInstanceUID
        assert said.changes[0] == "pneumothorax: worsened"
        [fetch] = node.rows(PriorFetchRow)
        assert fetch["outcome"] == "fetched"
        marks = {row["sop_instance_uid"]: row["as_prior"] for row in node.rows(InstanceRow)}
        assert marks.pop(str(stored["newest"].SOPInstanceUID)) is True
        assert list(marks.values()) == [False]
        assert [row["kind"] for row in node.rows(JobRow)] == ["triage", "read", "publish"]
    finally:
        node.stop()


def _put(orthanc: Orthanc, path: Path) -> None:
    peer = PeerSection(
        name="archive", ae_title=orthanc.ae_title, host="127.0.0.1", port=orthanc.dicom_port
    )
    DimseSender("CXRNODE", [peer], 20.0).send("archive", path)
