"""Writing a decision about priority: always recorded, and without a person only upwards."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cxr_node.domain.priority import RANK, Priority, PriorityDecision, is_flag, raised
from cxr_node.store import critical
from cxr_node.store.jobs import JobState
from cxr_node.store.schema import JobRow, PriorityEventRow, RevisionRow, StudyRow
from cxr_node.store.schema_desk import PriorityInputsRow
from cxr_node.store.statements import locked, storable


def raise_priority(
    session: Session,
    study_pk: int,
    revision_pk: int,
    decision: PriorityDecision,
    source: str,
    now: datetime,
) -> Priority:
    """Record the decision; raise study and unfinished jobs if it asks for more. The result."""
    study = _locked(session, study_pk)
    after = raised(Priority(study.priority), decision.priority)
    _decide(session, study, revision_pk, decision, after, source, now)
    return after


def set_priority(
    session: Session,
    study_pk: int,
    revision_pk: int,
    decision: PriorityDecision,
    source: str,
    now: datetime,
) -> None:
    """Record what a person decided, and do it, also downwards. ``source`` is the person's role."""
    study = _locked(session, study_pk)
    _decide(session, study, revision_pk, decision, decision.priority, source, now)


def _locked(session: Session, study_pk: int) -> StudyRow:
    study: StudyRow = session.scalars(locked(select(StudyRow).filter_by(id=study_pk))).one()
    return study


def _decide(
    session: Session,
    study: StudyRow,
    revision_pk: int,
    decision: PriorityDecision,
    after: Priority,
    source: str,
    now: datetime,
) -> None:
    before = Priority(study.priority)
    event = PriorityEventRow(
        study_pk=study.id,
        revision_pk=revision_pk,
        before=before.value,
        after=after.value,
        proposed=decision.priority.value,
        rule=storable(decision.rule, 64),
        words=storable(decision.words),
        policy_version=storable(decision.policy_version, 32),
        source=storable(source, 16),
        at=now,
    )
    session.add(event)
    session.flush()
    if decision.inputs:
        session.add(PriorityInputsRow(event_pk=event.id, document=decision.inputs))
    if after is not before:
        _set(session, study, after, storable(decision.words), now)
        critical.open_flag(session, study.id, revision_pk, after, decision, now)


def _set(session: Session, study: StudyRow, priority: Priority, words: str, now: datetime) -> None:
    study.priority = priority.value
    study.priority_rank = RANK[priority]
    study.priority_words = words
    if is_flag(priority) and study.flagged_at is None:
        study.flagged_at = now
    session.flush()
    session.execute(
        update(JobRow)
        .where(
            JobRow.state.in_([JobState.WAITING.value, JobState.RUNNING.value]),
            JobRow.priority_rank < RANK[priority],
            JobRow.revision_pk.in_(select(RevisionRow.id).filter_by(study_pk=study.id)),
        )
        .values(priority_rank=RANK[priority])
    )
