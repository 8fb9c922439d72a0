"""Suspends and resumes parts of the node, and tells every part whether it may go on.

A part asks often, so the answer is kept for half a second; while the database does not answer,
the last answer stands.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cxr_node.domain.errors import IntakeSuspended, StoreUnavailable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock
from cxr_node.domain.switches import Part, Suspension
from cxr_node.store import switches
from cxr_node.store.database import Database

KEPT_SECONDS = 0.5
_LONGEST_NAME, _LONGEST_REASON = 64, 200


class Switches:
    """The switches of one node, seen from one process."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[Suspension, ...] = ()
        self._asked_at: float | None = None

    def turn(self, part: Part, *, suspended: bool, by: str, reason: str = "") -> bool:
        """Suspend or resume; whether that changed anything. Raises :class:`StoreUnavailable`."""
        by, reason = _clean(by, _LONGEST_NAME), _clean(reason, _LONGEST_REASON)
        with self._db.begin() as session:
            changed = switches.turn(
                session, part, suspended=suspended, by=by, reason=reason, now=self._clock.now()
            )
        self._asked_at = None
        if changed:
            emit(Event.PART_SUSPENDED if suspended else Event.PART_RESUMED, part=part, user=by)
        return changed

    def suspensions(self) -> Sequence[Suspension]:
        """What is suspended, at most half a second ago."""
        with self._lock:
            now = self._clock.monotonic()
            if self._asked_at is None or now - self._asked_at >= KEPT_SECONDS:
                self._known, self._asked_at = self._read(), now
            return self._known

    def goes_on(self, part: Part) -> bool:
        """Whether the part is not suspended."""
        return all(found.part is not part for found in self.suspensions())

    def require_intake(self) -> None:
        """Raise :class:`IntakeSuspended` while new images are refused."""
        if not self.goes_on(Part.INTAKE):
            raise IntakeSuspended("intake is suspended by an operator")

    def _read(self) -> tuple[Suspension, ...]:
        try:
            with self._db.read() as session:
                return switches.suspensions(session)
        except StoreUnavailable:
            return self._known


def _clean(text: str, longest: int) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()[:longest]
