"""Over what a question of the graph is repeated, and about what it may be asked at all."""

from __future__ import annotations

from itertools import combinations

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import Loop, Question
from cxr_node.reasoning import prompts

PER_FINDING = frozenset(
    {Loop.PRESENT_FINDING, Loop.PRESENT_SIDED, Loop.PRESENT_PATHOLOGY, Loop.PRESENT_DEVICE}
)


def loop_group(question: Question) -> Loop:
    """Questions about one present finding are asked together, finding by finding."""
    return Loop.PRESENT_FINDING if question.loop in PER_FINDING else question.loop


def applies(question: Question, subject: str) -> bool:
    """Whether a question about present findings is asked about this one."""
    if question.loop is Loop.PRESENT_DEVICE:
        return FindingKind(subject).is_device
    if question.loop is Loop.PRESENT_PATHOLOGY:
        return not FindingKind(subject).is_device
    return question.loop is not Loop.PRESENT_SIDED or FindingKind(subject).has_side


def every_subject(question: Question) -> tuple[str, ...]:
    """All that the question may be asked about, in the order asked; one empty text for nothing."""
    if question.loop is Loop.ONCE:
        return ("",)
    if question.loop is Loop.ANATOMY:
        return prompts.STRUCTURES
    if question.loop is Loop.PRESENT_PAIR:
        return tuple(prompts.pair(a, b) for a, b in combinations(FindingKind, 2))
    return tuple(kind.value for kind in FindingKind if applies(question, kind))
