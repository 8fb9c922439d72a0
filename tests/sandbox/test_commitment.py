"""Storage commitment with a real Orthanc, which asks us and is asked by us."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from cxr_node.config import PeerSection
from cxr_node.domain.study import StudyState
from tests.builders import radiograph, save
from tests.nodes import script
from tests.peers import Orthanc
from tests.running_node import RunningNode

pytestmark = pytest.mark.peers


def committed(orthanc: Orthanc, transaction: str) -> dict[str, Any]:
    """What Orthanc was told about a transaction of its own."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[str, Any] = orthanc.call("GET", f"/storage-commitment/{transaction}")
        if found["Status"] != "Pending":
            return found
        time.sleep(0.1)
    raise AssertionError("the node never reported")


def test_orthanc_commits_to_our_report_and_we_to_its_images(
    tmp_path: Path, orthanc: Orthanc
) -> None:
    archive = PeerSection(
        name="archive",
        ae_title=orthanc.ae_title,
        host="127.0.0.1",
        port=orthanc.dicom_port,
        receives_results=True,
        objects=(),
        storage_commitment=True,
    )
    node = RunningNode(tmp_path / "node", destinations=(archive,), model=script(tmp_path))
    entry = {"AET": "CXRNODE", "Host": "127.0.0.1", "Port": node.dicom_port}
    orthanc.call("PUT", "/modalities/node", {**entry, "AllowStorageCommitment": True})
    image = radiograph()
    sent = (str(image.SOPClassUID), str(image.SOPInstanceUID))
    unknown = (sent[0], "1.2.3.4.5.6")
    with node:
        node.send(save(image, tmp_path / "in"))
        item = node.settled(image.StudyInstanceUID)
        assert item.state is StudyState.DELIVERED
        assert [delivery.state for delivery in item.deliveries] == ["confirmed"]
        asked = {"DicomInstances": [sent, unknown]}
        answer = orthanc.call("POST", "/modalities/node/storage-commitment", asked)
        found = committed(orthanc, answer["ID"])
    assert found["Status"] == "Failure"
    assert [one["SOPInstanceUID"] for one in found["Success"]] == [sent[1]]
    [failed] = found["Failures"]
    assert failed["SOPInstanceUID"] == unknown[1]
    assert 0x0112 in failed.values()
