"""Exams as modalities report them, and what that means for the studies that are arriving."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cxr_node.store.schema import InstanceRow, RevisionRow, StudyRow
from cxr_node.store.schema_ups import ExamRow
from cxr_node.store.statements import insert_once, locked

COMPLETED = "COMPLETED"
_RECEIVING = "receiving"


def begin(
    session: Session, uid: str, study_uid: str, state: str, sender: str, now: datetime
) -> bool:
    """Keep a new exam; False if there is one of that UID."""
    values = {
        "uid": uid,
        "study_uid": study_uid,
        "state": state,
        "sender": sender,
        "created_at": now,
        "updated_at": now,
    }
    return insert_once(session, ExamRow, values) is not None


def find(session: Session, uid: str) -> ExamRow | None:
    """The exam of that UID; locked."""
    return session.scalars(locked(select(ExamRow).filter_by(uid=uid))).one_or_none()


def complete_studies(session: Session) -> int:
    """Mark the open revisions of exams that are complete and whose images have all arrived."""
    marked = 0
    for row in session.scalars(select(ExamRow).filter_by(state=COMPLETED, settled=False)):
        if _is_closed(session, row):
            row.settled = True
        elif _have_arrived(session, row.images.split()):
            row.settled = True
            marked += 1
            _mark(session, row.study_uid)
    return marked


def _mark(session: Session, study_uid: str) -> None:
    study = select(StudyRow.id).filter_by(study_uid=study_uid).scalar_subquery()
    session.execute(
        update(RevisionRow)
        .where(RevisionRow.study_pk == study, RevisionRow.state == _RECEIVING)
        .values(complete=True)
    )


def _is_closed(session: Session, row: ExamRow) -> bool:
    """Whether the study came, and waits for nothing any more."""
    statement = (
        select(func.count(), func.count().filter(RevisionRow.state == _RECEIVING))
        .join(StudyRow, StudyRow.id == RevisionRow.study_pk)
        .where(StudyRow.study_uid == row.study_uid)
    )
    revisions, receiving = session.execute(statement).one()
    return bool(revisions) and not receiving


def _have_arrived(session: Session, images: Collection[str]) -> bool:
    """Without a list nobody knows; then the quiet time decides."""
    statement = select(func.count()).where(InstanceRow.sop_instance_uid.in_(images))
    return bool(images) and session.scalar(statement) == len(set(images))


def was_wrong_entry(session: Session, study_uid: str) -> bool:
    """Whether the modality took the exam back because of a wrong worklist entry."""
    statement = select(ExamRow.id).filter_by(study_uid=study_uid, wrong_entry=True).limit(1)
    return session.scalar(statement) is not None
