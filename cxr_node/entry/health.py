"""Whether each part of the node works, in the order in which a study meets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import func, select, text

from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.switches import Part
from cxr_node.entry.loops import Loop
from cxr_node.entry.wiring import Node
from cxr_node.entry.worker_process import WorkerProcess
from cxr_node.store.jobs import JobKind, JobState
from cxr_node.store.schema import JobRow
from cxr_node.web.source import Component

_UNCLAIMED_SECONDS = 60.0
_COUNTS = JobRow.kind != JobKind.SHADOW  # a second reading may wait as long as it likes


class Health:
    """Asks every part how it is."""

    def __init__(self, node: Node, loops: Sequence[Loop], workers: Sequence[WorkerProcess]) -> None:
        self._node = node
        self._loops = loops
        self._workers = workers

    def components(self, dicom_port: int) -> Mapping[str, Component]:
        """Name to state; the first that does not work is where to look."""
        node = self._node
        return {
            "listener": Component(
                dicom_port > 0, f"{node.config.node.ae_title} on port {dicom_port}"
            ),
            "spool": _tried(node.spool.check_room, "room for more images"),
            "database": _tried(self._ask_database, "answers"),
            "model": _tried(lambda: node.identity, "manifest and digests match"),
            "loops": self._background(),
            "worker": self._reading(),
        }

    def _ask_database(self) -> None:
        with self._node.db.read() as session:
            session.execute(text("SELECT 1"))

    def _background(self) -> Component:
        ended = [loop.name for loop in self._loops if not loop.alive]
        return Component(not ended, f"ended: {', '.join(ended)}" if ended else "running")

    def _reading(self) -> Component:
        if self._workers and not any(worker.ready for worker in self._workers):
            return Component(False, "no reading worker has its model loaded (yet)")
        if not self._node.switches.goes_on(Part.READING):
            return Component(True, "suspended: studies wait unread")
        try:
            waiting = self._oldest_waiting_seconds()
        except CxrNodeError as error:
            return Component(False, error.code)
        if waiting > _UNCLAIMED_SECONDS:
            return Component(False, f"a job has waited {waiting:.0f} s and no worker claims it")
        return Component(True, "jobs are claimed")

    def _oldest_waiting_seconds(self) -> float:
        """Seconds since a claim was last possible and not made; 0 with an empty queue."""
        with self._node.db.read() as session:
            oldest = session.scalar(
                select(func.min(JobRow.created_at)).where(JobRow.state == JobState.WAITING, _COUNTS)
            )
            running = session.scalar(
                select(func.count()).where(JobRow.state == JobState.RUNNING, _COUNTS)
            )
        if oldest is None or running:
            return 0.0
        waited: timedelta = self._node.clock.now() - oldest
        return waited.total_seconds()


def _tried(ask: Callable[[], object], words: str) -> Component:
    try:
        ask()
    except CxrNodeError as error:
        return Component(False, f"{error.code}: {error}")
    return Component(True, words)
