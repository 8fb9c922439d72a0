"""Sending results: what each status means, and receivers that are gone, picky or slow."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)
from pynetdicom import AE, evt

from cxr_node.config import PeerSection
from cxr_node.dicom.store_scp import STATUSES, status_of
from cxr_node.dicom.store_scu import DimseSender, verdict_of
from cxr_node.domain import errors
from cxr_node.domain.delivery import Verdict
from cxr_node.domain.errors import CxrNodeError, Undeliverable
from tests.builders import radiograph, save

DX = "1.2.840.10008.5.1.4.1.1.1.1"


@contextmanager
def receiver(
    status: int = 0,
    syntaxes: Sequence[str] = (ImplicitVRLittleEndian, ExplicitVRLittleEndian),
    sop_class: str = DX,
    delay: float = 0.0,
) -> Iterator[tuple[DimseSender, list[Dataset]]]:
    received: list[Dataset] = []

    def store(event: evt.Event) -> int:
        time.sleep(delay)
        ds = event.dataset
        ds.file_meta = event.file_meta
        received.append(ds)
        return status

    entity = AE(ae_title="PACS")
    entity.add_supported_context(sop_class, list(syntaxes))
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    assert server is not None
    port = server.server_address[1]
    try:
        yield _sender(port), received
    finally:
        server.shutdown()


def _sender(port: int, timeout: float = 15.0) -> DimseSender:
    peer = PeerSection(
        name="pacs", ae_title="PACS", host="127.0.0.1", port=port, receives_results=True
    )
    return DimseSender("CXRNODE", [peer], timeout)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, Verdict.DONE),
        (0xB000, Verdict.DONE),
        (0xB006, Verdict.DONE),
        (0xB007, Verdict.DONE),
        (0x0001, Verdict.DONE),
        (0xA700, Verdict.RETRY),
        (0xA7FF, Verdict.RETRY),
        (0x0110, Verdict.RETRY),
        (0x0111, Verdict.DONE),
        (0x0213, Verdict.RETRY),
        (0xFE00, Verdict.RETRY),
        (0xA800, Verdict.REFUSED),
        (0xA900, Verdict.REFUSED),
        (0xA9FF, Verdict.REFUSED),
        (0xC000, Verdict.REFUSED),
        (0xCFFF, Verdict.REFUSED),
        (0x0117, Verdict.REFUSED),
        (0x0122, Verdict.NOT_TAKEN),
        (0x0124, Verdict.REFUSED),
        (0x0211, Verdict.REFUSED),
        (0xFF00, Verdict.REFUSED),
        (0x1234, Verdict.REFUSED),
    ],
)
def test_every_status_has_a_meaning(status: int, verdict: Verdict) -> None:
    assert verdict_of(status) is verdict


@pytest.mark.parametrize("status", [0x0000, 0xB007])
def test_what_was_stored_returns_its_status(tmp_path: Path, status: int) -> None:
    with receiver(status) as (sender, received):
        assert sender.send("pacs", save(radiograph(), tmp_path)) == status
    assert len(received) == 1


@pytest.mark.parametrize(("status", "permanent"), [(0xA700, False), (0xC000, True), (0xA900, True)])
def test_a_refusal_says_whether_to_try_again(tmp_path: Path, status: int, permanent: bool) -> None:
    with receiver(status) as (sender, _), pytest.raises(Undeliverable) as caught:
        sender.send("pacs", save(radiograph(), tmp_path))
    assert (caught.value.permanent, caught.value.status) == (permanent, status)


@pytest.mark.parametrize("written", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("taken", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_receiver_may_take_only_one_native_syntax(
    tmp_path: Path, written: str, taken: str
) -> None:
    ds = radiograph(transfer_syntax=written, patient_name="MÜLLER^Å")
    with receiver(syntaxes=[taken]) as (sender, received):
        assert sender.send("pacs", save(ds, tmp_path)) == 0
    assert received[0].file_meta.TransferSyntaxUID == taken
    assert received[0].PatientName == "MÜLLER^Å"
    assert received[0].PixelData == ds.PixelData


def test_an_object_the_receiver_does_not_take_is_refused_for_good(tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path)
    with receiver(sop_class=CTImageStorage) as (sender, _), pytest.raises(Undeliverable) as caught:
        sender.send("pacs", path)
    assert caught.value.permanent
    compressed = save(radiograph(transfer_syntax=JPEG2000Lossless), tmp_path)
    with receiver() as (sender, _), pytest.raises(Undeliverable) as caught:
        sender.send("pacs", compressed)
    assert caught.value.permanent


def test_a_receiver_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    with receiver() as (sender, _):
        pass
    for attempt in (
        lambda: sender.send("pacs", save(radiograph(), tmp_path)),
        lambda: _echo(sender),
    ):
        with pytest.raises(Undeliverable) as caught:
            attempt()
        assert not caught.value.permanent


def test_a_receiver_that_never_answers_is_tried_again(tmp_path: Path) -> None:
    with receiver(delay=1.5) as (sender, _):
        sender._timeout = 0.5
        begun = time.monotonic()
        with pytest.raises(Undeliverable) as caught:
            sender.send("pacs", save(radiograph(), tmp_path))
        assert not caught.value.permanent and time.monotonic() - begun < 1.5


def test_an_unknown_destination_and_an_unreadable_file_are_permanent(tmp_path: Path) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"nothing")
    for destination, path in (("other", save(radiograph(), tmp_path)), ("pacs", broken)):
        with pytest.raises(Undeliverable) as caught:
            _sender(1).send(destination, path)
        assert caught.value.permanent


def _echo(sender: DimseSender) -> int:
    sender.echo("pacs")
    return 0


def test_echo() -> None:
    with receiver() as (sender, _):
        sender.echo("pacs")


def test_every_error_of_the_node_has_a_status_and_short_words() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, CxrNodeError)
    ]
    for kind in kinds:
        error = kind.__new__(kind)
        status, words = status_of(error)
        assert status >= 0x0100 and len(words) <= 64
    assert all(len(words) <= 64 for _, _, words in STATUSES)
