"""Everything that leans on the inside of pynetdicom, in one file with a contract test.

The library reads whatever length a PDU claims, for as long as the peer takes, and keeps
whole messages in memory. Here every socket gets a reader that refuses a PDU before
allocating for it, bounds its time, and passes C-STORE data sets to a file.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.pdu_primitives import P_DATA

from cxr_node.dicom.reception import ArrivingDataSet, Reception, StoreCommand
from cxr_node.domain.errors import MalformedUid
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid

_HEAD = struct.Struct(">BBL")
_KNOWN_PDUS = frozenset(range(1, 8))
_FIXED_LENGTH = {5: 4, 6: 4, 7: 4}
_MAX_COMMAND_BYTES = 65_536
_MAX_QUERY_BYTES = 1_048_576
_NO_UID = "0.0"
_DRAIN_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)

# What the library may raise on a malformed command set.
_MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    EOFError,
    OSError,
    struct.error,
)


class Refusal(StrEnum):
    """Why a connection was closed on the spot."""

    PDU_TOO_LONG = "pdu-too-long"
    PDU_TOO_SLOW = "pdu-too-slow"
    PDU_UNKNOWN = "pdu-unknown"
    MESSAGE_TOO_LONG = "message-too-long"
    MESSAGE_MALFORMED = "message-malformed"
    TOO_MANY_WAITING = "too-many-waiting"


@dataclass(frozen=True, slots=True)
class PduLimits:
    """Longest PDU in bytes after its 6-byte head, and longest time for one, in seconds."""

    bytes: int
    seconds: float


class PduGuard:
    """Reads PDUs for one association in place of ``AssociationSocket.recv``.

    The library asks for the 6-byte head and then for the body that the head promises.
    """

    def __init__(self, association: Association, limits: PduLimits, address: str) -> None:
        self._association = association
        self._limits = limits
        self._address = address
        self._body: int | None = None
        self._deadline = 0.0
        self._poisoned = False
        wrapped = association.dul.socket
        if wrapped is None or wrapped.socket is None:
            raise OSError("the connection closed before it could be guarded")
        self._wire: socket.socket = wrapped.socket
        self._wire.settimeout(limits.seconds)
        self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._close_library_socket = wrapped.close
        wrapped.recv = self.recv  # type: ignore[method-assign]
        wrapped.close = self._library_closes  # type: ignore[method-assign]

    @property
    def wire(self) -> socket.socket:
        """The connection itself, a TLS socket where there was a handshake."""
        return self._wire

    def recv(self, nr_bytes: int) -> bytearray:
        """The next ``nr_bytes`` bytes, fewer if the peer closed. Raises OSError on refusal."""
        if self._body is not None:
            self._body = None
            return self._fill(nr_bytes)
        if self._poisoned:
            self._drain()
            raise ConnectionAbortedError("closed after an unknown PDU")
        self._deadline = time.monotonic() + self._limits.seconds
        head = self._fill(nr_bytes)
        self._acknowledge_at_once()
        if len(head) == _HEAD.size:
            self._judge(head)
        return head

    def refuse(self, reason: Refusal) -> None:
        """Reset the connection now; its threads end by themselves.

        A reset, because a sender that meets only a closed window would hang on.
        """
        emit(Event.PDU_REFUSED, reason=reason, address=self._address)
        with contextlib.suppress(OSError):  # already closed by the peer
            self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()

    def close(self) -> None:
        """Shut the socket down and wake a thread that waits for an association request."""
        with contextlib.suppress(OSError):  # already closed by the peer
            # Not that of a TLS socket, which would let its reader go on without TLS.
            socket.socket.shutdown(self._wire, socket.SHUT_RDWR)
        self._wake()

    def _judge(self, head: bytearray) -> None:
        kind, _, length = _HEAD.unpack(head)
        if kind not in _KNOWN_PDUS:
            # The library answers this head with one A-ABORT; nothing more is read.
            emit(Event.PDU_REFUSED, reason=Refusal.PDU_UNKNOWN, address=self._address)
            self._poisoned = True
            self._drain()
            return
        if length > _FIXED_LENGTH.get(kind, self._limits.bytes):
            self.refuse(Refusal.PDU_TOO_LONG)
            raise ConnectionAbortedError("PDU longer than allowed")
        self._body = length

    def _fill(self, wanted: int) -> bytearray:
        """Receive into one buffer; slow peers meet the deadline of the whole PDU."""
        buffer = bytearray(wanted)
        view, got = memoryview(buffer), 0
        try:
            while got < wanted:
                received = self._wire.recv_into(view[got:])
                if not received:
                    break
                got += received
                if got < wanted:
                    self._hurry()
        except TimeoutError:
            self.refuse(Refusal.PDU_TOO_SLOW)
            raise
        finally:
            view.release()
        if self._wire.gettimeout() != self._limits.seconds:
            self._wire.settimeout(self._limits.seconds)
        del buffer[got:]
        return buffer

    def _hurry(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("PDU slower than allowed")
        self._wire.settimeout(left)

    def _acknowledge_at_once(self) -> None:
        """DCMTK writes head and body apart and waits for the delayed acknowledgement."""
        quick = getattr(socket, "TCP_QUICKACK", None)
        if quick is not None:
            self._wire.setsockopt(socket.IPPROTO_TCP, quick, 1)

    def _drain(self) -> None:
        """Throw away what is there: closing over unread bytes would destroy the A-ABORT."""
        self._wire.setblocking(False)
        with contextlib.suppress(OSError):  # nothing there
            self._wire.recv(_DRAIN_BYTES)
        self._wire.settimeout(self._limits.seconds)

    def _library_closes(self) -> None:
        self._close_library_socket()
        self._wake()

    def _wake(self) -> None:
        """End the wait for an A-ASSOCIATE-RQ: None reads as the ACSE timeout."""
        if self._association.requestor.primitive is None:
            self._association.dul.to_user_queue.put(None)


def guard_messages(association: Association, reception: Reception, guard: PduGuard) -> None:
    """Send C-STORE data sets to ``reception`` and bound everything else held in memory."""
    dimse = association.dimse
    original = dimse.receive_primitive

    def receive(primitive: P_DATA) -> None:
        try:
            for value in primitive.presentation_data_value_list:
                single = P_DATA()
                single.presentation_data_value_list.append(value)
                original(single)
                if dimse.message is not None:
                    _place(association, dimse.message, reception, guard)
        except _MALFORMED:
            guard.refuse(Refusal.MESSAGE_MALFORMED)

    dimse.receive_primitive = receive  # type: ignore[method-assign]


def _place(
    association: Association, message: DIMSEMessage, reception: Reception, guard: PduGuard
) -> None:
    """Give a C-STORE its file as soon as the command is known."""
    if isinstance(message, C_STORE_RQ):
        if not isinstance(message.data_set, ArrivingDataSet):
            command = _command(association, message)
            message.data_set = reception.begin(command)
            if not _is_uid(command.sop_instance_uid):
                # Kept from the library, which would close over it instead of answering.
                message.command_set.AffectedSOPInstanceUID = _NO_UID
        return
    held = message.data_set.tell() if message.data_set else 0
    if message.encoded_command_set.tell() > _MAX_COMMAND_BYTES or held > _MAX_QUERY_BYTES:
        guard.refuse(Refusal.MESSAGE_TOO_LONG)


def _command(association: Association, message: DIMSEMessage) -> StoreCommand:
    context = association._accepted_cx.get(message.context_id or 0)
    return StoreCommand(
        sop_class_uid=_uid_text(message.command_set.get("AffectedSOPClassUID")),
        sop_instance_uid=_uid_text(message.command_set.get("AffectedSOPInstanceUID")),
        transfer_syntax=str(context.transfer_syntax[0]) if context else "",
    )


def _is_uid(text: str) -> bool:
    try:
        Uid(text)
    except MalformedUid:
        return False
    return True


def _uid_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def arriving(data_set: BytesIO | None) -> ArrivingDataSet | None:
    """The file behind a C-STORE request's data set, if one was begun."""
    return data_set if isinstance(data_set, ArrivingDataSet) else None


def still_alive(association: Association) -> None:
    """Restart the idle timer: the peer waited for us, not the other way round."""
    association.dul._idle_timer.restart()


def on_end(association: Association, action: Callable[[], None]) -> None:
    """Run ``action`` when the association's thread ends, however it ends."""
    run = association.run

    def wrapped() -> None:
        try:
            run()
        finally:
            action()

    association.run = wrapped  # type: ignore[method-assign]
