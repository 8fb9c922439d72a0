"""A node that reads with a model the site added itself, from download to report."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from cxr_node.dicom.archive import ReceivingAE
from cxr_node.domain.study import StudyState
from cxr_node.reasoning.open_model import read_identity
from cxr_node.reasoning.profiles import ACKNOWLEDGEMENT, Architecture
from tests.builders import radiograph, save
from tests.families import BuildFamily
from tests.nodes import destination
from tests.running_node import RunningNode


def test_an_added_model_reads_and_reports(
    tmp_path: Path,
    pacs: ReceivingAE,
    published: BuildFamily,
    reports: Callable[[str], list[Path]],
) -> None:
    node = RunningNode(tmp_path / "node", destinations=(destination(pacs),), model="small")
    source = str(published(Architecture.QWEN3_VL))
    who = ("--name", "small", "--accept-licence", "Dr Person")
    node.command("model", "add", source, "--family", "qwen-vl-instruct", *who)
    image = radiograph(quality_control=True)
    with node:
        node.send(save(image, tmp_path / "in"))
        item = node.settled(image.StudyInstanceUID)
    assert item.state is StudyState.DELIVERED
    [path] = reports(image.StudyInstanceUID)
    identity = read_identity("small", cache=tmp_path / "node" / "data" / "models")
    said = [str(element.value) for element in pydicom.dcmread(path).iterall()]
    assert str(identity.device_uid) in said
    assert any("not taught to read chest radiographs" in words for words in said)


def test_a_model_nobody_acknowledged_keeps_the_node_from_starting(
    tmp_path: Path, published: BuildFamily
) -> None:
    node = RunningNode(tmp_path / "node", model="small")
    source = str(published(Architecture.QWEN3_VL))
    who = ("--name", "small", "--accept-licence", "Dr Person")
    node.command("model", "add", source, "--family", "qwen-vl-instruct", *who)
    (tmp_path / "node" / "data" / "models" / "small" / ACKNOWLEDGEMENT).unlink()
    with pytest.raises(subprocess.CalledProcessError) as failed:
        node.command("up")
    assert "nobody of this site has acknowledged" in failed.value.stderr + failed.value.stdout
