"""Which studies stand on the reading worklist, and in which order: decided in the database.

Open is what came since a moment, or is still being read by the model, unless a person said
that it is read. What came later, or was flagged later, opens a study again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, extract, func, or_, select, union
from sqlalchemy.orm import Session

from cxr_node.domain.priority import RANK
from cxr_node.domain.study import RUNNING, StudyState
from cxr_node.domain.worklist import STRICT, ReadingOrder
from cxr_node.store.schema import MilestoneRow, PriorityEventRow, RevisionRow, StudyRow
from cxr_node.store.schema_desk import DeskEventRow, DeskRow

_RUNNING = RevisionRow.state.in_([state.value for state in RUNNING])


@dataclass(frozen=True, slots=True)
class ListView:
    """How the list is looked at: its order, the present moment, and since when it is open.

    Without ``since`` every study is open; without ``now`` no claim has run out.
    """

    order: ReadingOrder = STRICT
    now: datetime | None = None
    since: datetime | None = None


EVERYTHING = ListView()


def study_keys(session: Session, view: ListView, limit: int) -> list[int]:
    """Keys in reading order: what is open, then, where there is room, the newest of the rest.

    Of more than ``limit`` open studies those that would be read last are left out; without
    ``since``, the oldest of those that are not being read.
    """
    within = _newest(limit) if view.since is None else open_studies(view.since)
    statement = (
        select(StudyRow.id)
        .outerjoin(DeskRow, DeskRow.study_pk == StudyRow.id)
        .where(StudyRow.id.in_(within), _unread())
        .order_by(*_place(view.order))
        .limit(limit)
    )
    found = list(session.scalars(statement))
    if len(found) < limit:
        known = set(found)
        newest = select(StudyRow.id).order_by(StudyRow.created_at.desc()).limit(limit)
        found += [pk for pk in session.scalars(newest) if pk not in known][: limit - len(found)]
    return found


def open_studies(since: datetime) -> Select[Any]:
    """Keys of what came since then, and of what is still being read by the model."""
    running = select(RevisionRow.study_pk.label("id")).where(_RUNNING)
    recent = select(StudyRow.id).where(StudyRow.created_at >= since)
    return select(union(recent, running).subquery().c.id)


def _newest(limit: int) -> Select[Any]:
    running = select(RevisionRow.study_pk).where(_RUNNING)
    waits = case((StudyRow.id.in_(running), 0), else_=1)
    return select(StudyRow.id).order_by(waits, StudyRow.created_at.desc()).limit(limit)


def _unread() -> ColumnElement[bool]:
    anew = select(RevisionRow.id).where(RevisionRow.study_pk == StudyRow.id, _RUNNING).exists()
    return or_(DeskRow.read_at.is_(None), StudyRow.flagged_at > DeskRow.read_at, anew)


def _place(order: ReadingOrder) -> list[ColumnElement[Any]]:
    """Those that always go first by priority, the rest by the second at which they are due."""
    ahead = [RANK[priority] for priority in order.first]
    arrived = extract("epoch", StudyRow.created_at)
    waits = {RANK[p]: int(seconds) for p, seconds in order.due_seconds.items()}
    due = arrived + case(waits, value=StudyRow.priority_rank, else_=0) if waits else arrived
    first = StudyRow.priority_rank.in_(ahead)
    return [
        case((first, StudyRow.priority_rank), else_=-1).desc(),
        case((first, arrived), else_=due),
        StudyRow.created_at.asc(),
        StudyRow.id.asc(),
    ]


def list_state(session: Session) -> tuple[object, ...]:
    """Something that differs whenever the list may look different; a few index look-ups."""
    tables = (StudyRow, RevisionRow, PriorityEventRow, MilestoneRow, DeskEventRow)
    newest = [session.scalar(select(func.max(table.id))) for table in tables]
    moving = (*RUNNING, StudyState.REPORTED, StudyState.PARKED)
    steps = session.execute(
        select(RevisionRow.state, func.count())
        .where(RevisionRow.state.in_([state.value for state in moving]))
        .group_by(RevisionRow.state)
        .order_by(RevisionRow.state)
    )
    return (*newest, *(tuple(step) for step in steps))
