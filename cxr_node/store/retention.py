"""Which bytes may go: never those of work that is still to be done or to be delivered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.study import StudyState
from cxr_node.store.jobs import JobState
from cxr_node.store.outbox import DeliveryState
from cxr_node.store.schema import (
    DeliveryRow,
    InstanceRow,
    JobRow,
    QuarantineRow,
    ResultObjectRow,
    RevisionRow,
)

ENDED = (
    StudyState.DELIVERED,
    StudyState.NOT_ELIGIBLE,
    StudyState.SUPERSEDED,
    StudyState.WITHDRAWN,
)
_AT_WORK = (JobState.WAITING.value, JobState.RUNNING.value)
_SETTLED = (
    DeliveryState.SENT.value,
    DeliveryState.CONFIRMED.value,
    DeliveryState.DECLINED.value,
    DeliveryState.DROPPED.value,
)
Removable = tuple[int, str]
"""Key of a row and the path of its bytes."""


def images(
    session: Session, states: Collection[StudyState], before: datetime, limit: int
) -> list[Removable]:
    """Instances of studies whose every revision came to one of these ends before that time.

    A study that anybody still reads, publishes or delivers is none of them.
    """
    allowed = [state.value for state in (*states, StudyState.SUPERSEDED)]
    of_study = RevisionRow.study_pk == InstanceRow.study_pk
    statement = (
        select(InstanceRow.id, InstanceRow.path)
        .where(
            InstanceRow.removed_at.is_(None),
            InstanceRow.received_at < before,
            exists().where(of_study, RevisionRow.state.in_([s.value for s in states])),
            ~exists().where(of_study, RevisionRow.state.not_in(allowed)),
            ~exists().where(of_study, RevisionRow.state_at >= before),
            ~_worked_on(of_study),
            ~_on_the_way(of_study),
        )
        .order_by(InstanceRow.received_at, InstanceRow.id)
        .limit(limit)
    )
    return _found(session, statement)


def _worked_on(of_study: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        of_study, JobRow.revision_pk == RevisionRow.id, JobRow.state.in_(_AT_WORK)
    )


def _on_the_way(of_study: ColumnElement[bool]) -> ColumnElement[bool]:
    """Something of the study is not settled; what was parked may be sent again."""
    return exists().where(
        of_study,
        ResultObjectRow.revision_pk == RevisionRow.id,
        DeliveryRow.object_pk == ResultObjectRow.id,
        DeliveryRow.state.not_in((*_SETTLED, DeliveryState.PARKED.value)),
    )


def results(
    session: Session, kept_kinds: Collection[str], before: datetime, limit: int
) -> list[Removable]:
    """Objects of other kinds that every destination of theirs has settled before that time."""
    mine = DeliveryRow.object_pk == ResultObjectRow.id
    statement = (
        select(ResultObjectRow.id, ResultObjectRow.path)
        .where(
            ResultObjectRow.removed_at.is_(None),
            ResultObjectRow.created_at < before,
            ResultObjectRow.kind.not_in(kept_kinds),
            exists().where(mine),
            ~exists().where(mine, DeliveryRow.state.not_in(_SETTLED)),
            ~exists().where(mine, DeliveryRow.sent_at >= before),
        )
        .order_by(ResultObjectRow.id)
        .limit(limit)
    )
    return _found(session, statement)


def quarantined(session: Session, before: datetime, limit: int) -> list[Removable]:
    """Bytes that were kept aside before that time."""
    statement = (
        select(QuarantineRow.id, QuarantineRow.path)
        .where(QuarantineRow.removed_at.is_(None), QuarantineRow.received_at < before)
        .order_by(QuarantineRow.id)
        .limit(limit)
    )
    return _found(session, statement)


def _found(session: Session, statement: Select[int, str]) -> list[Removable]:
    return [(key, path) for key, path in session.execute(statement)]


def mark_removed(session: Session, table: Any, keys: Sequence[int], now: datetime) -> None:
    """Say so in the rows; they are locked until the transaction ends."""
    session.execute(
        update(table)
        .where(table.id.in_(keys), table.removed_at.is_(None))
        .values(removed_at=now)
        .execution_options(synchronize_session=False)
    )


def still_named(session: Session, paths: Collection[str]) -> set[str]:
    """Of these paths, those that another row names and has not given up."""
    found: set[str] = set()
    for table in (InstanceRow, ResultObjectRow, QuarantineRow):
        statement = select(table.path).where(table.path.in_(paths), table.removed_at.is_(None))
        found |= set(session.scalars(statement))
    return found
