"""Which closed questions will follow, and what will probably be answered before them.

The first closed questions are the same for every study, and most are answered as on a normal
radiograph. A model that is told so can score the whole run in one pass and has to look again
only behind an answer that fell otherwise. It is a hint: no answer depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.stages import AnswerKind, Loop, Question, Stage, StageKey

_LONGEST = 32


@dataclass(frozen=True, slots=True)
class Step:
    """A question of the graph about one subject."""

    stage: StageKey
    question: Question
    subject: str = ""


def followers(graph: Sequence[Stage], step: Step, *, triage: bool) -> list[Step]:
    """The closed questions that are asked next, whatever is answered to ``step``.

    None once an open question, or one that depends on answers, comes between.
    """
    found: list[Step] = []
    passed = False
    for other in _unconditional(graph, triage=triage):
        if passed and (other.question.kind is not AnswerKind.CLOSED or len(found) == _LONGEST):
            break
        if passed:
            found.append(other)
        passed = passed or other == step
    return found


def expected(question: Question, offered: Sequence[str]) -> str:
    """The option most often answered: absent of a finding, otherwise the first."""
    absent = Presence.ABSENT.value
    return absent if question.loop is Loop.EVERY_FINDING and absent in offered else offered[0]


def _unconditional(graph: Sequence[Stage], *, triage: bool) -> Iterator[Step]:
    """The questions of the graph up to the first that depends on an answer."""
    for stage in graph:
        for question in stage.questions:
            if triage and not question.triage:
                continue
            if question.loop is Loop.EVERY_FINDING:
                yield from (Step(stage.key, question, kind) for kind in FindingKind)
            elif question.loop is Loop.ONCE:
                yield Step(stage.key, question)
            else:
                return
