"""The kinds of work a worker does, each drained until nothing is due.

The embedded node runs them in threads and child processes, Celery in its tasks: the same
functions, rung by different bells.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from cxr_node.domain.switches import Part
from cxr_node.entry.wiring import Node
from cxr_node.store.jobs import JobKind


class Stations:
    """Read, publish and deliver over one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._ending = threading.Event()

    def read_batch(self, more: Callable[[], bool] = lambda: True) -> int:
        """Triage and read jobs while they come and ``more`` says so; loads the model first."""
        switches = self._node.switches
        if not switches.goes_on(Part.READING):
            return 0
        return self._node.inference.work(lambda: more() and switches.goes_on(Part.READING))

    def read(self) -> int:
        """Triage and read jobs, until none is waiting; then the canary, if it is its turn."""
        return _drain(self.read_batch) + self.canary()

    def canary(self, more: Callable[[], bool] = lambda: True) -> int:
        """The canary's run, if one waits; studies go before each of its questions."""
        return self._node.canary.work(lambda: self.read_batch(more), more)

    def publish(self) -> int:
        """Finished readings become objects and deliveries."""
        node = self._node
        return _drain(lambda: node.claims.work((JobKind.PUBLISH,), node.publish.run))

    def deliver(self) -> int:
        """Objects go to their destinations, until nothing is due or :meth:`end` is called."""
        switches = self._node.switches

        def more() -> bool:
            return not self._ending.is_set() and switches.goes_on(Part.DELIVERY)

        return self._node.delivery.work(more) if more() else 0

    def shadow_batch(self) -> int:
        """One batch of second readings; loads the shadow model on first use."""
        return self._node.shadow.work() if self._node.switches.goes_on(Part.READING) else 0

    def shadow(self) -> int:
        """Second readings, until none is waiting."""
        return _drain(self.shadow_batch)

    def end(self) -> None:
        """Begin no further delivery."""
        self._ending.set()

    def close(self) -> None:
        self._node.close()


def _drain(work: Callable[[], int]) -> int:
    total = 0
    while done := work():
        total += done
    return total
