"""Commissioning of a running node: phantoms in over the wire, a report of pass or fail out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cxr_node.config import PeerSection
from cxr_node.dicom.archive import ReceivingAE
from tests.builders import radiograph, save
from tests.nodes import destination, script
from tests.peers import free_port
from tests.running_node import RunningNode

OWN_LIMITS = """
version: site
chance: 0.01
path: {stat_seconds: 60, study_seconds: 120}
"""


def commission(node: RunningNode, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Eight small phantoms through the node, in a terminal wide enough for one line each."""
    command = [sys.executable, "-m", "cxr_node.entry.cli", "commission"]
    given = ("--config", str(node.config), "--out", str(out), "--count", "8", "--size", "256")
    return subprocess.run(
        [*command, *given, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        timeout=240,
        check=False,
    )


def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "commission.json").read_text())
    return found


@pytest.fixture
def embedded(tmp_path: Path, pacs: ReceivingAE) -> RunningNode:
    """A node whose model calls itself the embedded one and sees a pneumothorax everywhere."""
    model = script(tmp_path, name="cxr-node embedded", intended_use="phantoms")
    own = PeerSection(
        name="commission",
        ae_title="QC",
        host="127.0.0.1",
        port=free_port(),
        receives_results=True,
    )
    destinations = (destination(pacs), own)
    return RunningNode(
        tmp_path / "node",
        destinations=destinations,
        model=model,
        sections={"canary": {"every_hours": 24.0}},
    )


def test_a_sound_path_passes_and_answers_that_are_wrong_fail(
    embedded: RunningNode, tmp_path: Path
) -> None:
    limits, patient = tmp_path / "limits.yaml", radiograph()
    limits.write_text(OWN_LIMITS)
    with embedded as node:
        node.send(save(patient, tmp_path / "in"))
        sound = commission(node, tmp_path / "sound", "--limits", str(limits), "--keep")
        assert sound.returncode == 0, sound.stdout + sound.stderr
        kept = [item for item in node.page.studies() if item.phantom]
        assert len(kept) == 8
        assert all(item.patient_id.startswith("QCC-") for item in kept)
        wrong = commission(node, tmp_path / "wrong")
        assert wrong.returncode == 1, wrong.stdout + wrong.stderr
        left = {item.study_uid for item in node.page.studies()}
        assert "held" in node.command("canary", "run").stdout
        assert "every 24 hours" in node.command("canary", "status").stdout
        assert node.log.read_text().count('"canary-stored"') == 1  # by itself, after its start
    assert left == {item.study_uid for item in kept} | {patient.StudyInstanceUID}
    passed, failed = report(tmp_path / "sound"), report(tmp_path / "wrong")
    assert passed["passed"]
    assert all(check["passed"] for check in [*passed["checks"], *failed["checks"]])
    assert "received over C-STORE as QC" in passed["about"]["facts"]["Results"]
    verdicts = {figure["name"]: figure["verdict"] for figure in failed["figures"]}
    assert verdicts["other studies not flagged"] == "fails"
    refused = {study["refused_for"] for study in passed["studies"]}
    assert refused == {"", "view", "age", "image-quality"}
    page = (tmp_path / "wrong" / "commission.html").read_text()
    assert "Failed" in page
    assert "medical physicist" in page


def test_a_node_that_does_not_run_is_named_with_what_to_do(
    embedded: RunningNode, tmp_path: Path
) -> None:
    said = commission(embedded, tmp_path / "out")
    assert said.returncode == 2
    assert "start `cxr-node up` with this configuration" in said.stderr
