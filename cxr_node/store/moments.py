"""The measured moments of a revision's life."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.milestones import Milestone
from cxr_node.store.schema import MilestoneRow
from cxr_node.store.statements import insert_once, insert_or_update


def mark(session: Session, revision_pk: int, milestone: Milestone, at: datetime) -> None:
    """Record a moment once; only the last image may come again."""
    values = {"revision_pk": revision_pk, "name": milestone.value, "at": at}
    if milestone is Milestone.LAST_IMAGE:
        insert_or_update(session, MilestoneRow, values, ("revision_pk", "name"))
    else:
        insert_once(session, MilestoneRow, values)


def milestones(session: Session, revision_pk: int) -> dict[Milestone, datetime]:
    """The moments recorded so far."""
    rows = session.scalars(select(MilestoneRow).filter_by(revision_pk=revision_pk))
    return {Milestone(row.name): row.at for row in rows}
