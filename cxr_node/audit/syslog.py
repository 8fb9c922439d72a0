"""Audit messages over TLS to a repository: RFC 5424 inside the frames of RFC 5425."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cxr_node.domain.errors import Undeliverable

PRIORITY = 85
"""Facility 10 (security), severity 5 (notice), as PS3.15 A.6 and ATNA want it."""
MESSAGE_ID = "DICOM+RFC3881"
_LISTEN_SECONDS = 0.05
_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")


@dataclass(frozen=True, slots=True)
class Repository:
    """Where the messages go; ``seconds`` bounds each wait."""

    host: str
    port: int
    seconds: float
    tls: ssl.SSLContext


def framed(at: datetime, host: str, application: str, message: bytes) -> bytes:
    """One frame: length in bytes, a blank, the syslog message with its UTF-8 mark."""
    head = (
        f"<{PRIORITY}>1 {at.isoformat(timespec='milliseconds')} {_name(host, 255)} "
        f"{_name(application, 48)} {os.getpid()} {MESSAGE_ID} - "
    )
    whole = head.encode() + b"\xef\xbb\xbf" + message
    return f"{len(whole)} ".encode() + whole


def _name(text: str, longest: int) -> str:
    return _NOT_PRINTABLE.sub("-", text)[:longest] or "-"


class Wire:
    """A connection that is opened when it is needed and kept while it works."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._open: ssl.SSLSocket | None = None

    def send(self, frames: Sequence[bytes]) -> None:
        """Send all, or raise :class:`Undeliverable`: then all must be sent again.

        Syslog knows no acknowledgement; a connection that the repository has closed is noticed
        before the frames are written, and afterwards.
        """
        try:
            wire = self._connected()
            for frame in frames:
                wire.sendall(frame)
            self._must_be_open(wire)
        except OSError as error:
            self.close()
            raise Undeliverable("the audit repository takes nothing", permanent=False) from error

    def close(self) -> None:
        """End the connection."""
        wire, self._open = self._open, None
        if wire is not None:
            with contextlib.suppress(OSError):  # already closed by the repository
                wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connected(self) -> ssl.SSLSocket:
        if self._open is not None:
            try:
                self._must_be_open(self._open)
            except OSError:
                self.close()
        if self._open is None:
            chosen = self._repository
            plain = socket.create_connection((chosen.host, chosen.port), chosen.seconds)
            try:
                self._open = chosen.tls.wrap_socket(plain, server_hostname=chosen.host)
            except OSError:
                plain.close()
                raise
            self._open.settimeout(chosen.seconds)
        return self._open

    def _must_be_open(self, wire: ssl.SSLSocket) -> None:
        """Raise OSError if the other side has ended the connection, or soon does.

        A repository refuses the node's certificate only after the handshake (TLS 1.3).
        """
        wire.settimeout(_LISTEN_SECONDS)
        try:
            if not wire.recv(1):
                raise ConnectionResetError("closed by the repository")
        except TimeoutError:
            pass  # it has nothing to say, which is all that syslog ever says
        finally:
            wire.settimeout(self._repository.seconds)
