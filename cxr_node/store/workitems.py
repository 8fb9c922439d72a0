"""Work items as rows: found by their columns, changed under a lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cxr_node.domain.identifiers import Uid, result_uid
from cxr_node.domain.ups import UpsState
from cxr_node.domain.workitem import WorkitemFacts, WorkitemQuery
from cxr_node.store.schema import RevisionRow, StudyRow
from cxr_node.store.schema_ups import WorkitemRow
from cxr_node.store.statements import insert_once, locked, storable

_CHUNK = 500
TAKEN_BACK = "its work item was cancelled before the reading began; cxr-node replay has it read"


def add(
    session: Session,
    facts: WorkitemFacts,
    document: bytes,
    now: datetime,
    *,
    created_by: str,
    performed_here: bool,
) -> bool:
    """Keep a new work item; False if there is one of that UID."""
    values = {
        "uid": facts.uid.text,
        "state": facts.state.value,
        "priority_rank": facts.priority_rank,
        "study_uid": facts.study_uid,
        "patient_id": storable(facts.patient_id),
        "created_by": created_by,
        "performed_here": performed_here,
        "dirty": performed_here,
        "document": document,
        "created_at": now,
        "updated_at": now,
    }
    return insert_once(session, WorkitemRow, values) is not None


def find(session: Session, uid: str, *, lock: bool = False) -> WorkitemRow | None:
    """The work item of that UID; None also while one of the node's own is only planned."""
    statement = select(WorkitemRow).where(WorkitemRow.uid == uid, WorkitemRow.document != b"")
    return session.scalars(locked(statement) if lock else statement).one_or_none()


def matching(session: Session, query: WorkitemQuery) -> Iterator[WorkitemRow]:
    """Work items that fit, the urgent first, then the oldest; read bit by bit."""
    columns = (
        (WorkitemRow.uid, query.uids),
        (WorkitemRow.state, query.states),
        (WorkitemRow.priority_rank, query.priority_ranks),
        (WorkitemRow.study_uid, query.study_uids),
        (WorkitemRow.patient_id, (query.patient_id,) if query.patient_id else ()),
    )
    statement = (
        select(WorkitemRow)
        .where(
            WorkitemRow.document != b"", *(column.in_(found) for column, found in columns if found)
        )
        .order_by(WorkitemRow.priority_rank.desc(), WorkitemRow.id)
        .execution_options(yield_per=_CHUNK)
    )
    yield from session.scalars(statement)


def own_uid(study_uid: str, revision: int) -> Uid:
    """The UID of the node's own work item for a revision."""
    return result_uid("workitem", study_uid, revision)


def plan_own(session: Session, study: StudyRow, revision: RevisionRow, now: datetime) -> None:
    """Have a work item of the node's own for a revision that it will read; once."""
    facts = WorkitemFacts(
        own_uid(study.study_uid, revision.number),
        UpsState.SCHEDULED,
        1,
        study.study_uid,
        study.patient_id,
    )
    add(session, facts, b"", now, created_by="", performed_here=True)


def touch(session: Session, study_uid: str) -> None:
    """The study moved on: the node's work items for it are to be written anew."""
    session.execute(
        update(WorkitemRow)
        .where(WorkitemRow.study_uid == study_uid, WorkitemRow.performed_here)
        .values(dirty=True)
    )


def touch_revision(session: Session, revision_pk: int) -> None:
    """The same, of the study of a revision."""
    study = (
        select(StudyRow.study_uid)
        .join(RevisionRow, RevisionRow.study_pk == StudyRow.id)
        .where(RevisionRow.id == revision_pk)
        .scalar_subquery()
    )
    session.execute(
        update(WorkitemRow)
        .where(WorkitemRow.study_uid == study, WorkitemRow.performed_here)
        .values(dirty=True)
        .execution_options(synchronize_session=False)
    )


def dirty(session: Session, limit: int) -> Sequence[WorkitemRow]:
    """Work items whose study moved on; locked, without those that somebody else holds."""
    statement = (
        select(WorkitemRow)
        .where(WorkitemRow.dirty)
        .order_by(WorkitemRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(statement))


def is_any_dirty(session: Session) -> bool:
    """Whether there is something to write. Reads only."""
    statement = select(WorkitemRow.id).where(WorkitemRow.dirty).limit(1)
    return session.scalar(statement) is not None


def is_cancelled(session: Session, study_uid: str, revision: int) -> bool:
    """Whether somebody took back the node's own work item before it was begun."""
    row = find(session, own_uid(study_uid, revision).text)
    return row is not None and row.state == UpsState.CANCELED
