"""What the end of a delivery means for its study: reported becomes delivered, or failed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from cxr_node.domain.milestones import Milestone
from cxr_node.domain.study import StudyState
from cxr_node.store import outbox, studies
from cxr_node.store.outbox import TAKEN, DeliveryState
from cxr_node.store.schema import DeliveryRow, RevisionRow


def close_revision(session: Session, revision_pk: int, now: datetime) -> None:
    """Move the study on when the last of its deliveries is settled."""
    revision = session.get_one(RevisionRow, revision_pk)
    if outbox.unsent(session, revision_pk) or revision.state != StudyState.REPORTED:
        return
    refused = _undelivered(session, revision_pk)
    if not refused:  # a confirmation that is still to come does not change when it was there
        studies.mark(session, revision_pk, Milestone.DELIVERED, now)
    if outbox.unsettled(session, revision_pk):
        return
    if refused:
        studies.move(session, revision_pk, StudyState.PARKED, now, reason=_advice(refused))
        return
    studies.move(session, revision_pk, StudyState.DELIVERED, now)


def _undelivered(session: Session, revision_pk: int) -> list[DeliveryRow]:
    """What was given up, and what a destination declined that then got nothing at all."""
    rows = outbox.deliveries_of(session, revision_pk)
    reached = {row.destination for row in rows if row.state in TAKEN}
    return [
        row
        for row in rows
        if row.state == DeliveryState.PARKED
        or (row.state == DeliveryState.DECLINED and row.destination not in reached)
    ]


def _advice(refused: list[DeliveryRow]) -> str:
    named = "; ".join(f"{row.destination}: {row.last_error}" for row in refused)
    return f"read, but not delivered ({named}); mend the destination, then run cxr-node replay"
