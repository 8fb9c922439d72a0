"""A whole node is given patient data in every way it can arrive; its log repeats none of it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cxr_node.config import PeerSection
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.dicom.worklist_scu import find_priorities
from cxr_node.domain.errors import Undeliverable
from cxr_node.domain.events import Event
from cxr_node.domain.study import StudyState
from tests.builders import ct_slice, radiograph, save
from tests.running_node import RunningNode

CANARIES = {
    "PatientName": "ZZCANARY^QUENTIN",
    "PatientBirthDate": "19530421",
    "AccessionNumber": "ZZACC8472",
    "ReferringPhysicianName": "ZZWARD^NORTH",
    "StudyDescription": "ZZ\r\n{json}",
    "StudyID": "ZZID",
    "InstitutionName": "ZZHOSPITAL",
}
PATIENT = "ZZPAT4711"
EXPECTED = {
    Event.INSTANCE_STORED,
    Event.INSTANCE_DUPLICATE,
    Event.INSTANCE_CONFLICT,
    Event.INSTANCE_REFUSED,
    Event.ASSOCIATION_REFUSED,
    Event.REPORT_BUILT,
    Event.WORKLIST_ANSWERED,
    Event.HTTP_REQUEST,
}


def _stranger(node: RunningNode, path: Path) -> None:
    own = PeerSection(name="node", ae_title="CXRNODE", host="127.0.0.1", port=node.dicom_port)
    sender = DimseSender(own_ae="ZZSTRANGER", destinations=(own,), timeout_seconds=5.0)
    with pytest.raises(Undeliverable):
        sender.send("node", path)


def _ask(node: RunningNode, path: str) -> None:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{node.web_port}{path}", timeout=10).close()
    except urllib.error.HTTPError as error:
        assert error.code in (400, 404, 422)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_the_log_of_a_node_holds_no_patient_data(node: RunningNode, tmp_path: Path) -> None:
    image = radiograph(patient_id=PATIENT, **CANARIES)
    other = ct_slice(patient_id=PATIENT, **CANARIES)
    conflict = radiograph(patient_id=PATIENT, instance_uid=image.SOPInstanceUID, **CANARIES)
    broken = radiograph(patient_id=PATIENT, series_uid="1.2.ZZ", **CANARIES)
    for name in ("image", "other", "conflict", "broken"):
        (tmp_path / name).mkdir()
    path = save(image, tmp_path / "image")
    node.send(path, path)
    assert node.settled(image.StudyInstanceUID).state is StudyState.DELIVERED
    for refused, name in ((other, "other"), (broken, "broken")):
        with pytest.raises(Undeliverable):
            node.send(save(refused, tmp_path / name))
    node.send(save(conflict, tmp_path / "conflict"))
    _stranger(node, path)
    for address in ("/", f"/studies/{image.StudyInstanceUID}", f"/api/v1/studies/{PATIENT}"):
        _ask(node, address)
    find_priorities("127.0.0.1", node.dicom_port, calling_ae="MODALITY", called_ae="CXRNODE")
    node.stop()

    text = node.log.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    said = {line["event"] for line in lines}
    assert said >= EXPECTED
    uids = {str(image.StudyInstanceUID), str(image.SOPInstanceUID), str(other.StudyInstanceUID)}
    secrets = {"ZZ", "QUENTIN", "19530421", *uids}
    assert {secret for secret in secrets if secret in text} == set()
