"""A stored reading with a person's answers laid over it, ready to be read on from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cxr_node.domain.amendment import Correction
from cxr_node.domain.errors import AmendmentRefused, IllegalMove
from cxr_node.domain.findings import ModelIdentity, ReadingKind
from cxr_node.domain.ports import ImageReader, Progress, VisionModel
from cxr_node.domain.stages import Turn
from cxr_node.reasoning.staged import Request
from cxr_node.services.stored_runs import stored_run
from cxr_node.store import amendments
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim
from cxr_node.store.schema import RevisionRow


def first_changed(turns: Sequence[Turn], corrections: Sequence[Correction]) -> int | None:
    """Index of the first turn whose answer a correction replaces; None where none does.

    A model's answer counts as replaced also where a person gives the same one.
    """
    given = {correction.key: correction.answer for correction in corrections}
    for index, turn in enumerate(turns):
        if turn.key in given and not (turn.by_person and turn.answer == given[turn.key]):
            return index
    return None


def amended_request(
    db: Database, claim: Claim, images: ImageReader, model: VisionModel, progress: Progress
) -> Request:
    """What is to be read again, with all that stands before the first correction.

    Raises :class:`AmendmentRefused` when another model is to go on, and :class:`NotReadable`
    or another :class:`CxrNodeError` when a picture cannot be prepared as it was.
    """
    with db.read() as session:
        stored = amendments.amendment_of(session, claim.revision_pk)
        if stored is None:
            raise IllegalMove("nothing says what is to be amended")
        base = session.get_one(RevisionRow, stored.base_revision_pk)
        run = stored_run(session, base, ReadingKind.READ)
    if run is None:
        raise IllegalMove("only what was read in full can be amended")
    if problem := other_model(run.reading.model, model.identity):
        raise AmendmentRefused(problem)
    turns = run.reading.turns
    changed = first_changed(turns, stored.amendment.corrections)
    return replace(
        run.request(images, model.image_policy, progress),
        amendment=stored.amendment,
        before=turns[:changed],
    )


def other_model(reader: ModelIdentity, mine: ModelIdentity) -> str:
    """Why ``mine`` cannot go on with what ``reader`` read; empty when it is the same."""
    if reader.digest == mine.digest:
        return ""
    return (
        f"the study was read by {reader.name} {reader.version} ({reader.digest[:12]}), the node "
        f"now reads with {mine.name} {mine.version} ({mine.digest[:12]})"
    )
