"""The plugin in two real Orthancs with a real node: sent once, shown, asked for, not sent back."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cxr_node.config import PeerSection
from tests.builders import radiograph, save
from tests.nodes import script
from tests.orthancs import (
    BOOKWORM,
    RELEASES,
    TRIXIE,
    PluggedOrthanc,
    Release,
    both,
    eventually,
    plugged,
)
from tests.peers import free_port, require
from tests.running_node import RunningNode
from tests.worklists import worklist

pytestmark = pytest.mark.peers


@dataclass(frozen=True)
class Hospital:
    """One node between two archives; results of every study go to both."""

    node: RunningNode
    archives: dict[str, PluggedOrthanc]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("hospital")
    for release in RELEASES:
        release.require()
    ports = {release.name: free_port() for release in RELEASES}
    pacs = tuple(
        PeerSection(
            name=name,
            ae_title="ORTHANC",
            host="127.0.0.1",
            port=port,
            receives_results=True,
            objects=("page",),
        )
        for name, port in ports.items()
    )
    with ExitStack() as running:
        node = running.enter_context(
            RunningNode(folder / "node", destinations=pacs, model=script(folder))
        )
        ways = {
            BOOKWORM.name: {"Host": "127.0.0.1", "Port": node.dicom_port},
            TRIXIE.name: {"Transport": "stow", "SendWhen": "stable"},
        }
        archives = {
            release.name: running.enter_context(
                plugged(
                    release,
                    {
                        "Url": f"http://127.0.0.1:{node.web_port}",
                        "TimeoutSeconds": 60,  # a busy machine makes no second attempt
                        **ways[release.name],
                    },
                    dicom_port=ports[release.name],
                )
            )
            for release in RELEASES
        }
        yield Hospital(node, archives)


def received(node: RunningNode) -> int:
    """Instances that have come to the node, those that came again too."""
    with urllib.request.urlopen(f"{node.page.url}metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    names = ("cxr_node_instances_received_total", "cxr_node_instances_duplicate_total")
    return sum(int(float(line.split()[1])) for line in lines if line.startswith(names))


@both
def test_a_chest_study_is_sent_once_and_what_came_of_it_is_shown(
    hospital: Hospital, release: Release, tmp_path: Path
) -> None:
    node, orthanc = hospital.node, hospital.archives[release.name]
    before = received(node)
    chest, hand = radiograph(patient_name="Müller^金"), radiograph(body_part="HAND")
    orthanc.send(save(hand, tmp_path / "hand"), save(chest, tmp_path / "chest"))
    uid = chest.StudyInstanceUID
    eventually(lambda: orthanc.modalities(uid) == ["DX", "OT", "SR"], "results back")
    eventually(lambda: orthanc.metadata(uid, 4120) == "flagged", "the state")
    assert orthanc.metadata(uid, 4121) == "STAT"
    if release.labels:
        labels = orthanc.get(f"/studies/{orthanc.study(uid)}/labels")
        assert sorted(labels) == ["CXR-FLAGGED", "CXR-STAT"]

    # Its own results came back, the study became stable, a second look found nothing new.
    eventually(lambda: orthanc.get(f"/studies/{orthanc.study(uid)}")["IsStable"], "stable")
    kept = orthanc.study(hand.StudyInstanceUID)
    eventually(lambda: orthanc.status()["Studies"]["Waiting"] == 0, "all looked at")
    assert received(node) == before + 1, orthanc.status()
    assert orthanc.get(f"/cxr-node/studies/{kept}")["Sending"] == "kept back"
    _routes(orthanc, node, uid, hand.StudyInstanceUID)
    found = worklist(orthanc, tmp_path / "found", **{"0020,000D": uid})
    assert [(ds.RequestedProcedurePriority, str(ds.PatientName)) for ds in found] == [
        ("STAT", "Müller^金")
    ]
    assert worklist(orthanc, tmp_path / "nobody", **{"0010,0020": "NOBODY"}) == []


def _routes(orthanc: PluggedOrthanc, node: RunningNode, chest: str, hand: str) -> None:
    """A study by either identifier, its page, the rules one by one, and what is no study."""
    page = f"http://127.0.0.1:{node.web_port}/studies/{chest}"
    for named in (chest, orthanc.study(chest)):
        described = orthanc.get(f"/cxr-node/studies/{named}")
        assert (described["Sending"], described["State"]) == ("sent", "flagged")
        assert described["Page"] == page
        status, place = orthanc.answer("GET", f"/cxr-node/studies/{named}/page")
        assert (300 < status < 309, place) == (True, page)
    with urllib.request.urlopen(page, timeout=10) as answer:
        assert answer.status == 200
    sent, kept = (orthanc.get(f"/cxr-node/explain/{uid}") for uid in (chest, hand))
    assert (sent["Send"], kept["Send"]) == (True, False)
    why = {image["Attributes"]["Modality"]: image["Why"] for image in sent["Images"]}
    assert why["DX"] == 'rule "chest by body part" sends'
    assert why["SR"] == why["OT"] == "a result of the node"
    steps = {step["Rule"]: step["Why"] for step in kept["Images"][0]["Steps"]}
    assert steps["chest by body part"].startswith("BodyPart is HAND, not *CHEST*")
    tried = orthanc.post("/cxr-node/explain", {"Modality": "CR", "BodyPart": "Thorax"})
    assert tried["Send"] is True
    assert orthanc.answer("GET", "/cxr-node/studies/1.2.3")[0] == 404
    assert orthanc.answer("GET", f"/cxr-node/resend/{chest}")[0] == 405
    assert orthanc.answer("POST", "/cxr-node/explain")[0] == 400
    study = orthanc.study(chest)
    button = f'href="../cxr-node/studies/{study}/page"'
    eventually(lambda: button in explorer(orthanc, study), "button")


def explorer(orthanc: PluggedOrthanc, study: str) -> str:
    """Orthanc Explorer's page of a study as a browser has drawn it."""
    page = f"{orthanc.peer.base_url}/app/explorer.html#study?uuid={study}"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000"]
    command = [require("chromium", "chromium"), *options, "--dump-dom", page]
    return subprocess.run(command, capture_output=True, text=True, timeout=90).stdout


@both
def test_a_person_has_a_study_sent_again_and_a_late_image_goes_alone(
    hospital: Hospital, release: Release, tmp_path: Path
) -> None:
    node, orthanc = hospital.node, hospital.archives[release.name]
    before = received(node)
    first = radiograph()
    uid = first.StudyInstanceUID
    orthanc.send(save(first, tmp_path / "first"))
    eventually(lambda: received(node) == before + 1, "first image")
    orthanc.send(save(radiograph(study_uid=uid, view="LL"), tmp_path / "late"))
    eventually(lambda: received(node) == before + 2, "second image")
    assert orthanc.post(f"/cxr-node/resend/{uid}")["Sending"] == "waiting"
    eventually(lambda: received(node) == before + 4, "both again")
    node.settled(uid)
    study = node.page.study(uid)
    assert study is not None and len(study.images) == 2
    eventually(lambda: orthanc.status()["Studies"]["Waiting"] == 0, "all looked at")
    assert len(orthanc.get(f"/cxr-node/studies/{uid}")["ImagesSent"]) == 2


def test_two_archives_send_the_same_study_and_it_is_read_once(
    hospital: Hospital, tmp_path: Path
) -> None:
    """One by C-STORE, one by STOW-RS."""
    node, before = hospital.node, received(hospital.node)
    image = radiograph()
    path, uid = save(image, tmp_path / "in"), image.StudyInstanceUID
    for orthanc in hospital.archives.values():
        orthanc.send(path)
    eventually(lambda: received(node) == before + 2, "sent twice")
    node.settled(uid)
    study = node.page.study(uid)
    assert study is not None
    assert (len(study.images), len(study.revisions)) == (1, 1)
    for orthanc in hospital.archives.values():
        eventually(lambda o=orthanc: o.modalities(uid) == ["DX", "OT", "SR"], "results back")  # type: ignore[misc]
        eventually(lambda o=orthanc: o.metadata(uid, 4120) == "flagged", "state")  # type: ignore[misc]


@both
@pytest.mark.parametrize(
    "section, named",
    [
        (None, "section is missing"),
        ({"Host": "127.0.0.1", "Prot": 104}, "CxrNode.Prot: unknown key"),
        ({"Modality": "nobody"}, "CxrNode.Modality"),
        ({"Host": "127.0.0.1", "Ledger": "/nowhere/ledger"}, "CxrNode.Ledger"),
    ],
)
def test_a_wrong_section_is_told_and_the_archive_goes_on(
    release: Release, section: Any, named: str, tmp_path: Path
) -> None:
    image = radiograph()
    with plugged(release, section) as orthanc:
        eventually(lambda: bool(orthanc.status()["Problems"]), "problems")
        status = orthanc.status()
        assert status["Sending"] is False
        assert any(named in problem for problem in status["Problems"])
        assert f"cxr-node sends nothing: {status['Problems'][0]}" in orthanc.log()
        orthanc.send(save(image, tmp_path / "in"))
        assert orthanc.study(image.StudyInstanceUID)
        assert json.loads(orthanc.answer("GET", "/statistics")[1])["CountInstances"] == 1
