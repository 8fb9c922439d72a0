"""The hospital sandbox without containers: a burst through auto-routing, a STAT in its middle."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from cxr_node.config import PeerSection
from cxr_node.domain.milestones import Milestone
from tests.builders import radiograph, save
from tests.nodes import PNEUMOTHORAX
from tests.orthancs import BOOKWORM, PluggedOrthanc, eventually, plugged
from tests.peers import free_port
from tests.running_node import SETTLED, RunningNode
from tests.worklists import worklist

pytestmark = pytest.mark.peers

BURST = 51
STAT = 25


def scripted(folder: Path, urgent: str) -> str:
    """A model that takes some time and finds a pneumothorax in one picture."""
    path = folder / "model.script.json"
    answers = {urgent: PNEUMOTHORAX["answers"]}
    path.write_text(json.dumps({"pictures": answers, "seconds_per_turn": 0.004}))
    return str(path)


def test_a_burst_comes_back_read_and_the_stat_study_overtakes(tmp_path: Path) -> None:
    images = [radiograph(rows=96, columns=96, patient_id=f"P{n}") for n in range(BURST)]
    paths = [save(image, tmp_path / f"in-{n}") for n, image in enumerate(images)]
    urgent = images[STAT]
    port = free_port()
    pacs = PeerSection(
        name="pacs",
        ae_title="ORTHANC",
        host="127.0.0.1",
        port=port,
        receives_results=True,
        objects=(),
    )
    model = scripted(tmp_path, urgent.SOPInstanceUID)
    with RunningNode(tmp_path / "node", destinations=(pacs,), model=model) as node:
        section = {
            "Url": f"http://127.0.0.1:{node.web_port}",
            "Host": "127.0.0.1",
            "Port": node.dicom_port,
        }
        with plugged(BOOKWORM, section, dicom_port=port) as orthanc:
            orthanc.send(*paths)
            eventually(lambda: len(settled(node)) == BURST, "everything read", 240)
            everything_is_back(orthanc, [image.StudyInstanceUID for image in images])
            assert overtaken(node, urgent.StudyInstanceUID) >= 3
            found = worklist(orthanc, tmp_path / "found")
            assert len(found) == BURST
            assert found[0].StudyInstanceUID == urgent.StudyInstanceUID
            assert found[0].RequestedProcedurePriority == "STAT"
            assert {ds.RequestedProcedurePriority for ds in found[1:]} == {"ROUTINE"}


def settled(node: RunningNode) -> list[str]:
    return [study.study_uid for study in node.page.studies() if study.state in SETTLED]


def everything_is_back(orthanc: PluggedOrthanc, studies: list[str]) -> None:
    """Each study has its report in the archive, and its state in words."""
    for uid in studies:
        eventually(lambda u=uid: orthanc.modalities(u) == ["DX", "SR"], "report")  # type: ignore[misc]
        eventually(lambda u=uid: orthanc.metadata(u, 4121) != "", "priority")  # type: ignore[misc]
    counts = orthanc.status()["Studies"]
    assert (counts["Sent"], counts["GivenUp"]) == (len(studies), 0)


def overtaken(node: RunningNode, urgent: str) -> int:
    """Studies that came before the urgent one and were read after it."""
    moments = {}
    for study in node.page.studies():
        document = node.page.study(study.study_uid)
        assert document is not None
        moments[study.study_uid] = (
            study.received_at,
            document.milestones[Milestone.READ_DONE.value],
        )
    came, read = moments.pop(urgent)
    ahead: list[tuple[datetime, datetime]] = [m for m in moments.values() if m[0] < came]
    assert len(ahead) >= STAT - 5
    return sum(done > read for _, done in ahead)
