"""The readers' desk: claims that one reader wins, studies marked as read, and who did what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.amendment import Person
from cxr_node.store.schema_desk import DeskEventRow, DeskRow
from cxr_node.store.statements import insert_once, rows_changed, storable


def note_department(session: Session, study_pk: int, department: str) -> None:
    """Keep where the patient is; what was said first stays."""
    if department:
        insert_once(session, DeskRow, _empty(study_pk) | {"department": storable(department)})


def department_of(session: Session, study_pk: int) -> str:
    """Where the patient is by the images' header; empty where it says nothing."""
    return session.scalar(select(DeskRow.department).filter_by(study_pk=study_pk)) or ""


def claim(
    session: Session, study_pk: int, person: Person, now: datetime, minutes: float
) -> DeskRow | None:
    """Take or renew a study. None on success, else the row of the reader who holds it.

    One UPDATE decides, so that of two readers one wins.
    """
    insert_once(session, DeskRow, _empty(study_pk))
    taken = rows_changed(
        session,
        update(DeskRow)
        .where(
            DeskRow.study_pk == study_pk,
            or_(DeskRow.claimed_until.is_(None), DeskRow.claimed_until <= now, _holds(person)),
        )
        .values(
            reader_name=person.name,
            reader_organisation=person.organisation,
            reader_role=person.role.value,
            claimed_until=now + timedelta(minutes=minutes),
        ),
    )
    if taken:
        note(session, study_pk, "claimed", now, person)
        return None
    return _row(session, study_pk)


def release(
    session: Session, study_pk: int, person: Person, now: datetime, *, read: bool
) -> DeskRow | None:
    """Give a study back, read or not. None on success, else the row of another who holds it."""
    insert_once(session, DeskRow, _empty(study_pk))
    mine = or_(DeskRow.claimed_until.is_(None), DeskRow.claimed_until <= now, _holds(person))
    values: dict[str, Any] = {"claimed_until": None} | ({"read_at": now} if read else {})
    statement = update(DeskRow).where(DeskRow.study_pk == study_pk, mine).values(**values)
    if rows_changed(session, statement):
        note(session, study_pk, "read" if read else "released", now, person)
        return None
    return _row(session, study_pk)


def note(
    session: Session,
    study_pk: int,
    kind: str,
    now: datetime,
    person: Person | None = None,
    words: str = "",
) -> None:
    """Write down what was done; nothing here is ever changed."""
    session.add(
        DeskEventRow(
            study_pk=study_pk,
            kind=kind,
            person_name=person.name if person else "",
            organisation=person.organisation if person else "",
            role=person.role.value if person else "",
            note=storable(words),
            at=now,
        )
    )


def events_of(session: Session, study_pk: int) -> list[DeskEventRow]:
    """What was done with a study, oldest first."""
    rows = select(DeskEventRow).filter_by(study_pk=study_pk).order_by(DeskEventRow.id)
    return list(session.scalars(rows))


def _holds(person: Person) -> Any:
    return (DeskRow.reader_name == person.name) & (
        DeskRow.reader_organisation == person.organisation
    )


def _row(session: Session, study_pk: int) -> DeskRow:
    rows = select(DeskRow).filter_by(study_pk=study_pk).execution_options(populate_existing=True)
    return session.scalars(rows).one()


def _empty(study_pk: int) -> dict[str, Any]:
    return {
        "study_pk": study_pk,
        "department": "",
        "reader_name": "",
        "reader_organisation": "",
        "reader_role": "",
    }
