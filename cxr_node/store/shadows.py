"""What a second model said, apart from everything that is reported or shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.findings import Reading
from cxr_node.store.readings import to_document
from cxr_node.store.schema import RevisionRow, ShadowReadingRow, StudyRow
from cxr_node.store.statements import insert_or_update


@dataclass(frozen=True, slots=True)
class Compared:
    """One study that two models read; ``agreement`` as it was saved."""

    study_uid: str
    revision: int
    agreement: dict[str, Any]


def save_shadow(
    session: Session,
    revision_pk: int,
    reading: Reading,
    agreement: dict[str, Any],
    *,
    model_seconds: float,
    now: datetime,
) -> None:
    """Keep a second reading; the same model reading again takes its own place."""
    values = {
        "revision_pk": revision_pk,
        "model_digest": reading.model.digest,
        "model_seconds": model_seconds,
        "document": to_document(reading),
        "agreement": agreement,
        "created_at": now,
    }
    insert_or_update(session, ShadowReadingRow, values, ("revision_pk", "model_digest"))


def compared_since(session: Session, since: datetime | None) -> list[Compared]:
    """Comparisons made at ``since`` or later, studies in the order of their first image."""
    statement = (
        select(StudyRow.study_uid, RevisionRow.number, ShadowReadingRow.agreement)
        .join(RevisionRow, RevisionRow.id == ShadowReadingRow.revision_pk)
        .join(StudyRow, StudyRow.id == RevisionRow.study_pk)
        .order_by(StudyRow.id, RevisionRow.number, ShadowReadingRow.id)
    )
    if since is not None:
        statement = statement.where(ShadowReadingRow.created_at >= since)
    return [Compared(*row) for row in session.execute(statement)]
