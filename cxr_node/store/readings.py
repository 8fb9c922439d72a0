"""Readings as JSON and back, without loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.store.schema import ReadingRow, RevisionRow, StudyRow
from cxr_node.store.statements import insert_or_update

_READING: TypeAdapter[Reading] = TypeAdapter(Reading)


def to_document(reading: Reading) -> dict[str, Any]:
    """A reading as JSON values; a refused score that is no number becomes its name."""
    document: dict[str, Any] = _named(_READING.dump_python(reading, mode="json"))
    return document


def _named(value: Any) -> Any:
    """JSON knows no infinity and PostgreSQL takes none; both read back from their names."""
    if isinstance(value, dict):
        return {key: _named(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def from_document(document: dict[str, Any]) -> Reading:
    """The reading that :func:`to_document` was given."""
    return _READING.validate_python(document)


def save_reading(
    session: Session, revision_pk: int, reading: Reading, *, model_seconds: float, now: datetime
) -> None:
    """Keep what one pass said; a later pass of the same kind takes its place."""
    values = {
        "revision_pk": revision_pk,
        "kind": reading.kind.value,
        "model_digest": reading.model.digest,
        "model_seconds": model_seconds,
        "document": to_document(reading),
        "present": " ".join(finding.kind.value for finding in reading.present),
        "review": reading.review,
        "created_at": now,
    }
    insert_or_update(session, ReadingRow, values, ("revision_pk", "kind"))


def load_reading(session: Session, revision_pk: int, kind: ReadingKind) -> Reading | None:
    """The reading of that kind, if there is one."""
    statement = select(ReadingRow.document).filter_by(revision_pk=revision_pk, kind=kind.value)
    document = session.scalar(statement)
    return None if document is None else from_document(document)


def latest_reading(session: Session, revision_pk: int) -> Reading | None:
    """The full reading if there is one, else the triage reading."""
    full_first = case((ReadingRow.kind == ReadingKind.READ.value, 0), else_=1)
    statement = select(ReadingRow.document).filter_by(revision_pk=revision_pk)
    document = session.scalar(statement.order_by(full_first).limit(1))
    return None if document is None else from_document(document)


def newest_full_reading(session: Session, study_pk: int) -> tuple[RevisionRow, Reading] | None:
    """The full reading of the newest revision that has one."""
    statement = (
        select(RevisionRow, ReadingRow.document)
        .join(ReadingRow, ReadingRow.revision_pk == RevisionRow.id)
        .where(RevisionRow.study_pk == study_pk, ReadingRow.kind == ReadingKind.READ.value)
        .order_by(RevisionRow.number.desc())
        .limit(1)
    )
    found = session.execute(statement).first()
    return None if found is None else (found[0], from_document(found[1]))


@dataclass(frozen=True, slots=True)
class OfStudy:
    """A full reading and whose study it is of."""

    study_uid: str
    patient: str
    """Patient ID with its issuer; empty where the study names no patient."""
    reading: Reading


def full_readings(session: Session, study_uid: str = "") -> Iterator[OfStudy]:
    """The newest full reading of every study, or of one, in the order of arrival."""
    newest = (
        select(RevisionRow.study_pk, func.max(RevisionRow.number).label("number"))
        .join(ReadingRow, ReadingRow.revision_pk == RevisionRow.id)
        .where(ReadingRow.kind == ReadingKind.READ.value)
        .group_by(RevisionRow.study_pk)
        .subquery()
    )
    statement = (
        select(StudyRow.study_uid, StudyRow.patient_id, StudyRow.issuer, ReadingRow.document)
        .join(newest, newest.c.study_pk == StudyRow.id)
        .join(
            RevisionRow,
            (RevisionRow.study_pk == StudyRow.id) & (RevisionRow.number == newest.c.number),
        )
        .join(ReadingRow, ReadingRow.revision_pk == RevisionRow.id)
        .where(ReadingRow.kind == ReadingKind.READ.value)
        .order_by(StudyRow.id)
        .execution_options(yield_per=50)
    )
    if study_uid:
        statement = statement.where(StudyRow.study_uid == study_uid)
    for uid, patient, issuer, document in session.execute(statement):
        named = f"{patient}^{issuer}" if patient else ""
        yield OfStudy(uid, named, from_document(document))
