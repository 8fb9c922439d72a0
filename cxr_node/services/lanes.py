"""One lane per destination, so that a slow one never delays another.

A lane sends one parcel at a time. The threads are daemons: the end of the process waits for
no receiver, and a parcel under way is claimed anew when its lease has run out.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.events import Event, emit_failure

_LOOK_SECONDS = 0.25
"""How often, at most, new destinations are looked for while some lanes are busy."""


class Lanes:
    """Runs ``work(name)`` for each name that ``due()`` lists, each in a thread of its own.

    ``run`` is for one thread at a time; lanes that outlast a call are known to the next.
    """

    def __init__(self, due: Callable[[], Collection[str]], work: Callable[[str], int]) -> None:
        self._due = due
        self._work = work
        self._busy: set[str] = set()
        self._ended: queue.SimpleQueue[tuple[str, int | Exception]] = queue.SimpleQueue()

    def run(self, more: Callable[[], bool]) -> int:
        """Until nothing is due and no lane is busy; the sum of what ``work`` returned.

        After a no of ``more`` nothing is begun. Raises :class:`StoreUnavailable`.
        """
        total = 0
        while True:
            if more():
                for name in set(self._due()) - self._busy:
                    self._begin(name)
            if not self._busy:
                return total
            total += self._next()

    def _begin(self, name: str) -> None:
        self._busy.add(name)
        lane = threading.Thread(target=self._lane, args=(name,), name="lane", daemon=True)
        lane.start()

    def _lane(self, name: str) -> None:
        try:
            self._ended.put((name, self._work(name)))
        except Exception as error:  # noqa: BLE001 - told to whoever runs the lanes
            self._ended.put((name, error))

    def _next(self) -> int:
        try:
            name, result = self._ended.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return 0
        self._busy.discard(name)
        if isinstance(result, StoreUnavailable):
            raise result
        if isinstance(result, Exception):
            emit_failure(Event.LOOP_FAILED, result, kind="deliverer", peer=name)
            return 0
        return result
