"""Minimal Lower Layer Protocol: one message between start and end bytes, bounded in every way.

HL7 v2 Transport Specification, MLLP release 1.
"""

from __future__ import annotations

import socket
import ssl
import time

START, END, CARRIAGE_RETURN = 0x0B, 0x1C, 0x0D
LONGEST_ANSWER = 65_536
_CHUNK = 65_536
_BETWEEN = b"\r\n\t "


class BrokenFrame(Exception):
    """What came is no frame, or none within its limits; ``reason`` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def framed(message: bytes) -> bytes:
    """A message as it travels."""
    return bytes([START]) + message + bytes([END, CARRIAGE_RETURN])


class FrameReader:
    """Reads frames from one connection; what came beyond one frame is kept for the next.

    ``seconds`` bounds one message from its first byte on, ``idle_seconds`` the wait for it.
    """

    def __init__(
        self, connection: socket.socket, *, longest: int, seconds: float, idle_seconds: float
    ) -> None:
        self._connection = connection
        self._longest = longest
        self._seconds = seconds
        self._idle_seconds = idle_seconds
        self._held = b""

    def next(self) -> bytes | None:
        """The next message; None when the peer has ended in good order.

        Raises :class:`BrokenFrame` for anything but a frame, and OSError.
        """
        if not self._begun():
            return None
        until = time.monotonic() + self._seconds
        searched = 1
        while True:
            end = self._held.find(END, searched)
            if end > 0 and len(self._held) > end + 1:
                return self._taken(end)
            searched = len(self._held) if end < 0 else end
            if len(self._held) > self._longest + 3:
                raise BrokenFrame("too-long")
            self._held += self._receive(until - time.monotonic(), "too-slow")

    def _begun(self) -> bool:
        """Wait for a start byte; blanks between frames are passed over."""
        until = time.monotonic() + self._idle_seconds
        while True:
            self._held = self._held.lstrip(_BETWEEN)
            if self._held:
                break
            data = self._chunk(until - time.monotonic(), "idle")
            if not data:
                return False
            self._held = data
        if self._held[0] != START:
            raise BrokenFrame("garbage")
        return True

    def _taken(self, end: int) -> bytes:
        if self._held[end + 1] != CARRIAGE_RETURN:
            raise BrokenFrame("garbage")
        message, self._held = self._held[1:end], self._held[end + 2 :]
        if len(message) > self._longest:
            raise BrokenFrame("too-long")
        return message

    def _receive(self, left: float, late: str) -> bytes:
        data = self._chunk(left, late)
        if not data:
            raise BrokenFrame("cut")
        return data

    def _chunk(self, left: float, late: str) -> bytes:
        if left <= 0:
            raise BrokenFrame(late)
        self._connection.settimeout(left)
        try:
            return self._connection.recv(_CHUNK)
        except TimeoutError as error:
            raise BrokenFrame(late) from error


def exchange(
    address: tuple[str, int],
    message: bytes,
    *,
    seconds: float,
    context: ssl.SSLContext | None = None,
) -> bytes:
    """Send one message on a connection of its own; what was answered.

    ``seconds`` bounds each of connecting, waiting and the answer. Raises
    :class:`BrokenFrame` and OSError.
    """
    with socket.create_connection(address, seconds) as plain:
        connection = context.wrap_socket(plain, server_hostname=address[0]) if context else plain
        with connection:
            connection.sendall(framed(message))
            answer = FrameReader(
                connection, longest=LONGEST_ANSWER, seconds=seconds, idle_seconds=seconds
            ).next()
    if answer is None:
        raise BrokenFrame("closed")
    return answer
