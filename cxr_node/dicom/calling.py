"""How the node opens associations: with a bounded socket, and with TLS where a peer wants it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from pynetdicom import evt

from cxr_node.config import PeerSection
from cxr_node.config_security import TlsSection
from cxr_node.dicom.tls_acceptance import reason_of
from cxr_node.domain.events import Event, emit
from cxr_node.transport_security import requesting_context

TlsArguments = tuple[ssl.SSLContext, str]


def tls_arguments(peer: PeerSection, tls: TlsSection) -> TlsArguments | None:
    """For ``AE.associate(tls_args=…)``; None for a peer without TLS.

    The files are read for every association, so that a renewed certificate needs no restart.
    Raises :class:`ConfigurationError`.
    """
    if not peer.tls:
        return None

    def failed(error: Exception) -> None:
        emit(Event.TLS_REFUSED, reason=reason_of(error), peer=peer.name)

    return requesting_context(tls, peer.tls_subject or peer.host, failed), peer.host


def calling_options(peer: PeerSection, tls: TlsSection, seconds: float) -> dict[str, Any]:
    """Keyword arguments for ``AE.associate``: TLS as configured, no wait beyond ``seconds``."""
    return {
        "tls_args": tls_arguments(peer, tls),
        "evt_handlers": [(evt.EVT_CONN_OPEN, _bounded(seconds))],
    }


def _bounded(seconds: float) -> Callable[[evt.Event], None]:
    """The library takes the limit away once it is connected; a peer may then stop reading."""

    def bound(event: evt.Event) -> None:
        wrapped = event.assoc.dul.socket
        if wrapped is not None and wrapped.socket is not None:
            wrapped.socket.settimeout(seconds)

    return bound
