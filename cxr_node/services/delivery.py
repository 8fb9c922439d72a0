"""The outbox: every result object to every destination, until the destination said 0x0000.

A temporary refusal is tried again with growing pauses; a permanent one is parked and
shown, never called sent (transaction T6). A report in a class that the destination does
not take goes in the older class instead; an object beside the report is left out there,
and holds nothing else up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from pydicom import Dataset, dcmread
from sqlalchemy.orm import Session

from cxr_node.config import DeliverySection
from cxr_node.domain.errors import ClassNotTaken, LeaseLost, Undeliverable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.ports import Clock, ObjectSender, Spool, SpooledFile
from cxr_node.domain.results import ResultKind
from cxr_node.domain.study import StudyState
from cxr_node.reporting.measurement_report import encode, predecessor_uid
from cxr_node.reporting.other_class import as_comprehensive
from cxr_node.store import outbox, studies
from cxr_node.store.database import Database
from cxr_node.store.outbox import DeliveryState, DueDelivery
from cxr_node.store.schema import DeliveryRow, ResultObjectRow, RevisionRow


class Delivery:
    """Sends what is due."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        sender: ObjectSender,
        spool: Spool,
        limits: DeliverySection,
    ) -> None:
        self._db = db
        self._clock = clock
        self._sender = sender
        self._spool = spool
        self._limits = limits

    def work(self) -> int:
        """Claim and settle the deliveries that are due; return how many there were."""
        with self._db.begin() as session:
            due = outbox.claim_due(
                session,
                now=self._clock.now(),
                lease_seconds=self._limits.timeout_seconds * 2,
            )
        for delivery in due:
            try:
                self._deliver(delivery)
            except LeaseLost:
                emit(Event.LEASE_LOST, kind="deliver", job=delivery.delivery_pk)
        return len(due)

    def _deliver(self, due: DueDelivery) -> None:
        try:
            status = self._sender.send(due.destination, Path(due.path))
        except ClassNotTaken as error:
            self._in_other_class(due, error)
        except Undeliverable as error:
            self._refused(due, error)
        else:
            self._sent(due, status)

    def _sent(self, due: DueDelivery, status: int) -> None:
        now = self._clock.now()
        with self._db.begin() as session:
            outbox.settle_sent(session, due, status, now)
            self._close_revision(session, due, now)
        emit(Event.DELIVERY_SENT, peer=due.destination, status=status, attempt=due.attempts)

    def _in_other_class(self, due: DueDelivery, error: ClassNotTaken) -> None:
        """Put the same report in the older class in its place; park what has none."""
        with self._db.read() as session:
            report = as_comprehensive(
                dcmread(due.path), lambda uid: outbox.has_object(session, uid)
            )
        if report is None:
            self._not_taken(due, error)
            return
        file = self._spool.write(Uid(str(report.SOPInstanceUID)), encode(report))
        now = self._clock.now()
        with self._db.begin() as session:
            row = _record_other(session, due, report, file, now)
            outbox.settle_replaced(session, due, row.id, now)
            self._close_revision(session, due, now)
        emit(Event.DELIVERY_OTHER_CLASS, peer=due.destination)

    def _not_taken(self, due: DueDelivery, error: ClassNotTaken) -> None:
        """Without its report a destination has no result; what is beside it may be missing."""
        now = self._clock.now()
        with self._db.begin() as session:
            beside = session.get_one(ResultObjectRow, due.object_pk).kind in set(ResultKind)
            settle = outbox.settle_declined if beside else outbox.settle_parked
            settle(session, due, error=str(error), status=error.status)
            self._close_revision(session, due, now)
        event = Event.DELIVERY_DECLINED if beside else Event.DELIVERY_PARKED
        emit(event, peer=due.destination, status=error.status)

    def _refused(self, due: DueDelivery, error: Undeliverable) -> None:
        now = self._clock.now()
        expired = now - due.created_at > timedelta(hours=self._limits.max_hours)
        if error.permanent or expired:
            self._park(due, error, now)
            return
        with self._db.begin() as session:
            outbox.settle_retry(
                session,
                due,
                error=str(error),
                status=error.status,
                next_at=now + timedelta(seconds=self._pause(due.attempts)),
            )
        emit(Event.DELIVERY_RETRY, peer=due.destination, status=error.status, attempt=due.attempts)

    def _park(self, due: DueDelivery, error: Undeliverable, now: datetime) -> None:
        with self._db.begin() as session:
            outbox.settle_parked(session, due, error=str(error), status=error.status)
            self._close_revision(session, due, now)
        emit(Event.DELIVERY_PARKED, peer=due.destination, status=error.status)

    def _pause(self, attempts: int) -> float:
        """Seconds until the next attempt: doubled each time, up to the configured longest."""
        doubled = self._limits.first_retry_seconds * 2.0 ** min(max(attempts - 1, 0), 20)
        return min(doubled, self._limits.longest_retry_seconds)

    def _close_revision(self, session: Session, due: DueDelivery, now: datetime) -> None:
        """Move the study on when the last of its deliveries is settled."""
        revision_pk = session.get_one(ResultObjectRow, due.object_pk).revision_pk
        revision = session.get_one(RevisionRow, revision_pk)
        if outbox.unsettled(session, revision_pk) or revision.state != StudyState.REPORTED:
            return
        refused = _undelivered(session, revision_pk)
        if refused:
            studies.move(session, revision_pk, StudyState.PARKED, now, reason=_advice(refused))
            return
        studies.move(session, revision_pk, StudyState.DELIVERED, now)
        studies.mark(session, revision_pk, Milestone.DELIVERED, now)


def _record_other(
    session: Session, due: DueDelivery, report: Dataset, file: SpooledFile, now: datetime
) -> ResultObjectRow:
    first = session.get_one(ResultObjectRow, due.object_pk)
    return outbox.add_object(
        session,
        first.revision_pk,
        kind=f"{first.kind}-2d",
        sop_class_uid=str(report.SOPClassUID),
        sop_instance_uid=str(report.SOPInstanceUID),
        series_uid=str(report.SeriesInstanceUID),
        predecessor_uid=predecessor_uid(report),
        file=file,
        now=now,
    )


def _undelivered(session: Session, revision_pk: int) -> list[DeliveryRow]:
    """What was given up, and what a destination declined that then got nothing at all."""
    objects = [found.id for found in outbox.objects_of(session, revision_pk)]
    rows = session.query(DeliveryRow).filter(DeliveryRow.object_pk.in_(objects)).all()
    reached = {row.destination for row in rows if row.state == DeliveryState.SENT}
    return [
        row
        for row in rows
        if row.state == DeliveryState.PARKED
        or (row.state == DeliveryState.DECLINED and row.destination not in reached)
    ]


def _advice(refused: list[DeliveryRow]) -> str:
    named = "; ".join(f"{row.destination}: {row.last_error}" for row in refused)
    return f"read, but not delivered ({named}); mend the destination, then run cxr-node replay"
