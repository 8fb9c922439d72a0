"""Deliveries as an operator sees them: listed, tried again, or written off by a person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from cxr_node.store.outbox import DeliveryState
from cxr_node.store.schema import DeliveryRow, ResultObjectRow, RevisionRow, StudyRow
from cxr_node.store.statements import storable

STOPPED = (DeliveryState.PARKED, DeliveryState.DECLINED)
"""Nothing happens to these unless a person acts."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which deliveries: by number, by destination, by study; empty is every one."""

    keys: Sequence[int] = ()
    destination: str = ""
    study_uid: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """One delivery with what it belongs to."""

    delivery_pk: int
    study_uid: str
    revision_pk: int
    kind: str
    destination: str
    state: DeliveryState
    attempts: int
    last_status: int | None
    last_error: str
    created_at: datetime
    next_attempt_at: datetime


def letters(
    session: Session, states: Collection[DeliveryState], choice: Choice, limit: int = 200
) -> list[Letter]:
    """The chosen deliveries in one of ``states``, oldest first."""
    statement = (
        select(DeliveryRow, ResultObjectRow.kind, RevisionRow.id, StudyRow.study_uid)
        .join(ResultObjectRow, ResultObjectRow.id == DeliveryRow.object_pk)
        .join(RevisionRow, RevisionRow.id == ResultObjectRow.revision_pk)
        .join(StudyRow, StudyRow.id == RevisionRow.study_pk)
        .where(DeliveryRow.state.in_([state.value for state in states]), *_chosen(choice))
        .order_by(DeliveryRow.id)
        .limit(limit)
    )
    return [
        Letter(
            row.id,
            study_uid,
            revision_pk,
            kind,
            row.destination,
            DeliveryState(row.state),
            row.attempts,
            row.last_status,
            row.last_error,
            row.created_at,
            row.next_attempt_at,
        )
        for row, kind, revision_pk, study_uid in session.execute(statement)
    ]


def _chosen(choice: Choice) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if choice.keys:
        found.append(DeliveryRow.id.in_(choice.keys))
    if choice.destination:
        found.append(DeliveryRow.destination == choice.destination)
    if choice.study_uid:
        found.append(StudyRow.study_uid == choice.study_uid)
    return found


def alarm(session: Session) -> str:
    """Where results were given up, and at which destinations; empty when nowhere."""
    statement = (
        select(DeliveryRow.destination, func.count())
        .where(DeliveryRow.state == DeliveryState.PARKED.value)
        .group_by(DeliveryRow.destination)
        .order_by(DeliveryRow.destination)
    )
    named = ", ".join(f"{count} to {name}" for name, count in session.execute(statement))
    return f"not delivered: {named}; see `cxr-node deliveries list`" if named else ""


def start_anew(session: Session, letter: Letter, now: datetime) -> None:
    """With all its attempts and its full time."""
    row = session.get_one(DeliveryRow, letter.delivery_pk)
    row.state, row.attempts = DeliveryState.WAITING.value, 0
    row.transaction_uid, row.confirm_at, row.lease_until = "", None, None
    row.next_attempt_at = row.created_at = now


def write_off(session: Session, letter: Letter, by: str) -> None:
    """A person takes the responsibility; what the destination said last stays readable."""
    row = session.get_one(DeliveryRow, letter.delivery_pk)
    row.state = DeliveryState.DROPPED.value
    row.last_error = storable(f"written off by {by}; before: {row.last_error}")
