"""Orders, changes of patients, and messages that were heard, inside a transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.notice import Coded
from cxr_node.domain.orders import Heard, OrderFacts, OrderState
from cxr_node.domain.policy import PatientClass
from cxr_node.domain.priority import RANK, Priority
from cxr_node.store.jobs import JobState
from cxr_node.store.schema import JobRow, RevisionRow, StudyRow
from cxr_node.store.schema_orders import HeardMessageRow, OrderRow, PatientChangeRow
from cxr_node.store.statements import insert_once, storable

_PATIENT = ("patient_id", "issuer", "patient_name", "birth_date", "sex")


def hear(session: Session, heard: Heard, now: datetime) -> bool:
    """Note a message; False where the very same was heard before.

    Waits for another connection that hears the same. A sender that counts from the beginning
    again uses an identifier for something else: that is a message of its own.
    """
    values = {
        "sender": storable(heard.sender, 255),
        "control_id": storable(heard.control_id, 199),
        "sha256": heard.sha256,
        "kind": storable(heard.kind, 16),
        "received_at": now,
    }
    if insert_once(session, HeardMessageRow, values) is not None:
        return True
    known = select(HeardMessageRow).filter_by(
        sender=values["sender"], control_id=values["control_id"]
    )
    row = session.scalars(known).one()
    if row.sha256 == heard.sha256:
        return False
    row.sha256, row.kind, row.received_at = heard.sha256, str(values["kind"]), now
    return True


def save_order(session: Session, order: OrderFacts, now: datetime) -> None:
    """Keep an order as it is said now."""
    patient, procedure = order.patient, order.procedure or Coded("", "", "")
    values: dict[str, Any] = {
        "order_key": storable(order.key, 255),
        "state": order.state.value,
        "accession_number": storable(order.accession_number, 64),
        "placer_number": storable(order.placer_number, 128),
        "filler_number": storable(order.filler_number, 128),
        "study_uid": storable(order.study_uid, 64),
        **_patient_values(patient),
        "patient_class": order.patient_class.value,
        "priority": order.priority.value,
        "reason": storable(order.reason),
        "procedure_scheme": storable(procedure.scheme, 64),
        "procedure_code": storable(procedure.value, 64),
        "procedure_text": storable(procedure.meaning),
        "scheduled_at": storable(order.scheduled_at, 16),
        "referring_physician": storable(order.referring_physician),
        "changed_at": now,
    }
    insert_once(session, OrderRow, {**values, "received_at": now})
    session.execute(
        update(OrderRow).where(OrderRow.order_key == values["order_key"]).values(**values)
    )


def _patient_values(patient: PatientFacts) -> dict[str, str]:
    return {
        "patient_id": storable(patient.patient_id, 128),
        "issuer": storable(patient.issuer, 128),
        "patient_name": storable(patient.name),
        "birth_date": storable(patient.birth_date, 16),
        "sex": storable(patient.sex, 16),
    }


def order_of(session: Session, study: StudyRow) -> OrderRow | None:
    """The open order that a study answers: by its UID, else by its accession number.

    By accession number only where the patient identifiers do not contradict each other.
    """
    named: list[ColumnElement[bool]] = [OrderRow.study_uid == study.study_uid]
    if study.accession_number:
        patients = (study.patient_id, "") if study.patient_id else None
        number = OrderRow.accession_number == study.accession_number
        named.append(and_(number, OrderRow.patient_id.in_(patients)) if patients else number)
    statement = (
        select(OrderRow)
        .where(or_(*named), OrderRow.state == OrderState.OPEN.value)
        .order_by((OrderRow.study_uid == study.study_uid).desc(), OrderRow.changed_at.desc())
        .limit(1)
    )
    return session.scalars(statement).one_or_none()


def patient_class_of(session: Session, study: StudyRow) -> PatientClass:
    """What the order says of where the patient is looked after."""
    order = order_of(session, study)
    return PatientClass(order.patient_class) if order else PatientClass.UNKNOWN


def queue_rank(session: Session, study: StudyRow) -> int:
    """The study's own place in the line for reading, or that of its order where it is higher.

    How urgently a study was ordered decides what is read first; it makes no flag.
    """
    order = order_of(session, study)
    ordered = RANK[Priority(order.priority)] if order else 0
    return max(study.priority_rank, ordered)


def hurry(session: Session, order: OrderFacts) -> None:
    """Jobs that wait for the study of this order are done as soon as was ordered."""
    named = [StudyRow.study_uid == order.study_uid] if order.study_uid else []
    if order.accession_number:
        number = StudyRow.accession_number == order.accession_number
        named.append(and_(number, StudyRow.patient_id == order.patient.patient_id))
    if not named:
        return
    revisions = (
        select(RevisionRow.id)
        .join(StudyRow, StudyRow.id == RevisionRow.study_pk)
        .where(or_(*named))
    )
    rank = RANK[order.priority]
    session.execute(
        update(JobRow)
        .where(
            JobRow.state == JobState.WAITING.value,
            JobRow.priority_rank < rank,
            JobRow.revision_pk.in_(revisions),
        )
        .values(priority_rank=rank)
    )


def follow_patient(
    session: Session, before: PatientFacts, after: PatientFacts, kind: str, now: datetime
) -> int:
    """Studies and orders of ``before`` become those of ``after``; the number of studies.

    What was sent or built is not altered; each study keeps a note of what it was called.
    Facts that ``after`` does not state stay as they were.
    """
    said = {name: value for name, value in _patient_values(after).items() if value}
    studies = session.scalars(select(StudyRow).where(_patient_is(StudyRow, before))).all()
    changed = 0
    for study in studies:
        was = _line(study)
        for name, value in said.items():
            setattr(study, name, value)
        if (now_is := _line(study)) != was:
            changed += 1
            session.add(
                PatientChangeRow(study_pk=study.id, kind=kind, before=was, after=now_is, at=now)
            )
    session.execute(update(OrderRow).where(_patient_is(OrderRow, before)).values(**said))
    return changed


def _patient_is(row: type[StudyRow | OrderRow], patient: PatientFacts) -> ColumnElement[bool]:
    """Two issuers that are both named must be the same."""
    same = row.patient_id == patient.patient_id
    if not patient.issuer:
        return and_(same, row.patient_id != "")
    return and_(same, row.patient_id != "", row.issuer.in_((patient.issuer, "")))


def _line(study: StudyRow) -> str:
    return " | ".join(str(getattr(study, name)) for name in _PATIENT)


def changes_of(session: Session, study_pk: int) -> list[PatientChangeRow]:
    """What became of the patient's facts since the study came, oldest first."""
    statement = select(PatientChangeRow).filter_by(study_pk=study_pk)
    return list(session.scalars(statement.order_by(PatientChangeRow.id)))


def notes_of(session: Session, study: StudyRow) -> tuple[str, ...]:
    """What other systems said of a study, in words, for whoever looks at it."""
    order = order_of(session, study)
    return (
        *((_order_words(order),) if order else ()),
        *(_change_words(change) for change in changes_of(session, study.id)),
    )


def _order_words(order: OrderRow) -> str:
    known = order.patient_class != PatientClass.UNKNOWN
    said = [order.priority, order.patient_class if known else "", order.procedure_text]
    urgency = ", ".join(part for part in said if part)
    return f"Ordered: {urgency}{f'; reason: {order.reason}' if order.reason else ''}"


def _change_words(change: PatientChangeRow) -> str:
    kinds = {"merge": "patient merged", "update": "patient data changed"}
    return (
        f"{change.at:%Y-%m-%d %H:%M} UTC: {kinds.get(change.kind, change.kind)} by another system; "
        f"results sent before name the patient as {change.before}"
    )
