"""Attacks on the port itself, over real TCP; after each an honest study still passes."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import ComputedRadiographyImageStorage

from tests.builders import radiograph
from tests.listening import (
    Node,
    association_request,
    listening,
    pdu,
    pdv,
    read_pdu,
    send,
    store_command,
    until,
)

PDU_SECONDS = 0.6


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with listening(
        tmp_path, pdu_seconds=PDU_SECONDS, max_pdu_bytes=16_384, max_message_bytes=200_000
    ) as running:
        yield running
        assert send(running, radiograph()) == 0x0000, "an honest study must still pass"
        assert until(lambda: not running.leftovers())
        assert until(lambda: not _dicom_threads_beyond_one())


def _dicom_threads_beyond_one() -> list[str]:
    names = [t.name for t in threading.enumerate() if t.name.startswith("dicom-")]
    return [name for name in names if name != "dicom-listener"]


def _seconds_until_closed(wire: socket.socket) -> float:
    begun = time.monotonic()
    while True:
        try:
            if not wire.recv(4096):
                break
        except ConnectionError:
            break
    return time.monotonic() - begun


def test_a_length_of_four_gib_is_closed_at_once(node: Node) -> None:
    with node.connect() as wire:
        wire.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFFF))
        assert _seconds_until_closed(wire) < PDU_SECONDS / 2


def test_a_long_p_data_inside_an_association_is_closed_at_once(node: Node) -> None:
    with node.connect() as wire:
        wire.sendall(association_request(ComputedRadiographyImageStorage))
        assert read_pdu(wire)[0] == 2  # type: ignore[index]
        wire.sendall(struct.pack(">BBL", 4, 0, 16_385))
        assert _seconds_until_closed(wire) < PDU_SECONDS / 2


def test_a_release_request_with_a_long_body_is_closed_at_once(node: Node) -> None:
    with node.connect() as wire:
        wire.sendall(struct.pack(">BBL", 5, 0, 4096))
        assert _seconds_until_closed(wire) < PDU_SECONDS / 2


def test_a_pdu_of_a_byte_now_and_then_is_closed_after_its_time(node: Node) -> None:
    with node.connect() as wire:
        wire.sendall(struct.pack(">BBL", 1, 0, 4096))
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 5:
                wire.sendall(b"\0")
                time.sleep(PDU_SECONDS / 6)
        except ConnectionError:
            pass
        assert PDU_SECONDS * 0.9 < time.monotonic() - begun < PDU_SECONDS * 3


def test_slow_pdus_do_not_keep_an_honest_sender_out(tmp_path: Path) -> None:
    with listening(
        tmp_path, pdu_seconds=2.0, max_associations=2, max_associations_per_address=2
    ) as node:
        strangers = [node.connect() for _ in range(60)]
        for wire in strangers:
            wire.sendall(struct.pack(">BBL", 1, 0, 4096))
        begun = time.monotonic()
        assert send(node, radiograph()) == 0x0000
        assert time.monotonic() - begun < 1.5
        for wire in strangers:
            wire.close()


def test_silence_is_closed(node: Node) -> None:
    with node.connect() as wire:
        assert _seconds_until_closed(wire) < PDU_SECONDS * 4


@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.1\r\nHost: node\r\nUser-Agent: something/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"\x99\0\0\0\0\x04abcd",
        b"\0" * 6,
    ],
    ids=["http", "tls", "type 0x99", "zeros"],
)
def test_another_protocol_gets_one_abort(node: Node, greeting: bytes) -> None:
    with node.connect() as wire:
        wire.sendall(greeting)
        begun = time.monotonic()
        assert read_pdu(wire) == (7, b"\0\0\0\0")
        assert read_pdu(wire) is None
        assert time.monotonic() - begun < PDU_SECONDS


def test_an_unknown_pdu_inside_an_association_gets_one_abort(node: Node) -> None:
    with node.connect() as wire:
        wire.sendall(association_request(ComputedRadiographyImageStorage))
        assert read_pdu(wire)[0] == 2  # type: ignore[index]
        wire.sendall(pdu(0x99, bytes(40)))
        kind, body = read_pdu(wire) or (0, b"")
        assert (kind, body[2]) == (7, 2)
        assert read_pdu(wire) is None


def test_data_before_an_association_is_aborted(node: Node) -> None:
    with node.connect() as wire:
        wire.sendall(pdv(b"\0" * 20, command=True, last=True))
        assert read_pdu(wire) == (7, b"\0\0\0\0")


@pytest.mark.parametrize(
    "body",
    [b"", b"\0" * 4, b"\xff" * 300, struct.pack(">L", 0xFFFFFFF0) + b"\x01\x03"],
    ids=["empty", "no value", "all ones", "value longer than the PDU"],
)
def test_a_malformed_p_data_ends_only_its_association(node: Node, body: bytes) -> None:
    with node.connect() as wire:
        wire.sendall(association_request(ComputedRadiographyImageStorage))
        assert read_pdu(wire)[0] == 2  # type: ignore[index]
        wire.sendall(pdu(4, body))
        wire.shutdown(socket.SHUT_WR)
        assert _seconds_until_closed(wire) < 3


@pytest.mark.parametrize("command", [b"", b"\xff" * 40, bytes(100)], ids=["empty", "ones", "zeros"])
def test_a_malformed_command_closes_the_connection(node: Node, command: bytes) -> None:
    with node.connect() as wire:
        wire.sendall(association_request(ComputedRadiographyImageStorage))
        assert read_pdu(wire)[0] == 2  # type: ignore[index]
        wire.sendall(pdv(command, command=True, last=True))
        assert _seconds_until_closed(wire) < 3


def test_an_endless_command_closes_the_connection(node: Node) -> None:
    with node.connect() as wire:
        wire.sendall(association_request(ComputedRadiographyImageStorage))
        assert read_pdu(wire)[0] == 2  # type: ignore[index]
        with pytest.raises(ConnectionError):
            for _ in range(2000):
                wire.sendall(pdv(bytes(16_000), command=True, last=False))
                time.sleep(0.001)


def test_a_message_over_the_limit_is_closed_and_leaves_no_file(node: Node) -> None:
    with node.connect() as wire:
        wire.sendall(association_request(ComputedRadiographyImageStorage))
        assert read_pdu(wire)[0] == 2  # type: ignore[index]
        command = store_command(ComputedRadiographyImageStorage.encode(), b"1.2.3")
        wire.sendall(pdv(command, command=True, last=True))
        with pytest.raises(ConnectionError):
            for _ in range(2000):
                wire.sendall(pdv(bytes(16_000), command=False, last=False))
                time.sleep(0.001)
    assert until(lambda: not node.leftovers())


def test_an_aborted_transfer_leaves_no_file(node: Node) -> None:
    with node.connect() as wire:
        wire.sendall(association_request(ComputedRadiographyImageStorage))
        assert read_pdu(wire)[0] == 2  # type: ignore[index]
        command = store_command(ComputedRadiographyImageStorage.encode(), b"1.2.3")
        wire.sendall(pdv(command, command=True, last=True))
        wire.sendall(pdv(bytes(4000), command=False, last=False))
        assert until(lambda: len(node.leftovers()) == 1)
    assert until(lambda: not node.leftovers())
