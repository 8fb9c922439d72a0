"""Hide the place of a finding and ask again: was it seen where the box says it lies?

A finding that stays when its box is hidden was not seen there. One that goes when a place
of the same size elsewhere is hidden goes for any disturbance, which proves nothing either.

What hides a place is not the healthy anatomy of that place. Where it wipes out something a
model relies on, such as the air in the trachea, the model may take the filling itself for
the finding; so "survives" is a question to a person, not a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from cxr_node.domain.findings import Box, Finding, FindingKind, Presence, Reading
from cxr_node.domain.ports import PreparedImage, Progress
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.patch import Patch, hidden, patch_of, place_elsewhere
from cxr_node.reasoning.staged import Request

Ask = Callable[[Request], Reading]
"""Reads one study; the same model and the same questions every time."""


class Outcome(StrEnum):
    """What hiding its box did to a finding, in words for a person."""

    VANISHES = "vanishes: it was seen where the box lies"
    SURVIVES = "survives: it was not seen where the box lies"
    FRAGILE = "vanishes wherever something is hidden: it shows nothing"
    NO_CONTROL = "vanishes, but there was no other place to hide for comparison"
    NOT_HELD = "not held present when asked again, so nothing was hidden"
    NOT_HIDDEN = "the box covers the picture, so nothing could be hidden"


@dataclass(frozen=True, slots=True)
class Occlusion:
    """One finding before and after. Probabilities are 0 to 1, None where it was not asked."""

    kind: FindingKind
    threshold: float
    before: float | None
    after: float | None
    control: float | None
    """With a place of the same size elsewhere hidden instead."""
    hidden_share: float
    """Part of the picture that the box covers, 0 to 1."""
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Held:
    """One answer about one finding."""

    probability: float | None
    present: bool


def occlusions(
    request: Request, findings: Sequence[Finding], ask: Ask, progress: Progress = lambda: None
) -> tuple[Occlusion, ...]:
    """Audit every finding of ``findings`` that has a box on the first picture of ``request``.

    ``ask`` is called once for the whole picture and at most twice a finding.
    """
    image = request.images[0]
    boxed = [(f, f.box) for f in findings if f.box and _on(f.box, image)]
    patches = [patch_of(box, image) for _, box in boxed]
    whole = ask(request)
    progress()
    made = []
    for (finding, _), patch in zip(boxed, patches, strict=True):
        made.append(_occlusion(finding, patch, patches, request, whole, ask))
        progress()
    return tuple(made)


def _occlusion(
    finding: Finding,
    patch: Patch,
    others: Sequence[Patch],
    request: Request,
    whole: Reading,
    ask: Ask,
) -> Occlusion:
    image = request.images[0]
    before = _held(whole, finding.kind)
    after = control = None
    covered = hidden(image, patch)
    if before.present and covered is not None:
        after = _held(ask(_with_first(request, covered)), finding.kind)
        elsewhere = place_elsewhere(patch, others, image)
        unharmed = hidden(image, elsewhere) if elsewhere else None
        if unharmed is not None:
            control = _held(ask(_with_first(request, unharmed)), finding.kind)
    return Occlusion(
        kind=finding.kind,
        threshold=finding.threshold,
        before=before.probability,
        after=after.probability if after else None,
        control=control.probability if control else None,
        hidden_share=patch.share(image),
        outcome=_outcome(before, after, control),
    )


def _outcome(before: _Held, after: _Held | None, control: _Held | None) -> Outcome:
    if not before.present:
        return Outcome.NOT_HELD
    if after is None:
        return Outcome.NOT_HIDDEN
    if after.present:
        return Outcome.SURVIVES
    if control is None:
        return Outcome.NO_CONTROL
    return Outcome.VANISHES if control.present else Outcome.FRAGILE


def _held(reading: Reading, kind: FindingKind) -> _Held:
    """The answer to the finding's own question: No Finding must not pass for the hiding."""
    found = next(f for f in reading.findings if f.kind is kind)
    answered = any(
        turn.answer == Presence.PRESENT
        for turn in reading.turns
        if (turn.stage, turn.question, turn.subject) == (StageKey.FINDINGS, "presence", kind)
    )
    return _Held(found.probability, answered and found.probability is not None)


def _with_first(request: Request, image: PreparedImage) -> Request:
    return replace(request, images=[image, *request.images[1:]])


def _on(box: Box, image: PreparedImage) -> bool:
    return box.sop_instance_uid == image.sop_instance_uid
