"""The outbox: everything that leaves the node, to every destination, until it is settled.

A temporary refusal is tried again with growing pauses; a permanent one, or one that has
lasted too long, is parked and shown, never called sent (transaction T6). A report in a class
that the destination does not take goes in the older class instead; an object beside the
report is left out there, and holds nothing else up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from cxr_node.config import DeliverySection
from cxr_node.domain.delivery import Destination, Outcome, Verdict
from cxr_node.domain.errors import LeaseLost
from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock, Spool
from cxr_node.domain.results import ResultKind
from cxr_node.services.confirmation import Confirmation
from cxr_node.services.lanes import Lanes
from cxr_node.services.older_class import replace_by_older
from cxr_node.services.pauses import pause_seconds
from cxr_node.services.settlement import close_revision
from cxr_node.store import outbox
from cxr_node.store.database import Database
from cxr_node.store.outbox import DueDelivery

_NOT_CONFIGURED = Outcome(Verdict.REFUSED, "the destination is not configured")
_LEASE_TIMEOUTS = 5.0
"""An attempt waits at most this many times ``timeout_seconds``, each wait bounded by one."""


class Delivery:
    """Sends what is due; ``destinations`` are known by the names that deliveries carry."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        destinations: Mapping[str, Destination],
        spool: Spool,
        limits: DeliverySection,
        confirmation: Confirmation | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._destinations = destinations
        self._spool = spool
        self._limits = limits
        self._confirmation = confirmation
        self._reached: set[str] = set()
        self._lanes = Lanes(self._due, self._next)

    def work(self, more: Callable[[], bool] = lambda: True) -> int:
        """Send all that is due, each destination in its own lane; how many there were."""
        return self._lanes.run(more)

    def _due(self) -> list[str]:
        with self._db.read() as session:
            now = self._clock.now()
            asked = self._confirmation.due(session, now) if self._confirmation else []
            return [*outbox.due_destinations(session, now), *asked]

    def _next(self, destination: str) -> int:
        """A parcel; where none is due, the question whether the earlier ones are kept."""
        sent = self.send_next(destination)
        return sent or (self._confirmation.ask(destination) if self._confirmation else 0)

    def send_next(self, destination: str) -> int:
        """Claim and settle the most urgent delivery to one destination; 0 or 1."""
        with self._db.begin() as session:
            claimed = outbox.claim_due(
                session,
                now=self._clock.now(),
                lease_seconds=self._limits.timeout_seconds * _LEASE_TIMEOUTS,
                limit=1,
                destination=destination,
            )
        for due in claimed:
            try:
                self._settle(due, self._attempt(due))
            except LeaseLost:
                emit(Event.LEASE_LOST, kind="deliver", job=due.delivery_pk)
        return len(claimed)

    def _attempt(self, due: DueDelivery) -> Outcome:
        found = self._destinations.get(due.destination)
        return found.send(due.parcel) if found else _NOT_CONFIGURED

    def _settle(self, due: DueDelivery, outcome: Outcome) -> None:
        match outcome.verdict:
            case Verdict.DONE:
                self._sent(due, outcome)
            case Verdict.RETRY if not self._is_over(due):
                self._later(due, outcome)
            case Verdict.NOT_TAKEN:
                self._not_taken(due, outcome)
            case _:
                self._park(due, outcome)

    def _is_over(self, due: DueDelivery) -> bool:
        spent = self._clock.now() - due.created_at
        too_long = spent > timedelta(hours=self._limits.max_hours)
        return too_long or due.attempts >= self._limits.max_attempts

    def _sent(self, due: DueDelivery, outcome: Outcome) -> None:
        now = self._clock.now()
        with self._db.begin() as session:
            settle = outbox.settle_unconfirmed if self._unconfirmed(due) else outbox.settle_sent
            settle(session, due, outcome.status, now)
            close_revision(session, due.revision_pk, now)
            if due.destination not in self._reached:
                outbox.bring_forward(session, due.destination, now)
        self._reached.add(due.destination)
        emit(
            Event.DELIVERY_SENT,
            peer=due.destination,
            kind=due.kind,
            status=outcome.status,
            attempt=due.attempts,
        )

    def _unconfirmed(self, due: DueDelivery) -> bool:
        """Only a DICOM object can be committed to."""
        asks = self._confirmation is not None and self._confirmation.wanted(due.destination)
        return asks and bool(due.sop_class_uid)

    def _later(self, due: DueDelivery, outcome: Outcome) -> None:
        if outcome.status is None:
            self._reached.discard(due.destination)
        pause = pause_seconds(due.attempts, due.delivery_pk, self._limits)
        asked = min(outcome.after_seconds, self._limits.longest_retry_seconds)
        with self._db.begin() as session:
            outbox.settle_retry(
                session,
                due,
                error=outcome.words,
                status=outcome.status,
                next_at=self._clock.now() + timedelta(seconds=max(pause, asked)),
            )
        emit(
            Event.DELIVERY_RETRY,
            peer=due.destination,
            kind=due.kind,
            status=outcome.status,
            attempt=due.attempts,
        )

    def _not_taken(self, due: DueDelivery, outcome: Outcome) -> None:
        """Without its report a destination has no result; what is beside it may be missing."""
        if replace_by_older(self._db, self._clock, self._spool, due):
            emit(Event.DELIVERY_OTHER_CLASS, peer=due.destination)
            return
        if due.kind not in set(ResultKind):
            self._park(due, outcome)
            return
        with self._db.begin() as session:
            outbox.settle_declined(session, due, error=outcome.words, status=outcome.status)
            close_revision(session, due.revision_pk, self._clock.now())
        emit(Event.DELIVERY_DECLINED, peer=due.destination, kind=due.kind, status=outcome.status)

    def _park(self, due: DueDelivery, outcome: Outcome) -> None:
        """The dead letter: kept, shown, counted, and sent again only when a person says so."""
        with self._db.begin() as session:
            outbox.settle_parked(session, due, error=outcome.words, status=outcome.status)
            close_revision(session, due.revision_pk, self._clock.now())
        emit(
            Event.DELIVERY_PARKED,
            level=logging.ERROR,
            peer=due.destination,
            kind=due.kind,
            status=outcome.status,
            attempt=due.attempts,
        )
