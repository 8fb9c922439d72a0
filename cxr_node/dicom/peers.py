"""Who may associate: AE titles, each tied to addresses and to the subject of a certificate."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Sequence

from cxr_node.config import PeerSection
from cxr_node.transport_security import fits

_RESOLVED_SECONDS = 60.0
_LOOPBACK = "loopback"


_NOBODY: frozenset[str] = frozenset()


class Peers:
    """The configured peers. Without ``host`` and ``networks`` a peer may have any address."""

    def __init__(self, sections: Sequence[PeerSection]) -> None:
        self._senders = tuple(peer for peer in sections if peer.may_send)
        self._resolved: dict[str, tuple[float, frozenset[str]]] = {}
        self._lock = threading.Lock()

    def may_associate(
        self, calling_ae: str, address: str, subjects: frozenset[str] = _NOBODY
    ) -> bool:
        """Whether a peer of this title may open an association from this address."""
        return self.name_of(calling_ae, address, subjects) is not None

    def name_of(
        self, calling_ae: str, address: str, subjects: frozenset[str] = _NOBODY
    ) -> str | None:
        """The operator's name for the peer; None when nobody configured matches.

        ``subjects`` are the names that its certificate proved, none where it showed none.
        """
        title = calling_ae.strip(" ")
        for peer in self._senders:
            if peer.ae_title != title or not self._lives_at(peer, address):
                continue
            if not peer.tls_subject or (subjects and fits(peer.tls_subject, subjects)):
                return peer.name
        return None

    def refusal(self, calling_ae: str, address: str) -> str:
        """What does not fit of a stranger: calling-ae, address or tls-subject."""
        title = calling_ae.strip(" ")
        named = [peer for peer in self._senders if peer.ae_title == title]
        if any(self._lives_at(peer, address) for peer in named):
            return "tls-subject"
        return "address" if named else "calling-ae"

    def _lives_at(self, peer: PeerSection, address: str) -> bool:
        if not peer.host and not peer.networks:
            return True
        if peer.host and _canonical(address) in self._addresses(peer.host):
            return True
        return any(_is_in(address, network) for network in peer.networks)

    def _addresses(self, host: str) -> frozenset[str]:
        """Addresses of ``host``; a name that does not resolve has none."""
        with self._lock:
            known = self._resolved.get(host)
        if known and time.monotonic() - known[0] < _RESOLVED_SECONDS:
            return known[1]
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return frozenset()
        found = frozenset(_canonical(str(answer[4][0])) for answer in answers)
        with self._lock:
            self._resolved[host] = (time.monotonic(), found)
        return found


def _is_in(address: str, network: str) -> bool:
    parsed = _parsed(address)
    return parsed is not None and parsed in ipaddress.ip_network(network)


def _canonical(address: str) -> str:
    """One spelling per address: IPv4 inside IPv6 unwrapped, all of loopback made one."""
    parsed = _parsed(address)
    if parsed is None:
        return address
    return _LOOPBACK if parsed.is_loopback else str(parsed)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, IPv4 inside IPv6 unwrapped; None for a name."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped
    return parsed
