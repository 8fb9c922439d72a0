"""A real listener on loopback for tests, and the senders that talk to it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE

from cxr_node.config import ListenerSection, PeerSection
from cxr_node.dicom.commitment_scp import CommitmentService
from cxr_node.dicom.headers import check_command, read_facts
from cxr_node.dicom.listener import Handlers, Listener
from cxr_node.dicom.mpps_scp import MppsService
from cxr_node.dicom.peers import Peers
from cxr_node.dicom.tls_acceptance import TlsAcceptance
from cxr_node.dicom.ups_scp import UpsService
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import InstanceFacts, Received
from cxr_node.domain.worklist import WorklistEntry

NODE = "CXRNODE"
SENDER = "SENDER"


@dataclass
class Node:
    """A running listener and what it received."""

    listener: Listener
    port: int
    partial: Path
    stored: list[InstanceFacts] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    progress: list[Uid] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """A bare TCP connection to the port."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def leftovers(self) -> list[Path]:
        return list(self.partial.iterdir())


@contextmanager
def listening(
    folder: Path,
    *,
    on_instance: Callable[[Received], None] | None = None,
    check_room: Callable[[], None] = lambda: None,
    worklist: Callable[[], Sequence[WorklistEntry]] = lambda: [],
    peers: Sequence[PeerSection] = (PeerSection(name="tester", ae_title=SENDER),),
    commitment: CommitmentService | None = None,
    workitems: UpsService | None = None,
    exams: MppsService | None = None,
    tls: TlsAcceptance | None = None,
    **config: float,
) -> Iterator[Node]:
    """Run a listener; by default an instance is read, checked, and then kept in memory."""
    partial = folder / "partial"
    partial.mkdir(exist_ok=True)

    def keep(received: Received) -> None:
        facts = read_facts(received.partial)
        check_command(facts, received)
        node.stored.append(facts)
        node.files.append(received.partial.read_bytes())

    handlers = Handlers(
        on_instance=on_instance or keep,
        on_progress=lambda study: node.progress.append(study),
        check_room=check_room,
        partial_folder=partial,
        worklist=worklist,
        commitment=commitment,
        workitems=workitems,
        exams=exams,
    )
    section = ListenerSection.model_validate({"port": 0, **config})
    listener = Listener(section, NODE, Peers(peers), handlers, tls)
    node = Node(listener, listener.start(), partial)
    try:
        yield node
    finally:
        listener.stop()


def send(
    node: Node,
    ds: FileDataset,
    *,
    calling: str = SENDER,
    called: str = NODE,
    sop_class: str | None = None,
    context: str | None = None,
    command_class: str | None = None,
    command_instance: str | None = None,
) -> int | None:
    """C-STORE one data set; the status, or None without association or answer.

    ``context`` overrides the negotiated class, the ``command_`` values those of the
    command alone.
    """
    entity = AE(ae_title=calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    wanted = context or sop_class or ds.SOPClassUID
    entity.add_requested_context(wanted, ds.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", node.port, ae_title=called)
    if not association.is_established:
        return None
    try:
        return _store(association, ds, command_class, command_instance)
    finally:
        if association.is_established:
            association.release()


def _store(
    association: object, ds: FileDataset, command_class: str | None, command_instance: str | None
) -> int | None:
    from io import BytesIO

    from pynetdicom.dimse_primitives import C_STORE
    from pynetdicom.dsutils import encode

    syntax = ds.file_meta.TransferSyntaxUID
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = command_class or ds.SOPClassUID
    request.AffectedSOPInstanceUID = command_instance or ds.SOPInstanceUID
    request.Priority = 0
    raw = encode(ds, syntax.is_implicit_VR, syntax.is_little_endian)
    request.DataSet = BytesIO(raw)
    return put(association, request)


def put(association: object, request: object) -> int | None:
    """Send a C-STORE primitive as it is and wait for the status."""
    association._reactor_checkpoint.clear()  # type: ignore[attr-defined]
    try:
        context = next(iter(association._accepted_cx))  # type: ignore[attr-defined]
        association.dimse.send_msg(request, context)  # type: ignore[attr-defined]
        _, answer = association.dimse.get_msg(block=True)  # type: ignore[attr-defined]
    finally:
        association._reactor_checkpoint.set()  # type: ignore[attr-defined]
    return None if answer is None else int(answer.Status)


def pdu(kind: int, body: bytes) -> bytes:
    """A PDU with an honest length (PS3.8 §9.3)."""
    return struct.pack(">BBL", kind, 0, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def association_request(
    sop_class: str, syntaxes: Sequence[str] = (ImplicitVRLittleEndian,), calling: str = SENDER
) -> bytes:
    """A-ASSOCIATE-RQ with one presentation context, id 1 (PS3.8 §9.3.2)."""
    context = bytes([1, 0, 0, 0]) + item(0x30, sop_class.encode())
    for syntax in syntaxes:
        context += item(0x40, syntax.encode())
    user = item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3.4")
    body = struct.pack(">HH", 1, 0) + NODE.ljust(16).encode() + calling.ljust(16).encode()
    body += bytes(32) + item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, context)
    return pdu(1, body + item(0x50, user))


def pdv(data: bytes, *, command: bool, last: bool, context: int = 1) -> bytes:
    """A P-DATA-TF with one value (PS3.8 §9.3.5, §E.2)."""
    head = bytes([context, (1 if command else 0) | (2 if last else 0)])
    return pdu(4, struct.pack(">L", len(data) + 2) + head + data)


def store_command(sop_class: bytes, instance: bytes) -> bytes:
    """An encoded C-STORE-RQ command set, with whatever bytes stand in the UIDs."""

    def element(tag: int, value: bytes) -> bytes:
        value += bytes(len(value) % 2)
        return struct.pack("<HHL", 0, tag, len(value)) + value

    body = element(0x0002, sop_class) + element(0x0100, b"\x01\x00") + element(0x0110, b"\x01\x00")
    body += element(0x0700, b"\x00\x00") + element(0x0800, b"\x01\x00") + element(0x1000, instance)
    return element(0x0000, struct.pack("<L", len(body))) + body


def read_pdu(wire: socket.socket) -> tuple[int, bytes] | None:
    """The next PDU; None when the peer has closed."""
    head = _exactly(wire, 6)
    if head is None:
        return None
    kind, _, length = struct.unpack(">BBL", head)
    return kind, _exactly(wire, length) or b""


def _exactly(wire: socket.socket, count: int) -> bytes | None:
    got = b""
    while len(got) < count:
        try:
            part = wire.recv(count - len(got))
        except ConnectionError:
            return None
        if not part:
            return None
        got += part
    return got


def raw_store(
    node: Node, sop_class: str, instance: bytes, data: bytes, syntax: str = ImplicitVRLittleEndian
) -> int | None:
    """C-STORE made of bare bytes; the status, or None if the association ended instead."""
    with node.connect() as wire:
        wire.sendall(association_request(sop_class, (syntax,)))
        accepted = read_pdu(wire)
        assert accepted is not None and accepted[0] == 2
        wire.sendall(pdv(store_command(sop_class.encode(), instance), command=True, last=True))
        for start in range(0, max(len(data), 1), 16_000):
            part = data[start : start + 16_000]
            wire.sendall(pdv(part, command=False, last=start + 16_000 >= len(data)))
        answer = read_pdu(wire)
        if answer is None or answer[0] != 4:
            return None
        return _status(answer[1][6:])


def _status(command: bytes) -> int:
    at = 0
    while at + 8 <= len(command):
        group, number, length = struct.unpack("<HHL", command[at : at + 8])
        if (group, number) == (0, 0x0900):
            return int(struct.unpack("<H", command[at + 8 : at + 10])[0])
        at += 8 + length
    raise AssertionError("the response holds no status")


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Poll until true or time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.01)
    return True


def status_text(ds: Dataset) -> str:
    return str(ds.get("ErrorComment", ""))
