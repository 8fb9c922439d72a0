"""Fixtures of a running node with a scripted model and a stand-in PACS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from cxr_node.config import PeerSection
from cxr_node.dicom.archive import ReceivingAE
from tests.running_node import RunningNode

PNEUMOTHORAX = {
    "answers": {"overall": "abnormal", "presence/pneumothorax": 0.97, "side": "left"},
}


def script(folder: Path, **content: object) -> str:
    """A scripted model's file; its answers are a left pneumothorax unless given."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.script.json"
    path.write_text(json.dumps({**PNEUMOTHORAX, **content}))
    return str(path)


def destination(archive: ReceivingAE, name: str = "pacs") -> PeerSection:
    """The peer that makes ``archive`` a destination of results."""
    return PeerSection(
        name=name,
        ae_title="PACS",
        host="127.0.0.1",
        port=archive.port,
        receives_results=True,
        objects=(),
    )


class Statuses:
    """Answers C-STORE with what the test last set; 0x0000 at first."""

    def __init__(self) -> None:
        self.status = 0x0000
        self.asked = 0

    def __call__(self, data_set: Dataset) -> int:
        self.asked += 1
        return self.status


@pytest.fixture
def statuses() -> Statuses:
    return Statuses()


@pytest.fixture
def pacs(tmp_path: Path, statuses: Statuses) -> Iterator[ReceivingAE]:
    archive = ReceivingAE(tmp_path / "pacs", answer=statuses)
    archive.start()
    yield archive
    archive.stop()


@pytest.fixture
def node(tmp_path: Path, pacs: ReceivingAE) -> Iterator[RunningNode]:
    running = RunningNode(
        tmp_path / "node", destinations=(destination(pacs),), model=script(tmp_path)
    )
    with running:
        yield running


@pytest.fixture
def reports(tmp_path: Path) -> Callable[[str], list[Path]]:
    """The reports of a study that the stand-in PACS holds."""

    def found(study_uid: str) -> list[Path]:
        return sorted((tmp_path / "pacs" / study_uid).glob("SR-*.dcm"))

    return found
