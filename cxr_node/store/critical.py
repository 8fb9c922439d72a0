"""Flags that must be acknowledged: opened once, acknowledged once, escalated while nobody does."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.amendment import Person
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.store.schema import StudyRow
from cxr_node.store.schema_desk import CriticalResultRow
from cxr_node.store.statements import rows_changed, storable

_OPEN = CriticalResultRow.acknowledged_at.is_(None)


def open_flag(
    session: Session,
    study_pk: int,
    revision_pk: int,
    priority: Priority,
    decision: PriorityDecision,
    now: datetime,
) -> bool:
    """Ask for an acknowledgement, unless one is open already. The study must be locked."""
    if decision.acknowledge_minutes is None or open_of(session, study_pk) is not None:
        return False
    due = now + timedelta(minutes=decision.acknowledge_minutes)
    session.add(
        CriticalResultRow(
            study_pk=study_pk,
            revision_pk=revision_pk,
            priority=priority.value,
            rule=storable(decision.rule, 64),
            words=storable(decision.words),
            policy_version=storable(decision.policy_version, 32),
            raised_at=now,
            due_at=due,
            next_at=due,
        )
    )
    return True


def open_of(session: Session, study_pk: int) -> CriticalResultRow | None:
    """The flag of a study that nobody has acknowledged yet."""
    rows = select(CriticalResultRow).where(CriticalResultRow.study_pk == study_pk, _OPEN)
    return session.scalars(rows.order_by(CriticalResultRow.id.desc()).limit(1)).one_or_none()


def acknowledge(session: Session, flag_pk: int, person: Person, now: datetime) -> bool:
    """Write down who did; False where somebody was faster."""
    statement = (
        update(CriticalResultRow)
        .where(CriticalResultRow.id == flag_pk, _OPEN)
        .values(
            acknowledged_at=now,
            next_at=None,
            person_name=person.name,
            organisation=person.organisation,
            role=person.role.value,
        )
    )
    return rows_changed(session, statement) == 1


def overdue(session: Session, now: datetime, limit: int = 50) -> list[CriticalResultRow]:
    """Flags whose next escalation is due, longest first; those of phantoms call nobody."""
    statement = (
        select(CriticalResultRow)
        .join(StudyRow, StudyRow.id == CriticalResultRow.study_pk)
        .where(_OPEN, CriticalResultRow.next_at <= now, ~StudyRow.quality_control)
        .order_by(CriticalResultRow.next_at)
        .limit(limit)
    )
    return list(session.scalars(statement))


def escalated(session: Session, flag: CriticalResultRow, next_at: datetime | None) -> bool:
    """Count one escalation; False where another process did it, or it was just acknowledged."""
    statement = (
        update(CriticalResultRow)
        .where(CriticalResultRow.id == flag.id, CriticalResultRow.level == flag.level, _OPEN)
        .values(level=flag.level + 1, next_at=next_at)
        .execution_options(synchronize_session=False)
    )
    return rows_changed(session, statement) == 1


def unacknowledged(session: Session) -> dict[str, int]:
    """How many flags nobody has acknowledged: still within their time, and escalated."""
    told = CriticalResultRow.level > 0
    rows = session.execute(select(told, func.count()).where(_OPEN).group_by(told))
    found = {bool(escalated): number for escalated, number in rows}
    return {"waiting": found.get(False, 0), "escalated": found.get(True, 0)}
