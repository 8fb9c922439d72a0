"""The outbox: result objects and where each stands with each destination."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.delivery import Parcel
from cxr_node.domain.errors import LeaseLost
from cxr_node.domain.ports import SpooledFile
from cxr_node.store.schema import DeliveryRow, ResultObjectRow, RevisionRow, StudyRow
from cxr_node.store.statements import insert_once, locked, rows_changed, storable


class DeliveryState(StrEnum):
    """Sent means that the destination said so; nothing else does.

    Unconfirmed is stored there, and the destination's commitment is awaited; confirmed is
    that it came. Declined is an object beside the report whose SOP class the destination
    does not take; dropped is a dead letter that a person has written off.
    """

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    PARKED = "parked"
    DECLINED = "declined"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """The right to send one object to one destination; ``attempts`` counts this one."""

    delivery_pk: int
    token: int
    object_pk: int
    revision_pk: int
    destination: str
    kind: str
    sop_class_uid: str
    """Empty for a message that is no DICOM object."""
    uid: str
    path: Path
    attempts: int
    created_at: datetime

    @property
    def parcel(self) -> Parcel:
        """What the destination is given."""
        return Parcel(self.destination, self.kind, self.uid, self.path, self.attempts)


_UNSENT = (DeliveryState.WAITING.value, DeliveryState.SENDING.value)
_OPEN = (*_UNSENT, DeliveryState.UNCONFIRMED.value)
TAKEN = (
    DeliveryState.SENT.value,
    DeliveryState.UNCONFIRMED.value,
    DeliveryState.CONFIRMED.value,
)
"""The destination answered that it has it."""
_GIVEN_UP = (DeliveryState.PARKED.value, DeliveryState.DECLINED.value)


def add_object(
    session: Session,
    revision_pk: int,
    *,
    kind: str,
    sop_class_uid: str,
    sop_instance_uid: str,
    series_uid: str,
    predecessor_uid: str,
    file: SpooledFile,
    now: datetime,
) -> ResultObjectRow:
    """Record an object. If its UID is known, the first content stays the one that travels."""
    values = {
        "revision_pk": revision_pk,
        "kind": kind,
        "sop_class_uid": str(sop_class_uid),
        "sop_instance_uid": str(sop_instance_uid),
        "series_uid": str(series_uid),
        "predecessor_uid": str(predecessor_uid),
        "path": str(file.path),
        "sha256": file.sha256,
        "created_at": now,
    }
    insert_once(session, ResultObjectRow, values)
    statement = select(ResultObjectRow).filter_by(sop_instance_uid=str(sop_instance_uid))
    return session.scalars(statement).one()


def objects_of(session: Session, revision_pk: int) -> list[ResultObjectRow]:
    """The objects of a revision, oldest first."""
    statement = select(ResultObjectRow).filter_by(revision_pk=revision_pk)
    return list(session.scalars(statement.order_by(ResultObjectRow.id)))


def newest_object(
    session: Session, study_pk: int, kind: str, before_revision: int
) -> ResultObjectRow | None:
    """The predecessor: the last object of that kind from an earlier revision."""
    statement = (
        select(ResultObjectRow)
        .join(RevisionRow, RevisionRow.id == ResultObjectRow.revision_pk)
        .where(
            RevisionRow.study_pk == study_pk,
            RevisionRow.number < before_revision,
            ResultObjectRow.kind == kind,
        )
        .order_by(RevisionRow.number.desc(), ResultObjectRow.id.desc())
        .limit(1)
    )
    return session.scalars(statement).one_or_none()


def add_delivery(session: Session, object_pk: int, destination: str, now: datetime) -> None:
    """Ask for an object to be sent; asked twice, it is sent once."""
    values = {
        "object_pk": object_pk,
        "destination": destination,
        "state": DeliveryState.WAITING.value,
        "next_attempt_at": now,
        "created_at": now,
    }
    insert_once(session, DeliveryRow, values)


def claim_due(
    session: Session,
    *,
    now: datetime,
    lease_seconds: float,
    limit: int = 4,
    destination: str | None = None,
) -> list[DueDelivery]:
    """Take deliveries whose time has come: those of the most urgent studies first.

    A delivery whose sender died counts as due again when its lease has expired. With
    ``destination`` only those that go there are taken.
    """
    there = (DeliveryRow.destination == destination,) if destination is not None else ()
    picked = (
        select(DeliveryRow.id)
        .join(ResultObjectRow, ResultObjectRow.id == DeliveryRow.object_pk)
        .join(RevisionRow, RevisionRow.id == ResultObjectRow.revision_pk)
        .join(StudyRow, StudyRow.id == RevisionRow.study_pk)
        .where(_due(now), *there)
        .order_by(StudyRow.priority_rank.desc(), DeliveryRow.next_attempt_at, DeliveryRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=DeliveryRow)
        .cte("picked")
    )
    statement = (
        update(DeliveryRow)
        .where(DeliveryRow.id.in_(select(picked.c.id)))
        .values(
            state=DeliveryState.SENDING.value,
            token=DeliveryRow.token + 1,
            attempts=DeliveryRow.attempts + 1,
            lease_until=now + timedelta(seconds=lease_seconds),
        )
        .returning(DeliveryRow.id)
        .execution_options(synchronize_session=False)
    )
    return _claimed(session, list(session.execute(statement).scalars()))


def _due(now: datetime) -> Any:
    waiting = and_(
        DeliveryRow.state == DeliveryState.WAITING.value, DeliveryRow.next_attempt_at <= now
    )
    expired = and_(DeliveryRow.state == DeliveryState.SENDING.value, DeliveryRow.lease_until < now)
    return or_(waiting, expired)


def _claimed(session: Session, keys: list[int]) -> list[DueDelivery]:
    statement = (
        select(DeliveryRow, ResultObjectRow)
        .join(ResultObjectRow, ResultObjectRow.id == DeliveryRow.object_pk)
        .join(RevisionRow, RevisionRow.id == ResultObjectRow.revision_pk)
        .join(StudyRow, StudyRow.id == RevisionRow.study_pk)
        .where(DeliveryRow.id.in_(keys))
        .order_by(StudyRow.priority_rank.desc(), DeliveryRow.next_attempt_at, DeliveryRow.id)
        .execution_options(populate_existing=True)
    )
    return [
        DueDelivery(
            row.id,
            row.token,
            row.object_pk,
            sent.revision_pk,
            row.destination,
            sent.kind,
            sent.sop_class_uid,
            sent.sop_instance_uid,
            Path(sent.path),
            row.attempts,
            row.created_at,
        )
        for row, sent in session.execute(statement)
    ]


def due(session: Session, now: datetime) -> int:
    """How many deliveries could be sent now."""
    return session.scalar(select(func.count()).select_from(DeliveryRow).where(_due(now))) or 0


def due_destinations(session: Session, now: datetime) -> list[str]:
    """Names of those for which something is due."""
    return list(session.scalars(select(DeliveryRow.destination).where(_due(now)).distinct()))


def bring_forward(session: Session, destination: str, now: datetime) -> None:
    """The destination is back: what waits because it could not be reached is due at once."""
    session.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.destination == destination,
            DeliveryRow.state == DeliveryState.WAITING.value,
            DeliveryRow.next_attempt_at > now,
            DeliveryRow.last_status.is_(None),
        )
        .values(next_attempt_at=now)
    )


def settle_sent(session: Session, due: DueDelivery, status: int | None, now: datetime) -> None:
    """The destination took it. Raises :class:`LeaseLost`, as the other two do."""
    _settle(session, due, DeliveryState.SENT, error="", status=status, sent_at=now)


def settle_unconfirmed(
    session: Session, due: DueDelivery, status: int | None, now: datetime
) -> None:
    """The destination took it, and is to be asked at once whether it keeps it."""
    _settle(
        session,
        due,
        DeliveryState.UNCONFIRMED,
        error="",
        status=status,
        sent_at=now,
        confirm_at=now,
    )


def settle_retry(
    session: Session, due: DueDelivery, *, error: str, status: int | None, next_at: datetime
) -> None:
    """The destination may take it later."""
    _settle(
        session, due, DeliveryState.WAITING, error=error, status=status, next_attempt_at=next_at
    )


def settle_parked(session: Session, due: DueDelivery, *, error: str, status: int | None) -> None:
    """The destination will not take it; a person must act."""
    _settle(session, due, DeliveryState.PARKED, error=error, status=status)


def settle_declined(session: Session, due: DueDelivery, *, error: str, status: int | None) -> None:
    """The destination takes no object of that class; what else it gets is not held up."""
    _settle(session, due, DeliveryState.DECLINED, error=error, status=status)


def settle_replaced(session: Session, due: DueDelivery, object_pk: int, now: datetime) -> None:
    """Another object takes the place of this one on the way to its destination, at once."""
    asked = select(DeliveryRow.id).filter_by(object_pk=object_pk, destination=due.destination)
    held = (
        DeliveryRow.id == due.delivery_pk,
        DeliveryRow.token == due.token,
        DeliveryRow.state == DeliveryState.SENDING.value,
    )
    if session.scalar(asked) is not None:
        changed = rows_changed(session, delete(DeliveryRow).where(*held))
    else:
        moved = {
            "object_pk": object_pk,
            "state": DeliveryState.WAITING.value,
            "lease_until": None,
            "next_attempt_at": now,
        }
        changed = rows_changed(session, update(DeliveryRow).where(*held).values(moved))
    if changed != 1:
        raise LeaseLost(f"delivery {due.delivery_pk} is held by another sender")


def has_object(session: Session, sop_instance_uid: str) -> bool:
    """Whether an object of that UID was ever built."""
    statement = select(ResultObjectRow.id).filter_by(sop_instance_uid=sop_instance_uid)
    return session.scalar(statement) is not None


def _settle(
    session: Session,
    due: DueDelivery,
    state: DeliveryState,
    *,
    error: str,
    status: int | None,
    **values: datetime,
) -> None:
    statement = (
        update(DeliveryRow)
        .where(
            DeliveryRow.id == due.delivery_pk,
            DeliveryRow.token == due.token,
            DeliveryRow.state == DeliveryState.SENDING.value,
        )
        .values(
            state=state.value,
            lease_until=None,
            last_error=storable(error),
            last_status=status,
            **values,
        )
    )
    if rows_changed(session, statement) != 1:
        raise LeaseLost(f"delivery {due.delivery_pk} is held by another sender")


def unsettled(session: Session, revision_pk: int, states: tuple[str, ...] = _OPEN) -> int:
    """How many deliveries of a revision are still to come to an end.

    Locks the revision: of two senders that settle its last deliveries at once, the second
    waits for the first and sees that nothing is left.
    """
    session.scalars(locked(select(RevisionRow).filter_by(id=revision_pk))).one_or_none()
    statement = (
        select(func.count())
        .select_from(DeliveryRow)
        .join(ResultObjectRow, ResultObjectRow.id == DeliveryRow.object_pk)
        .where(ResultObjectRow.revision_pk == revision_pk, DeliveryRow.state.in_(states))
    )
    return session.scalar(statement) or 0


def unsent(session: Session, revision_pk: int) -> int:
    """How many deliveries of a revision no destination has answered for good."""
    return unsettled(session, revision_pk, _UNSENT)


def deliveries_of(session: Session, revision_pk: int) -> list[DeliveryRow]:
    """Every delivery of a revision, oldest first."""
    objects = select(ResultObjectRow.id).filter_by(revision_pk=revision_pk)
    statement = select(DeliveryRow).where(DeliveryRow.object_pk.in_(objects))
    return list(session.scalars(statement.order_by(DeliveryRow.id)))


def replay_deliveries(session: Session, revision_pk: int, now: datetime) -> None:
    """An operator's second chance: what was given up starts anew, with its full time."""
    objects = select(ResultObjectRow.id).filter_by(revision_pk=revision_pk)
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.object_pk.in_(objects), DeliveryRow.state.in_(_GIVEN_UP))
        .values(
            state=DeliveryState.WAITING.value,
            attempts=0,
            transaction_uid="",
            confirm_at=None,
            next_attempt_at=now,
            created_at=now,
        )
    )
