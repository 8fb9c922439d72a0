"""A reading worker of the embedded node: a child process that reads jobs when it is rung.

It speaks a one-line protocol with its parent: a line on standard input is the bell, the end
of standard input is the end; ``ready`` on standard output says that the model is loaded.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from types import FrameType

from cxr_node.config import Configuration
from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.events import Event, emit
from cxr_node.entry.audit_wiring import AuditTrail
from cxr_node.entry.stations import Stations
from cxr_node.entry.wiring import Node, open_bell

READY = "ready"
_SHADOW_NICENESS = 10


class _Parent:
    """The pipe from the parent process; without a parent it is only a pause."""

    def __init__(self, attached: bool) -> None:
        self._attached = attached
        self.ended = False
        signal.signal(signal.SIGTERM, self._end)
        if attached:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
        else:
            signal.signal(signal.SIGINT, self._end)

    def wait(self, seconds: float) -> None:
        streams = [sys.stdin.fileno()] if self._attached else []
        readable, _, _ = select.select(streams, [], [], seconds)
        if readable and not os.read(readable[0], 4096):
            self.ended = True

    def goes_on(self) -> bool:
        """Whether more work is wanted; asked between two questions, so it waits for nothing."""
        self.wait(0.0)
        return not self.ended

    def say_ready(self) -> None:
        if self._attached:
            sys.stdout.write(f"{READY}\n")
            sys.stdout.flush()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.ended = True


def run_worker(config: Configuration, *, attached: bool, shadow: bool = False) -> None:
    """Read until told to end. ``attached`` means that a parent holds our standard input.

    With ``shadow`` it reads with the second model, and gives way to all other processes.
    """
    parent = _Parent(attached)
    node = Node(config, open_bell(config))
    stations = Stations(node)
    kind = "shadow" if shadow else "read"
    trail = AuditTrail(node)
    trail.start()
    try:
        if shadow:
            os.nice(_SHADOW_NICENESS)
        model = node.shadow_model if shadow else node.model
        emit(Event.MODEL_LOADED, model=model.identity.digest[:12])
        emit(Event.WORKER_STARTED, kind=kind)
        parent.say_ready()
        while not parent.ended:
            if not _read(stations, parent, shadow):
                parent.wait(config.jobs.poll_seconds)
    finally:
        trail.stop()
        stations.close()
        emit(Event.WORKER_STOPPED, kind=kind)


def _read(stations: Stations, parent: _Parent, shadow: bool) -> int:
    try:
        if shadow:
            return stations.shadow_batch()
        return stations.read_batch(parent.goes_on) or stations.canary(parent.goes_on)
    except StoreUnavailable:
        return 0
