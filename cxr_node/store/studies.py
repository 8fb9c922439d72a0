"""Studies and their revisions; moves are compare-and-set by the table of states.

Whoever adds to a study locks its row and waits; whoever closes revisions locks study and
revision together, or leaves them for the next round. What belongs to a study but has its
own file is offered here too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.errors import IllegalMove
from cxr_node.domain.instance import InstanceFacts
from cxr_node.domain.priority import RANK, Priority
from cxr_node.domain.study import MOVES, StudyState
from cxr_node.store import workitems
from cxr_node.store.desk import note_department
from cxr_node.store.instances import (
    add_instance,
    add_quarantine,
    find_instance,
    instances_of,
    is_image,
    replace_bytes,
)
from cxr_node.store.moments import mark, milestones
from cxr_node.store.priorities import raise_priority
from cxr_node.store.schema import InstanceRow, MilestoneRow, RevisionRow, StudyRow
from cxr_node.store.statements import insert_once, locked, rows_changed, storable

__all__ = [
    "absorb",
    "add_instance",
    "add_quarantine",
    "current_revision",
    "due_revisions",
    "find_instance",
    "instances_of",
    "is_image",
    "mark",
    "milestones",
    "move",
    "open_revision",
    "raise_priority",
    "replace_bytes",
    "supersede_earlier",
    "touch",
    "upsert_study",
]


def upsert_study(session: Session, facts: InstanceFacts, sender: str, now: datetime) -> StudyRow:
    """The study of this instance, created if new; locked until the transaction ends."""
    insert_once(session, StudyRow, _study_values(facts, sender, now))
    uid = facts.study.study_uid.text
    row: StudyRow = session.scalars(locked(select(StudyRow).filter_by(study_uid=uid))).one()
    row.quality_control = row.quality_control or facts.quality_control
    note_department(session, row.id, facts.study.department)
    return row


def _study_values(facts: InstanceFacts, sender: str, now: datetime) -> dict[str, Any]:
    study, patient = facts.study, facts.patient
    return {
        "study_uid": study.study_uid.text,
        "patient_id": storable(patient.patient_id, 128),
        "issuer": storable(patient.issuer, 128),
        "patient_name": storable(patient.name),
        "birth_date": storable(patient.birth_date, 16),
        "sex": storable(patient.sex, 16),
        "accession_number": storable(study.accession_number, 64),
        "study_id": storable(study.study_id, 64),
        "study_date": storable(study.study_date, 16),
        "study_time": storable(study.study_time, 16),
        "description": storable(study.description),
        "referring_physician": storable(study.referring_physician),
        "quality_control": facts.quality_control,
        "sender": sender,
        "priority": Priority.ROUTINE.value,
        "priority_rank": RANK[Priority.ROUTINE],
        "created_at": now,
    }


def open_revision(session: Session, study: StudyRow, now: datetime) -> RevisionRow:
    """The one revision still receiving, or a new one.

    The study must be locked: closing takes that lock too, so it cannot close meanwhile.
    """
    receiving = select(RevisionRow).filter_by(study_pk=study.id, state=StudyState.RECEIVING.value)
    found = session.scalars(receiving).one_or_none()
    if found is not None:
        return found
    latest = select(func.max(RevisionRow.number)).filter_by(study_pk=study.id)
    revision = RevisionRow(
        study_pk=study.id,
        number=(session.scalar(latest) or 0) + 1,
        state=StudyState.RECEIVING.value,
        first_received_at=now,
        last_received_at=now,
        state_at=now,
    )
    session.add(revision)
    session.flush()
    return revision


def current_revision(session: Session, study_pk: int) -> RevisionRow | None:
    """The revision with the highest number."""
    statement = select(RevisionRow).filter_by(study_pk=study_pk)
    return session.scalars(statement.order_by(RevisionRow.number.desc()).limit(1)).one_or_none()


def move(
    session: Session, revision_pk: int, target: StudyState, now: datetime, *, reason: str = ""
) -> None:
    """Move a revision if the table of states allows it, else raise :class:`IllegalMove`."""
    sources = [state.value for state, targets in MOVES.items() if target in targets]
    statement = (
        update(RevisionRow)
        .where(RevisionRow.id == revision_pk, RevisionRow.state.in_(sources))
        .values(state=target.value, state_at=now, reason=storable(reason))
    )
    if rows_changed(session, statement) != 1:
        state = session.scalar(select(RevisionRow.state).filter_by(id=revision_pk))
        raise IllegalMove(f"a study that is {state or 'unknown'} cannot become {target}")
    workitems.touch_revision(session, revision_pk)


def touch(session: Session, study_uid: str, now: datetime) -> bool:
    """Restart the quiet clock of a revision that is still receiving."""
    study = select(StudyRow.id).filter_by(study_uid=study_uid).scalar_subquery()
    statement = (
        update(RevisionRow)
        .where(
            RevisionRow.study_pk == study,
            RevisionRow.state == StudyState.RECEIVING.value,
        )
        .values(last_received_at=now)
    )
    return rows_changed(session, statement) > 0


def due_revisions(
    session: Session,
    *,
    quiet_before: datetime,
    opened_before: datetime,
    not_after: datetime | None = None,
    limit: int = 50,
) -> list[RevisionRow]:
    """Receiving revisions that have been quiet, or open, for long enough; quietest first.

    One whose last image came after ``not_after`` came before the clock was set back.
    Each is locked together with its study; those that someone else holds are left out.
    """
    ahead = () if not_after is None else (RevisionRow.last_received_at > not_after,)
    statement = (
        select(RevisionRow)
        .join(StudyRow, StudyRow.id == RevisionRow.study_pk)
        .where(
            RevisionRow.state == StudyState.RECEIVING.value,
            or_(
                RevisionRow.complete,
                RevisionRow.last_received_at <= quiet_before,
                RevisionRow.first_received_at <= opened_before,
                *ahead,
            ),
        )
        .order_by(RevisionRow.last_received_at)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True, of=[RevisionRow, StudyRow])
    )
    return list(session.scalars(statement))


def absorb(session: Session, revision: RevisionRow, into: int) -> None:
    """Undo a revision that brought nothing new to read; its instances join number ``into``."""
    session.execute(
        update(InstanceRow)
        .where(
            InstanceRow.study_pk == revision.study_pk,
            InstanceRow.revision_number == revision.number,
        )
        .values(revision_number=into)
    )
    session.execute(delete(MilestoneRow).filter_by(revision_pk=revision.id))
    session.delete(revision)
    session.flush()


def supersede_earlier(session: Session, study_pk: int, number: int, now: datetime) -> None:
    """Earlier revisions that are finished give way to revision ``number``."""
    sources = [state.value for state, targets in MOVES.items() if StudyState.SUPERSEDED in targets]
    session.execute(
        update(RevisionRow)
        .where(
            RevisionRow.study_pk == study_pk,
            RevisionRow.number < number,
            RevisionRow.state.in_(sources),
        )
        .values(state=StudyState.SUPERSEDED.value, state_at=now)
    )
