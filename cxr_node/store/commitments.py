"""Storage commitment as rows: what we have asked others, and what others have asked us."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.commitment import CommitmentRequest, Reference
from cxr_node.store.outbox import DeliveryState
from cxr_node.store.schema import (
    CommitmentRequestRow,
    DeliveryRow,
    InstanceRow,
    ResultObjectRow,
)
from cxr_node.store.statements import insert_once, storable

_UNCONFIRMED = DeliveryState.UNCONFIRMED.value


class RequestState(StrEnum):
    """Where the answer to a peer's request stands."""

    WAITING = "waiting"
    ANSWERED = "answered"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class DueAnswer:
    """A peer's request whose answer is to be sent now; ``attempts`` counts this one."""

    request_pk: int
    peer: str
    request: CommitmentRequest
    attempts: int
    created_at: datetime


def add_request(session: Session, peer: str, request: CommitmentRequest, now: datetime) -> bool:
    """Write a request down; False when this transaction of this peer is known."""
    values = {
        "peer": peer,
        "transaction_uid": request.transaction_uid,
        "document": {
            "references": [[r.sop_class_uid, r.sop_instance_uid] for r in request.references]
        },
        "state": RequestState.WAITING.value,
        "attempts": 0,
        "next_attempt_at": now,
        "created_at": now,
    }
    return insert_once(session, CommitmentRequestRow, values) is not None


def _answerable(now: datetime) -> ColumnElement[bool]:
    return and_(
        CommitmentRequestRow.state == RequestState.WAITING.value,
        CommitmentRequestRow.next_attempt_at <= now,
    )


def answer_is_due(session: Session, now: datetime) -> bool:
    """Whether a peer waits for an answer that could be sent now."""
    return (
        session.scalar(select(CommitmentRequestRow.id).where(_answerable(now)).limit(1)) is not None
    )


def claim_answer(session: Session, now: datetime, until: datetime) -> DueAnswer | None:
    """Take the request that has waited longest; it is due again at ``until`` if nothing comes."""
    picked = (
        select(CommitmentRequestRow.id)
        .where(_answerable(now))
        .order_by(CommitmentRequestRow.next_attempt_at, CommitmentRequestRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    statement = (
        update(CommitmentRequestRow)
        .where(CommitmentRequestRow.id.in_(select(picked.c.id)))
        .values(attempts=CommitmentRequestRow.attempts + 1, next_attempt_at=until)
        .returning(CommitmentRequestRow)
        .execution_options(synchronize_session=False)
    )
    row = session.scalars(statement).one_or_none()
    if row is None:
        return None
    references = tuple(Reference(*pair) for pair in row.document["references"])
    request = CommitmentRequest(row.transaction_uid, references)
    return DueAnswer(row.id, row.peer, request, row.attempts, row.created_at)


def settle_answer(
    session: Session, due: DueAnswer, state: RequestState, at: datetime, error: str = ""
) -> None:
    """Answered or parked for good at ``at``, or waiting until then."""
    session.execute(
        update(CommitmentRequestRow)
        .where(CommitmentRequestRow.id == due.request_pk)
        .values(state=state.value, next_attempt_at=at, last_error=storable(error))
    )


def received(session: Session, uids: Sequence[str]) -> dict[str, InstanceRow]:
    """The instances of these UIDs that were ever answered 0x0000."""
    found: dict[str, InstanceRow] = {}
    for start in range(0, len(uids), 500):
        part = InstanceRow.sop_instance_uid.in_(uids[start : start + 500])
        found |= {
            row.sop_instance_uid: row for row in session.scalars(select(InstanceRow).where(part))
        }
    return found


def unconfirmed_destinations(session: Session, now: datetime) -> list[str]:
    """Names of those that are to be asked (again) about what they were sent."""
    statement = select(DeliveryRow.destination).where(
        DeliveryRow.state == _UNCONFIRMED, DeliveryRow.confirm_at <= now
    )
    return list(session.scalars(statement.distinct()))


def claim_unconfirmed(
    session: Session,
    destination: str,
    transaction_uid: str,
    *,
    now: datetime,
    until: datetime,
    limit: int = 100,
) -> tuple[Reference, ...]:
    """Put what one destination has not confirmed under a new transaction."""
    picked = (
        select(DeliveryRow.id)
        .where(
            DeliveryRow.destination == destination,
            DeliveryRow.state == _UNCONFIRMED,
            DeliveryRow.confirm_at <= now,
        )
        .order_by(DeliveryRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(select(picked.c.id)))
        .values(transaction_uid=transaction_uid, confirm_at=until)
        .execution_options(synchronize_session=False)
    )
    statement = (
        select(ResultObjectRow.sop_class_uid, ResultObjectRow.sop_instance_uid)
        .join(DeliveryRow, DeliveryRow.object_pk == ResultObjectRow.id)
        .where(DeliveryRow.transaction_uid == transaction_uid)
        .order_by(DeliveryRow.id)
    )
    return tuple(Reference(*row) for row in session.execute(statement))


def ask_again(session: Session, transaction_uid: str, at: datetime) -> None:
    """The request was not taken: its deliveries are asked for at ``at``, in a new one."""
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.transaction_uid == transaction_uid, DeliveryRow.state == _UNCONFIRMED)
        .values(transaction_uid="", confirm_at=at)
    )


def in_transaction(
    session: Session, transaction_uid: str, uids: Collection[str]
) -> list[tuple[DeliveryRow, ResultObjectRow]]:
    """The unconfirmed deliveries of a transaction whose objects are named."""
    statement = (
        select(DeliveryRow, ResultObjectRow)
        .join(ResultObjectRow, ResultObjectRow.id == DeliveryRow.object_pk)
        .where(
            DeliveryRow.transaction_uid == transaction_uid,
            DeliveryRow.state == _UNCONFIRMED,
            ResultObjectRow.sop_instance_uid.in_(uids),
        )
        .order_by(DeliveryRow.id)
        .with_for_update(of=DeliveryRow)
    )
    return [(delivery, made) for delivery, made in session.execute(statement)]


def never_confirmed(
    session: Session, before: datetime
) -> list[tuple[DeliveryRow, ResultObjectRow]]:
    """Unconfirmed deliveries that were asked for before that moment."""
    statement = (
        select(DeliveryRow, ResultObjectRow)
        .join(ResultObjectRow, ResultObjectRow.id == DeliveryRow.object_pk)
        .where(DeliveryRow.state == _UNCONFIRMED, DeliveryRow.created_at < before)
        .order_by(DeliveryRow.id)
        .with_for_update(of=DeliveryRow, skip_locked=True)
    )
    return [(delivery, made) for delivery, made in session.execute(statement)]
