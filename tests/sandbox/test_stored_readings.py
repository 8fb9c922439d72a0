"""A running node from outside: verify what was read, ask on, and let a second model read along."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from cxr_node.dicom.archive import ReceivingAE
from cxr_node.domain.priority import Priority
from tests.builders import radiograph, save
from tests.nodes import destination, script
from tests.running_node import RunningNode

Reports = Callable[[str], list[Path]]
CALM = {"overall": "normal", "follow_up": "Nothing on the image speaks for a pneumothorax."}
SCREAMING = {"overall": "abnormal", "presence": 0.99, "category": "1"}


@pytest.fixture
def node(tmp_path: Path, pacs: ReceivingAE) -> Iterator[RunningNode]:
    """A calm model, and a screaming one in its shadow."""
    shadow = script(tmp_path / "shadow", name="screaming", answers=SCREAMING)
    running = RunningNode(
        tmp_path / "node",
        destinations=(destination(pacs),),
        model=script(tmp_path, answers=CALM),
        sections={"shadow": {"path": shadow}},
    )
    with running:
        yield running


def run(node: RunningNode, *arguments: str) -> tuple[int, str]:
    """Exit code and all output of ``cxr-node``."""
    done = subprocess.run(
        [sys.executable, "-m", "cxr_node.entry.cli", *arguments, "--config", str(node.config)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def database(node: RunningNode) -> sqlite3.Connection:
    return sqlite3.connect(node.folder / "data" / "cxr-node.sqlite3")


def change_turn(node: RunningNode) -> None:
    """Alter one stored prompt of the full reading."""
    with database(node) as connection:
        [(text,)] = connection.execute("SELECT document FROM reading WHERE kind = 'read'")
        document = json.loads(text)
        document["turns"][7]["prompt"] += " "
        connection.execute(
            "UPDATE reading SET document = ? WHERE kind = 'read'", (json.dumps(document),)
        )
    connection.close()


def change_picture(node: RunningNode) -> None:
    """Alter the received image in the spool."""
    with database(node) as connection:
        [(path,)] = connection.execute("SELECT path FROM instance WHERE is_image")
    connection.close()
    ds = dcmread(path)
    blank = len(ds.PixelData) // 6 * 2
    ds.PixelData = bytes(blank) + ds.PixelData[blank:]
    ds.save_as(path)


def compared(node: RunningNode) -> list[dict[str, Any]]:
    written = node.folder / "shadow.json"
    code, said = run(node, "audit", "shadow", "--since", "1", "--json", str(written))
    assert code == 0, said
    found: list[dict[str, Any]] = json.loads(written.read_text())["comparisons"]
    assert bool(found) == ("kappa" in said)
    return found


def test_a_study_is_verified_asked_about_and_read_in_silence(
    node: RunningNode, reports: Reports, tmp_path: Path
) -> None:
    image = radiograph()
    study = str(image.StudyInstanceUID)
    node.send(save(image, tmp_path / "in"))
    item = node.settled(study)
    assert (item.priority, item.findings) == (Priority.ROUTINE, [])
    node.until(lambda: bool(compared(node)), 60, "read a second time")

    (comparison,) = compared(node)
    assert comparison["second"]["name"] == "screaming"
    assert comparison["most_different"][0]["study_uid"] == study
    assert node.study(study) == item
    assert len(reports(study)) == 1
    assert b"screaming" not in reports(study)[0].read_bytes()

    code, said = run(node, "replay", study, "--verify")
    assert code == 0, said
    assert said.count("prompts rebuilt, all identical") == 2

    code, said = run(node, "ask", study, "--finding", "pneumothorax", "--by", "reader")
    assert code == 0, said
    assert "AI text, unverified" in said
    assert CALM["follow_up"] in said
    assert study in said and "turn " in said
    assert run(node, "ask", study)[0] == 2
    assert run(node, "ask", "1.2.3", "Why?")[0] == 2

    other = script(tmp_path / "other", name="other")
    code, said = run(node, "replay", study, "--verify", "--model", other)
    assert code == 1
    assert "not by other" in said

    change_turn(node)
    code, said = run(node, "replay", study, "--verify")
    assert code == 1
    assert "triage: 20 prompts rebuilt, all identical" in said
    assert "read: turn 8 (findings, overall) differs: the prompt's bytes" in said

    change_picture(node)
    code, said = run(node, "replay", study, "--verify")
    assert code == 1
    assert said.count("the digest of picture 1") == 2
    code, said = run(node, "replay", study)
    assert code == 2
    assert "--verify" in said


def test_a_shadow_that_cannot_start_leaves_the_node_in_order(
    tmp_path: Path, pacs: ReceivingAE
) -> None:
    running = RunningNode(
        tmp_path / "node",
        destinations=(destination(pacs),),
        model=script(tmp_path),
        sections={"shadow": {"path": str(tmp_path / "none.script.json")}},
    )
    with running as node:
        image = radiograph()
        node.send(save(image, tmp_path / "in"))
        assert node.settled(str(image.StudyInstanceUID)).priority is Priority.STAT
        assert node.page.first_broken() is None
        code, said = run(node, "check")
        assert code == 1
        assert "shadow.path" in said
