"""Questions put to a model after its reading, in the order of the dialogue."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.follow_up import FollowUp
from cxr_node.store.schema import FollowUpRow
from cxr_node.store.statements import insert_once, storable


def save_follow_up(session: Session, revision_pk: int, asked: FollowUp, now: datetime) -> bool:
    """Keep one; False when another question took this place in the dialogue meanwhile."""
    values = {
        "revision_pk": revision_pk,
        "model_digest": asked.model_digest,
        "turn": asked.turn,
        "prompt": storable(asked.prompt),
        "prompt_sha256": asked.prompt_sha256,
        "context_sha256": asked.context_sha256,
        "answer": storable(asked.answer),
        "settled": storable(asked.settled),
        "asked_by": storable(asked.asked_by, 64),
        "asked_at": now,
    }
    return insert_once(session, FollowUpRow, values) is not None


def follow_ups(session: Session, revision_pk: int, model_digest: str) -> list[FollowUp]:
    """What was asked so far of this reading, first question first."""
    statement = (
        select(FollowUpRow)
        .filter_by(revision_pk=revision_pk, model_digest=model_digest)
        .order_by(FollowUpRow.turn)
    )
    return [
        FollowUp(
            turn=row.turn,
            prompt=row.prompt,
            prompt_sha256=row.prompt_sha256,
            context_sha256=row.context_sha256,
            answer=row.answer,
            settled=row.settled,
            model_digest=row.model_digest,
            asked_by=row.asked_by,
        )
        for row in session.scalars(statement)
    ]
