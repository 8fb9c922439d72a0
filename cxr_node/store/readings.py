"""Readings as JSON and back, without loss."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import case, select
from sqlalchemy.orm import Session

from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.store.schema import ReadingRow
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
