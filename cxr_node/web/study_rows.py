"""The rows of one study as the values that its page shows."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.findings import Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState
from cxr_node.domain.worklist import DeliveryStatus
from cxr_node.store import readings
from cxr_node.store.schema import (
    DeliveryRow,
    InstanceRow,
    PriorityEventRow,
    ReadingRow,
    ResultObjectRow,
    RevisionRow,
)
from cxr_node.web.source import PriorityStep, ResultObject, RevisionLine, StoredImage

_MOST_INSTANCES = 200


def images(session: Session, study_pk: int) -> tuple[StoredImage, ...]:
    """The instances of the study, oldest first; of a huge study the first ones."""
    statement = select(InstanceRow).filter_by(study_pk=study_pk).order_by(InstanceRow.id)
    return tuple(_image(row) for row in session.scalars(statement.limit(_MOST_INSTANCES)))


def _image(row: InstanceRow) -> StoredImage:
    return StoredImage(
        sop_instance_uid=Uid(row.sop_instance_uid),
        view=row.view,
        rows=row.rows,
        columns=row.columns,
        is_image=row.is_image,
        reason=Reason(row.reason) if row.reason else None,
        revision=row.revision_number,
        sender=row.sender,
        received_at=row.received_at,
        duplicates=row.duplicates,
        conflicts=row.conflicts,
    )


def newest_reading(session: Session, study_pk: int) -> tuple[Reading, int] | None:
    """The newest reading of any revision, with the number of that revision."""
    statement = (
        select(RevisionRow.id, RevisionRow.number)
        .join(ReadingRow, ReadingRow.revision_pk == RevisionRow.id)
        .where(RevisionRow.study_pk == study_pk)
        .order_by(RevisionRow.number.desc())
        .limit(1)
    )
    found = session.execute(statement).first()
    if found is None:
        return None
    reading = readings.latest_reading(session, found.id)
    return None if reading is None else (reading, found.number)


def revisions(session: Session, study_pk: int) -> tuple[RevisionLine, ...]:
    """Every revision, newest first."""
    statement = select(RevisionRow).filter_by(study_pk=study_pk)
    rows = session.scalars(statement.order_by(RevisionRow.number.desc()))
    return tuple(
        RevisionLine(
            row.number,
            StudyState(row.state),
            row.reason,
            row.first_received_at,
            row.last_received_at,
        )
        for row in rows
    )


def objects(session: Session, study_pk: int) -> tuple[ResultObject, ...]:
    """Every object built for the study, newest first, with its deliveries."""
    statement = (
        select(ResultObjectRow, RevisionRow.number)
        .join(RevisionRow, RevisionRow.id == ResultObjectRow.revision_pk)
        .where(RevisionRow.study_pk == study_pk)
        .order_by(ResultObjectRow.id.desc())
    )
    found = [(row, number) for row, number in session.execute(statement)]
    deliveries = _deliveries(session, [row.id for row, _ in found])
    return tuple(_object(row, number, deliveries.get(row.id, [])) for row, number in found)


def _object(row: ResultObjectRow, number: int, deliveries: list[DeliveryRow]) -> ResultObject:
    return ResultObject(
        kind=row.kind,
        sop_class_uid=Uid(row.sop_class_uid),
        sop_instance_uid=Uid(row.sop_instance_uid),
        predecessor_uid=row.predecessor_uid,
        revision=number,
        created_at=row.created_at,
        deliveries=tuple(
            DeliveryStatus(d.destination, d.state, d.attempts, d.last_status, d.last_error)
            for d in deliveries
        ),
    )


def _deliveries(session: Session, object_pks: list[int]) -> dict[int, list[DeliveryRow]]:
    statement = select(DeliveryRow).where(DeliveryRow.object_pk.in_(object_pks))
    grouped: dict[int, list[DeliveryRow]] = {}
    for row in session.scalars(statement.order_by(DeliveryRow.id)):
        grouped.setdefault(row.object_pk, []).append(row)
    return grouped


def priority_steps(session: Session, study_pk: int) -> tuple[PriorityStep, ...]:
    """Every decision about the priority, oldest first."""
    statement = select(PriorityEventRow).filter_by(study_pk=study_pk)
    rows = session.scalars(statement.order_by(PriorityEventRow.id))
    return tuple(
        PriorityStep(
            Priority(row.before), Priority(row.after), row.rule, row.words, row.source, row.at
        )
        for row in rows
    )
