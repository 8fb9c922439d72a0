"""Which closed questions will follow, and what will probably be answered before them.

The first closed questions are the same for every study, and most are answered as on a normal
radiograph. A model that is told so can score the whole run in one pass and has to look again
only behind an answer that fell otherwise; then it expects what it said the first time. Where
one answer is as likely as another nothing is expected before the model has said something. It
is a hint: no answer depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.ports import Foreseen, Scores
from cxr_node.domain.stages import GRAPH, AnswerKind, Loop, Question, Stage, StageKey
from cxr_node.reasoning import prompts
from cxr_node.reasoning.closed import ClosedQuestions
from cxr_node.reasoning.manners import Heard

_LONGEST = 32
_UNPREDICTABLE = ("overall",)


@dataclass(frozen=True, slots=True)
class Step:
    """A question of the graph about one subject."""

    stage: StageKey
    question: Question
    subject: str = ""


class Foresight:
    """What follows each closed question in one reading."""

    def __init__(self, questions: ClosedQuestions, *, triage: bool) -> None:
        self._questions = questions
        self._triage = triage
        self._known: dict[Step, list[Foreseen]] = {}

    def ahead(self, step: Step) -> list[Foreseen]:
        """What will be asked behind ``step``, if nothing unusual is answered."""
        if step not in self._known:
            run = followers(GRAPH, step, triage=self._triage)
            found = self._run(step, run)
            # What follows a follower is the rest of the same run.
            self._known |= {one: found[i:] for i, one in enumerate((step, *run))}
        return self._known[step]

    def _run(self, step: Step, run: Sequence[Step]) -> list[Foreseen]:
        found = []
        manner = self._questions.manner
        for follower in run:
            asked = self._questions.worded(follower.stage, follower.question, follower.subject)
            ask = manner.foreseen(manner.prompt(asked.words, asked.options), asked.options)
            if ask is None:
                break
            heard = partial(self._heard, step)
            found.append(Foreseen(self._expected(step.question), ask, heard))
            step = follower
        return found

    def _expected(self, question: Question) -> str | None:
        offered = prompts.offered(self._questions.profile.wording, question)
        answer = expected(question, offered)
        return None if answer is None else self._questions.settled(question, answer, Heard())

    def _heard(self, step: Step, scored: Scores) -> str:
        """What would be settled if the question of ``step`` were scored so."""
        answer, _ = self._questions.answered(step.question, step.subject, scored)
        return self._questions.settled(step.question, answer, Heard(scores=scored))


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


def expected(question: Question, offered: Sequence[str]) -> str | None:
    """The option most often answered: absent of a finding, otherwise the first, if any."""
    if question.key in _UNPREDICTABLE:
        return None
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
