"""Takes events of work items to those who follow them by DIMSE; away for now means later.

Events are rows: a restart loses none. They end when they were told, after three days, or
when one receiver has too many waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from cxr_node.domain.errors import Undeliverable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock
from cxr_node.store import ups_subscriptions
from cxr_node.store.database import Database

LONGEST_HOURS = 72
_FIRST_WAIT = 2.0
_LONGEST_WAIT = 300.0

Report = tuple[int, str, int, bytes]
Send = Callable[[str, Sequence[Report]], Iterator[int]]


class WorkitemDelivery:
    """``send`` tells one receiver several events on one association."""

    def __init__(self, db: Database, clock: Clock, send: Send) -> None:
        self._db = db
        self._clock = clock
        self._send = send

    def work(self) -> int:
        """Tell everybody what is due; how many events arrived."""
        with self._db.read() as session:
            receivers = ups_subscriptions.due_receivers(session, self._clock.now())
        return sum(self._tell(receiver) for receiver in receivers)

    def _tell(self, receiver: str) -> int:
        now = self._clock.now()
        with self._db.read() as session:
            rows = ups_subscriptions.due_events(session, receiver, now, by_web=False)
            reports = [(row.id, row.uid, row.kind, row.document) for row in rows]
            attempts = max((row.attempts for row in rows), default=0)
        told: list[int] = []
        failed = False
        try:
            for key in self._send(receiver, reports):
                told.append(key)
        except Undeliverable:
            failed = True
        with self._db.begin() as session:
            ups_subscriptions.told(session, told)
            if failed:
                wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(attempts, 16))
                ups_subscriptions.put_off(session, receiver, now, timedelta(seconds=wait))
        kind = Event.WORKITEM_EVENTS_PUT_OFF if failed else Event.WORKITEM_EVENTS_SENT
        emit(kind, told=len(told))
        return len(told)

    def tidy(self) -> int:
        """Forget what nobody took in time."""
        before = self._clock.now() - timedelta(hours=LONGEST_HOURS)
        with self._db.begin() as session:
            dropped = ups_subscriptions.drop_old(session, before)
        if dropped:
            emit(Event.WORKITEM_EVENTS_DROPPED, number=dropped)
        return dropped
