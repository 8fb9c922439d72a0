"""Storage commitment for what we sent (SCU): a delivery is confirmed when its peer says so.

A report may come on the association of the request, on one of the peer's own, or never:
then the question is asked again under a new transaction (PS3.4 J.3.2). An instance that the
peer could not commit to is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Protocol

from pydicom.uid import generate_uid
from sqlalchemy.orm import Session

from cxr_node.config import DeliverySection
from cxr_node.domain.commitment import CommitmentReport, CommitmentRequest
from cxr_node.domain.errors import Undeliverable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock
from cxr_node.services.pauses import pause_seconds
from cxr_node.services.settlement import close_revision
from cxr_node.store import commitments
from cxr_node.store.database import Database
from cxr_node.store.outbox import DeliveryState
from cxr_node.store.schema import DeliveryRow

_NEVER = "stored there, but its storage was never confirmed"


class Asker(Protocol):
    """Opens an association and asks. Raises :class:`Undeliverable`."""

    def ask(
        self,
        destination: str,
        request: CommitmentRequest,
        on_report: Callable[[CommitmentReport], None],
    ) -> None: ...


class Confirmation:
    """Asks destinations in ``asked`` to commit to what they answered 0x0000."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        asker: Asker,
        asked: Collection[str],
        limits: DeliverySection,
    ) -> None:
        self._db = db
        self._clock = clock
        self._asker = asker
        self._asked = frozenset(asked)
        self._limits = limits

    def wanted(self, destination: str) -> bool:
        """Whether deliveries to it need its confirmation."""
        return destination in self._asked

    def due(self, session: Session, now: datetime) -> list[str]:
        """Destinations that are to be asked now."""
        return commitments.unconfirmed_destinations(session, now)

    def ask(self, destination: str) -> int:
        """One request to one destination; how many instances it named."""
        now, transaction = self._clock.now(), str(generate_uid(prefix=None))
        until = now + timedelta(seconds=self._limits.commitment_seconds)
        with self._db.begin() as session:
            named = commitments.claim_unconfirmed(
                session, destination, transaction, now=now, until=until
            )
        if not named:
            return 0
        try:
            self._asker.ask(destination, CommitmentRequest(transaction, named), self.answered)
        except Undeliverable as error:
            self._not_taken(transaction, error)
        else:
            emit(Event.COMMITMENT_ASKED, peer=destination, instances=len(named))
        return len(named)

    def _not_taken(self, transaction: str, error: Undeliverable) -> None:
        """Asked again after the longest pause: what is confirmed late is not lost."""
        pause = min(self._limits.commitment_seconds, self._limits.longest_retry_seconds)
        with self._db.begin() as session:
            at = self._clock.now() + timedelta(seconds=pause)
            commitments.ask_again(session, transaction, at)
        emit(Event.COMMITMENT_REFUSED, status=error.status, code=error.code)

    def answered(self, report: CommitmentReport) -> None:
        """What a peer says of a transaction; nothing happens for one that is not ours."""
        now = self._clock.now()
        with self._db.begin() as session:
            self._confirm(session, report, now)
            self._send_again(session, report, now)
        emit(
            Event.COMMITMENT_ANSWERED,
            instances=len(report.committed),
            failed=len(report.failed),
            level=logging.WARNING if report.failed else logging.INFO,
        )

    def _confirm(self, session: Session, report: CommitmentReport, now: datetime) -> None:
        uids = {one.sop_instance_uid for one in report.committed}
        found = commitments.in_transaction(session, report.transaction_uid, uids)
        for row, _made in found:
            row.state, row.confirm_at, row.last_error = DeliveryState.CONFIRMED.value, None, ""
        session.flush()
        for revision in {made.revision_pk for _row, made in found}:
            close_revision(session, revision, now)

    def _send_again(self, session: Session, report: CommitmentReport, now: datetime) -> None:
        reasons = {one.sop_instance_uid: reason for one, reason in report.failed}
        found = commitments.in_transaction(session, report.transaction_uid, reasons)
        for row, made in found:
            self._refused(row, reasons[made.sop_instance_uid], now)
        session.flush()
        for revision in {made.revision_pk for _row, made in found}:
            close_revision(session, revision, now)

    def _refused(self, row: DeliveryRow, reason: int, now: datetime) -> None:
        over = now - row.created_at > timedelta(hours=self._limits.max_hours)
        spent = over or row.attempts >= self._limits.max_attempts
        row.state = (DeliveryState.PARKED if spent else DeliveryState.WAITING).value
        row.transaction_uid, row.confirm_at = "", None
        row.last_error = f"not committed: 0x{reason:04X}"
        row.last_status = reason
        pause = pause_seconds(row.attempts, row.id, self._limits)
        row.next_attempt_at = now + timedelta(seconds=pause)

    def give_up(self) -> int:
        """Park what no report ever came for; how many. Nothing is called confirmed unsaid."""
        now = self._clock.now()
        before = now - timedelta(hours=self._limits.max_hours)
        with self._db.begin() as session:
            found = commitments.never_confirmed(session, before)
            for row, _made in found:
                row.state, row.confirm_at = DeliveryState.PARKED.value, None
                row.last_error = _NEVER
            session.flush()
            for revision in {made.revision_pk for _row, made in found}:
                close_revision(session, revision, now)
        for row, _made in found:
            emit(Event.DELIVERY_PARKED, level=logging.ERROR, peer=row.destination)
        return len(found)
