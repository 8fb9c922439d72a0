"""The doorbell of one machine: wakes threads, and through them child processes.

A bell carries no study and may get lost; whoever hears it asks the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

QUEUES = ("read", "publish", "deliver", "shadow")


class LocalBell:
    """Wakes threads of this process, and through ``listeners`` its child processes."""

    def __init__(self) -> None:
        self._events = {queue: threading.Event() for queue in QUEUES}
        self._listeners: dict[str, list[Callable[[], None]]] = {queue: [] for queue in QUEUES}

    def ring(self, queue: str) -> None:
        self._events[queue].set()
        for listener in self._listeners[queue]:
            listener()

    def on_ring(self, queue: str, listener: Callable[[], None]) -> None:
        """Call ``listener`` too whenever ``queue`` is rung."""
        self._listeners[queue].append(listener)

    def wait(self, queue: str, seconds: float) -> bool:
        """Sleep until rung or ``seconds`` are over; return whether it rang."""
        rang = self._events[queue].wait(seconds)
        self._events[queue].clear()
        return rang
