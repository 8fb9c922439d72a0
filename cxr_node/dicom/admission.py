"""How many may be connected at once: places for associations, and a cap on mere sockets.

A socket that has not yet negotiated takes no association place, so slow or silent
strangers cannot shut honest senders out; when they are too many the oldest goes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """Associations in all and from one address; sockets that have not negotiated yet."""

    associations: int
    per_address: int
    waiting: int


@dataclass(slots=True)
class _Connection:
    address: str
    drop: Callable[[], None]
    admitted: bool = field(default=False)


class Admission:
    """Counts connections; safe to call from any thread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._connections: dict[int, _Connection] = {}
        self._lock = threading.Lock()

    def opened(self, key: int, address: str, drop: Callable[[], None]) -> None:
        """A socket was accepted. May drop the longest waiting stranger instead of this one."""
        with self._lock:
            waiting = [c for c in self._connections.values() if not c.admitted]
            self._connections[key] = _Connection(address, drop)
        if len(waiting) >= self._limits.waiting:
            waiting[0].drop()

    def admit(self, key: int) -> bool:
        """Take an association place for a known peer; False when there is none."""
        with self._lock:
            mine = self._connections.get(key)
            if mine is None:
                return False
            taken = Counter(c.address for c in self._connections.values() if c.admitted)
            if taken.total() >= self._limits.associations:
                return False
            if taken[mine.address] >= self._limits.per_address:
                return False
            mine.admitted = True
            return True

    def closed(self, key: int) -> None:
        """The connection is over; its place is free."""
        with self._lock:
            self._connections.pop(key, None)

    @property
    def associations(self) -> int:
        """Places taken now."""
        with self._lock:
            return sum(c.admitted for c in self._connections.values())

    @property
    def sockets(self) -> int:
        """Connections of any kind now."""
        with self._lock:
            return len(self._connections)
