"""The server side of a TLS handshake: bounded, off the accepting thread, and clear about why not.

A peer without TLS, with a certificate that is expired, revoked, from an unknown authority or
missing, or with an old protocol is closed with one event each; nothing is said to it in DICOM.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from enum import StrEnum

from cxr_node.domain.events import Event, emit
from cxr_node.transport_security import SubjectRefused, names_in


class TlsRefusal(StrEnum):
    """Why a handshake came to nothing."""

    NOT_TLS = "not-tls"
    PROTOCOL = "tls-version-or-cipher"
    NO_CERTIFICATE = "no-certificate"
    EXPIRED = "certificate-expired"
    NOT_YET_VALID = "certificate-not-yet-valid"
    REVOKED = "certificate-revoked"
    UNKNOWN_AUTHORITY = "certificate-unknown-authority"
    CERTIFICATE = "certificate-refused"
    SUBJECT = "certificate-of-another"
    REFUSED_BY_PEER = "refused-by-peer"
    TOO_SLOW = "handshake-too-slow"
    BROKEN_OFF = "handshake-broken-off"


_VERIFY_CODES = {
    9: TlsRefusal.NOT_YET_VALID,
    10: TlsRefusal.EXPIRED,
    23: TlsRefusal.REVOKED,
    **dict.fromkeys((2, 18, 19, 20, 21), TlsRefusal.UNKNOWN_AUTHORITY),
}
"""X509_V_ERR numbers of OpenSSL."""

_REASONS = {
    "WRONG_VERSION_NUMBER": TlsRefusal.NOT_TLS,
    "HTTP_REQUEST": TlsRefusal.NOT_TLS,
    "HTTPS_PROXY_REQUEST": TlsRefusal.NOT_TLS,
    "UNKNOWN_PROTOCOL": TlsRefusal.NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": TlsRefusal.NOT_TLS,
    "UNSUPPORTED_PROTOCOL": TlsRefusal.PROTOCOL,
    "VERSION_TOO_LOW": TlsRefusal.PROTOCOL,
    "NO_SHARED_CIPHER": TlsRefusal.PROTOCOL,
    "NO_PROTOCOLS_AVAILABLE": TlsRefusal.PROTOCOL,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": TlsRefusal.NO_CERTIFICATE,
}
_FIRST_BYTE_OF_TLS = 0x16


class TlsAcceptance:
    """Turns accepted sockets into TLS sockets with a known subject."""

    def __init__(self, context: ssl.SSLContext, seconds: float) -> None:
        self._context = context
        self._seconds = seconds

    def secure(
        self, wire: socket.socket, address: str, waiting: Callable[[ssl.SSLSocket], None]
    ) -> ssl.SSLSocket | None:
        """The same connection under TLS; None, with an event, where it came to nothing.

        Waits ``seconds`` at most, after ``waiting`` was told which socket is waited for.
        ``wire`` is closed or belongs to the result afterwards.
        """
        secured: socket.socket = wire
        try:
            wire.settimeout(self._seconds)
            secured = self._context.wrap_socket(
                wire, server_side=True, do_handshake_on_connect=False
            )
            waiting(secured)
            if _is_plain(secured):
                _refuse(secured, TlsRefusal.NOT_TLS, address)
                return None
            secured.do_handshake()
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile by the admission
            _refuse(secured, reason_of(error), address)
            return None
        return secured


def _refuse(wire: socket.socket, reason: TlsRefusal, address: str) -> None:
    emit(Event.TLS_REFUSED, reason=reason, address=address)
    wire.close()


def _is_plain(wire: socket.socket) -> bool:
    """Whether the peer began with something that is no TLS record; waits for its first byte."""
    first = socket.socket.recv(wire, 1, socket.MSG_PEEK)
    return bool(first) and first[0] != _FIRST_BYTE_OF_TLS


def reason_of(error: Exception) -> TlsRefusal:
    """Look a failed handshake up in the tables."""
    if isinstance(error, SubjectRefused):
        return TlsRefusal.SUBJECT
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, TlsRefusal.CERTIFICATE)
    if isinstance(error, TimeoutError):
        return TlsRefusal.TOO_SLOW
    if isinstance(error, ssl.SSLError):
        said = error.reason or ""
        fallback = TlsRefusal.REFUSED_BY_PEER if "ALERT" in said else TlsRefusal.BROKEN_OFF
        return _REASONS.get(said, fallback)
    return TlsRefusal.BROKEN_OFF


def subjects_of(wire: socket.socket) -> frozenset[str]:
    """The names that the peer proved; none without TLS."""
    return names_in(wire.getpeercert() or {}) if isinstance(wire, ssl.SSLSocket) else frozenset()
