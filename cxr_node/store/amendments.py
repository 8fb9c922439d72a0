"""Amendments: which revision came of which correction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.amendment import Amendment
from cxr_node.domain.study import StudyState
from cxr_node.store.schema import AmendmentRow, RevisionRow

_AMENDMENT: TypeAdapter[Amendment] = TypeAdapter(Amendment)


@dataclass(frozen=True, slots=True)
class StoredAmendment:
    """A correction and the revision whose reading it corrects."""

    amendment: Amendment
    base_revision_pk: int


def add_amended_revision(
    session: Session, base: RevisionRow, amendment: Amendment, now: datetime
) -> RevisionRow:
    """The revision that will hold the corrected reading: the same images, the next number.

    The study must be locked, and ``base`` its newest revision.
    """
    revision = RevisionRow(
        study_pk=base.study_pk,
        number=base.number + 1,
        state=StudyState.QUEUED.value,
        work_key=base.work_key,
        first_received_at=base.first_received_at,
        last_received_at=base.last_received_at,
        state_at=now,
    )
    session.add(revision)
    session.flush()
    session.add(
        AmendmentRow(
            revision_pk=revision.id,
            base_revision_pk=base.id,
            document=_AMENDMENT.dump_python(amendment, mode="json"),
            created_at=now,
        )
    )
    return revision


def amendment_of(session: Session, revision_pk: int) -> StoredAmendment | None:
    """What made this revision; None for one that images made."""
    row = session.scalar(select(AmendmentRow).filter_by(revision_pk=revision_pk))
    if row is None:
        return None
    return StoredAmendment(_AMENDMENT.validate_python(row.document), row.base_revision_pk)
