"""Who may associate: the allow-list of AE titles, each tied to an address where one is given."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Sequence

from cxr_node.config import PeerSection

_RESOLVED_SECONDS = 60.0
_LOOPBACK = "loopback"


class Peers:
    """The configured peers. An empty ``host`` in a peer means any address."""

    def __init__(self, sections: Sequence[PeerSection]) -> None:
        self._senders = tuple(peer for peer in sections if peer.may_send)
        self._resolved: dict[str, tuple[float, frozenset[str]]] = {}
        self._lock = threading.Lock()

    def may_associate(self, calling_ae: str, address: str) -> bool:
        """Whether a peer of this title may open an association from this address."""
        return self.name_of(calling_ae, address) is not None

    def name_of(self, calling_ae: str, address: str) -> str | None:
        """The operator's name for the peer; None when nobody configured matches."""
        title = calling_ae.strip(" ")
        for peer in self._senders:
            if peer.ae_title == title and self._lives_at(peer.host, address):
                return peer.name
        return None

    def _lives_at(self, host: str, address: str) -> bool:
        return not host or _canonical(address) in self._addresses(host)

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


def _canonical(address: str) -> str:
    """One spelling per address: IPv4 inside IPv6 unwrapped, all of loopback made one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return _LOOPBACK if parsed.is_loopback else str(parsed)
