"""The modality of phantoms: what is sent, in which order, and what is kept until it is taken."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from rich.console import Console

from cxr_node.config import PeerSection
from cxr_node.dicom.archive import ReceivingAE
from cxr_node.dicom.modality import Modality
from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import Severity
from cxr_node.entry.phantom_sending import Pace, PhantomModality, burst_cases, receiver
from cxr_node.phantom.batched.signs import Sign
from tests.peers import free_port


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[ReceivingAE]:
    archive = ReceivingAE(tmp_path / "pacs", "PACS")
    archive.start()
    yield archive
    archive.stop()


def modality(port: int, said: io.StringIO, seed: int = 7) -> PhantomModality:
    to = PeerSection(name="receiver", ae_title="PACS", host="127.0.0.1", port=port)
    return PhantomModality(Modality("MODALITY", to), Console(file=said, width=200), 64, seed)


def test_burst_has_its_emergency_in_its_place() -> None:
    cases = burst_cases(Pace(burst=5, emergency_at=3, every=0, number=0), 7)
    signs = [{plan.sign for plan in case.plans} for case in cases]
    assert signs[2] == {Sign.PNEUMOTHORAX}
    assert cases[2].plans[0].severity is Severity.SEVERE
    assert all(Sign.PNEUMOTHORAX not in found for found in (*signs[:2], *signs[3:]))
    assert len({case.seed for case in cases}) == 5


def test_burst_then_others_at_their_pace(pacs: ReceivingAE, tmp_path: Path) -> None:
    pauses: list[float] = []
    said = io.StringIO()
    pace = Pace(burst=3, emergency_at=2, every=20.0, number=5)
    modality(pacs.port, said, seed=30).run(pace, pauses.append)
    lines = [line.split() for line in said.getvalue().splitlines()]
    assert [line[0] for line in lines] == ["sent"] * 5
    assert lines[1][2] == "pneumothorax"
    stored = {str(dcmread(path).StudyInstanceUID) for path in (tmp_path / "pacs").rglob("*.dcm")}
    assert stored == {line[1] for line in lines}
    assert pauses == [20.0, 20.0]


def test_what_nobody_takes_is_kept_and_offered_again(tmp_path: Path) -> None:
    port, said, started = free_port(), io.StringIO(), []

    def start(_: float) -> None:
        archive = ReceivingAE(tmp_path / "pacs", "PACS")
        archive.start(port)
        started.append(archive)

    modality(port, said).run(Pace(burst=1, emergency_at=0, every=0, number=0), start)
    started[0].stop()
    first, second = said.getvalue().splitlines()
    assert first.startswith("not sent, again in")
    assert second.startswith("sent ")


def test_what_is_never_taken_is_given_up() -> None:
    said, pauses = io.StringIO(), list[float]()
    pace = Pace(burst=1, emergency_at=0, every=0, number=0)
    modality(free_port(), said).run(pace, pauses.append)
    assert said.getvalue().splitlines()[-1].startswith("given up ")
    assert len(pauses) == 24


@pytest.mark.parametrize("text", ["PACS", "PACS@host", "PACS@host:0", "PACS@host:99999", "@h:1"])
def test_receiver_is_named_whole(text: str) -> None:
    with pytest.raises(ConfigurationError, match="AE@host:port"):
        receiver(text)


def test_receiver_may_be_an_ipv6_address() -> None:
    found = receiver("PACS@[::1]:104")
    assert (found.ae_title, found.host, found.port) == ("PACS", "::1", 104)
