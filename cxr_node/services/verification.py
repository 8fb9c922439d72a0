"""Whether stored readings can still be made again, prompt by prompt, from what is stored."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_node.domain.errors import CxrNodeError, NotReadable
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import ImageReader
from cxr_node.reasoning.open_model import ModelFacts
from cxr_node.reasoning.recorded import first_difference, rebuild, verifiable
from cxr_node.services.stored_runs import StoredRun, current_revision, stored_run
from cxr_node.store.database import Database

_SHOWN = 12
"""Digits of a digest that are enough to tell models apart."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of walking one stored reading again."""

    kind: ReadingKind
    identical: bool
    words: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"


def verify_study(
    db: Database, images: ImageReader, facts: ModelFacts, study_uid: Uid
) -> list[Verdict]:
    """A verdict on every reading of the study's current revision.

    ``facts`` are of the model that is believed to have read it. Raises
    :class:`CxrNodeError` when there is nothing to verify.
    """
    with db.read() as session:
        revision = current_revision(session, study_uid.text)
        found = [stored_run(session, revision, kind) for kind in ReadingKind]
    runs = [run for run in found if run is not None]
    if not runs:
        raise CxrNodeError("the study has not been read; there is nothing to verify")
    return [_verdict(run, images, facts) for run in runs]


def _verdict(run: StoredRun, images: ImageReader, facts: ModelFacts) -> Verdict:
    problem = _obstacle(run, facts) or _difference(run, images, facts)
    words = problem or f"{len(run.reading.turns)} prompts rebuilt, all identical"
    return Verdict(run.reading.kind, not problem, words)


def _obstacle(run: StoredRun, facts: ModelFacts) -> str:
    reader = run.reading.model
    if not verifiable(run.reading):
        return "cannot be verified: it was stored before turns were kept whole"
    if reader.digest != facts.identity.digest:
        return (
            f"cannot be verified: it was read by {reader.name} {reader.version} "
            f"({reader.digest[:_SHOWN]}), not by {facts.identity.name} {facts.identity.version} "
            f"({facts.identity.digest[:_SHOWN]}); name that model with --model"
        )
    return ""


def _difference(run: StoredRun, images: ImageReader, facts: ModelFacts) -> str:
    altered = [f"the file of image {uid.text} is not the one received" for uid in run.altered()]
    try:
        request = run.request(images, facts.image_policy)
    except CxrNodeError as error:
        reason = error.reason if isinstance(error, NotReadable) else error.code
        return "; ".join([f"the picture cannot be prepared again ({reason})", *altered])
    found = first_difference(run.reading, rebuild(run.reading, request, facts))
    return "; ".join([*([str(found)] if found else []), *altered])
