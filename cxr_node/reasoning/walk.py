"""Walk the eight-stage graph over one study: ask, check, record, let later questions see.

The graph is data (``domain/stages.py``); this file knows only its loops and conditions. A
walk is a generator of questions, so that whoever drives it may put the questions of many
studies to the model together, and may pause a study between two of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations, groupby

from cxr_node.domain.amendment import CorrectionKey
from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.events import Event, emit
from cxr_node.domain.findings import FindingKind, Presence, ReadingKind
from cxr_node.domain.ports import Ask, Reply
from cxr_node.domain.stages import (
    GRAPH,
    OPENING,
    AnswerKind,
    AnswerSource,
    Condition,
    Loop,
    Question,
    Stage,
    StageKey,
    Turn,
)
from cxr_node.reasoning import answers, boxes, given, prompts
from cxr_node.reasoning.boxes import Boxes
from cxr_node.reasoning.closed import ClosedQuestions
from cxr_node.reasoning.foresight import Foresight, Step
from cxr_node.reasoning.labels import read_labels
from cxr_node.reasoning.loops import PER_FINDING, applies, loop_group
from cxr_node.reasoning.manners import Heard, generated, manner_of
from cxr_node.reasoning.profiles import PictureOrder, Profile
from cxr_node.reasoning.tags import answer_part, without_marks
from cxr_node.reasoning.telling import Telling

Steps = Generator[Ask, Reply, None]

NOT_IN_TRIAGE = "triage asks only what sets the priority"
NO_PRIOR = "no prior study"
NO_PRIOR_PICTURE = "the prior study's picture was not shown to the model"
UNTAUGHT = "this model was not taught this stage"


class Prior(StrEnum):
    """What the model knows of an earlier study."""

    NONE = "none"
    NOT_SHOWN = "not shown"
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as it was put."""

    question: str
    subject: str
    prompt: str
    context_sha256: str
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What was made of a reply."""

    answer: str
    settled: str
    probabilities: dict[str, float] = field(default_factory=dict)
    problem: str = ""
    accepted: bool = True


class Walk:
    """One pass over the graph with one conversation."""

    def __init__(
        self,
        conversation: Telling,
        profile: Profile,
        boxes: Boxes,
        *,
        kind: ReadingKind,
        prior: Prior,
        prior_problem: str = "",
        corrected: Mapping[CorrectionKey, str] | None = None,
    ) -> None:
        self._conversation = conversation
        self._profile = profile
        self._boxes = boxes
        self._triage = kind is ReadingKind.TRIAGE
        self._manner = manner_of(profile, quick=self._triage)
        self._questions = ClosedQuestions(profile, self._manner)
        self._foresight = Foresight(self._questions, triage=self._triage)
        self._prior = prior
        self._prior_problem = prior_problem or NO_PRIOR_PICTURE
        self._corrected = dict(corrected or {})
        self._present: dict[FindingKind, float] = {}
        self.stage = StageKey.QUALITY_VIEW
        """The stage that is being walked."""
        self.turns: list[Turn] = []
        self.skipped: dict[StageKey, str] = {}
        self.notes: list[str] = []

    def steps(self) -> Steps:
        """Walk or skip every stage, in order."""
        if self._profile.opening and not self._triage:
            yield from self._opening()
        for stage in GRAPH:
            self.stage = stage.key
            if reason := self._skip_reason(stage):
                self.skipped[stage.key] = reason
                continue
            questions = [q for q in stage.questions if q.triage or not self._triage]
            for loop, group in groupby(questions, key=loop_group):
                yield from self._ask_group(loop, list(group))

    def _skip_reason(self, stage: Stage) -> str:
        if self._triage and not any(question.triage for question in stage.questions):
            return NOT_IN_TRIAGE
        if stage.key in self._profile.untaught:
            return UNTAUGHT
        if stage.condition is Condition.PRIOR and self._prior is not Prior.SHOWN:
            return NO_PRIOR if self._prior is Prior.NONE else self._prior_problem
        if stage.condition is Condition.SOMETHING_PRESENT and not self._present:
            return "nothing is held present"
        if stage.condition is Condition.TWO_PRESENT and len(self._present) < 2:
            return "fewer than two findings are held present"
        return ""

    def _ask_group(self, loop: Loop, questions: Sequence[Question]) -> Steps:
        for subject in self._subjects(loop):
            for question in questions:
                if applies(question, subject):
                    yield from self._turn(question, subject)

    def _subjects(self, loop: Loop) -> Iterator[str]:
        if loop is Loop.EVERY_FINDING:
            yield from FindingKind
        elif loop is Loop.ANATOMY:
            yield from prompts.STRUCTURES
        elif loop is Loop.PRESENT_PAIR:
            yield from self._pairs()
        elif loop in PER_FINDING:
            yield from self._described()
        else:
            yield ""

    def _described(self) -> list[FindingKind]:
        """The most probable present findings, in the order they were asked."""
        most = self._profile.limits.described_findings
        chosen = sorted(self._present, key=self._present.__getitem__, reverse=True)[:most]
        if len(chosen) < len(self._present):
            self._note(f"only the {most} most probable findings are described")
        return [kind for kind in self._present if kind in chosen]

    def _pairs(self) -> list[str]:
        everything = [prompts.pair(a, b) for a, b in combinations(self._described(), 2)]
        most = self._profile.limits.pairs
        if len(everything) > most:
            self._note(f"only {most} pairs of findings are related to each other")
        return everything[:most]

    def _note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)

    def _opening(self) -> Steps:
        """The trace over the whole image; an unusable one is kept as a refused turn."""
        opening = self._profile.opening
        if opening is None:
            return
        self.stage = StageKey.FINDINGS
        asked = _Asked(OPENING, "", self._with_pictures(opening.prompt), self._seen())
        heard = Heard()
        try:
            said = generated((yield Ask(asked.prompt, max_new_tokens=opening.new_tokens)))
            heard = Heard(raw=said.text, truncated=said.truncated)
            listed = read_labels(answers.trace(said))
            outcome = _Outcome(listed.words, settled=without_marks(said.text))
        except AnswerRefused as refusal:
            outcome = self._refused(OPENING, refusal)
        self._record(asked, heard, outcome)

    def _turn(self, question: Question, subject: str) -> Steps:
        worded = self._questions.worded(self.stage, question, subject)
        options = worded.options
        prompt = self._manner.prompt(self._with_pictures(worded.words), options)
        asked = _Asked(question.key, subject, prompt, self._seen(), worded.offered)
        if (answer := self._corrected.get((self.stage, question.key, subject))) is not None:
            self._state(asked, question, answer, options)
            return
        heard = Heard()
        try:
            heard = yield from self._put(asked, question, options)
            outcome = self._outcome(question, subject, heard)
        except AnswerRefused as refusal:
            outcome = self._refused(question.key, refusal)
        self._record(asked, heard, outcome)

    def _state(
        self, asked: _Asked, question: Question, answer: str, options: Sequence[str]
    ) -> None:
        """A person has answered: the model is not asked, and later questions see the answer."""
        if question.loop is Loop.EVERY_FINDING and answer == Presence.PRESENT:
            self._present[FindingKind(asked.subject)] = 1.0
        words = given.words(self._profile, self._boxes, question, answer)
        told = answer != prompts.NOT_ASSESSED
        problem = "" if told else given.LEFT_OPEN
        settled = self._manner.stated(words, options) if told else answer
        self._conversation.tell(asked.prompt)
        outcome = _Outcome(answer, settled, problem=problem, accepted=told)
        self._record(asked, Heard(), outcome, AnswerSource.PERSON)

    def _seen(self) -> str:
        return _sha256(self._conversation.context)

    def _refused(self, question: str, refusal: AnswerRefused) -> _Outcome:
        emit(Event.ANSWER_REFUSED, stage=self.stage, question=question)
        nothing = prompts.NOT_ASSESSED
        return _Outcome(nothing, nothing, problem=str(refusal), accepted=False)

    def _put(
        self, asked: _Asked, question: Question, options: Sequence[str]
    ) -> Generator[Ask, Reply, Heard]:
        if question.kind is AnswerKind.CLOSED:
            ahead = self._foresight.ahead(Step(self.stage, question, asked.subject))
            return (yield from self._manner.closed(asked.prompt, options, ahead))
        limits = self._profile.limits
        longest = limits.new_tokens.get(question.key, limits.default_new_tokens)
        return (yield from self._manner.open(asked.prompt, longest))

    def _record(
        self,
        asked: _Asked,
        heard: Heard,
        outcome: _Outcome,
        source: AnswerSource = AnswerSource.MODEL,
    ) -> None:
        self._conversation.settle(outcome.settled)
        self.turns.append(
            Turn(
                stage=self.stage,
                question=asked.question,
                subject=asked.subject,
                prompt=asked.prompt,
                prompt_sha256=_sha256(asked.prompt),
                context_sha256=asked.context_sha256,
                answer=outcome.answer,
                probabilities=outcome.probabilities,
                accepted=outcome.accepted,
                problem=outcome.problem,
                settled=outcome.settled,
                scores=dict(zip(asked.options, heard.scores, strict=False)),
                raw=heard.raw,
                truncated=heard.truncated,
                source=source,
            )
        )

    def _with_pictures(self, words: str) -> str:
        """The first question says which picture is which when two studies are shown."""
        if self.turns or self._prior is not Prior.SHOWN:
            return words
        profile = self._profile
        first = profile.order is PictureOrder.REFERENCE_FIRST
        return f"{prompts.pictures_words(profile.wording, reference_first=first)} {words}"

    def _outcome(self, question: Question, subject: str, heard: Heard) -> _Outcome:
        """What a reply means. Raises :class:`AnswerRefused` when it means nothing."""
        if heard.problem:
            raise AnswerRefused(heard.problem)
        if question.kind is AnswerKind.CLOSED:
            return self._closed(question, subject, heard)
        if question.kind is AnswerKind.BOX:
            found = self._boxes.box(answer_part(heard.raw))
            words = self._boxes.words(found, like=heard.raw)
            return _Outcome(boxes.box_text(found), self._manner.settled(words, (), heard))
        answer = answers.text(heard.raw, self._profile.limits.text_characters)
        cut = "cut at the token limit" if heard.truncated else ""
        return _Outcome(answer, self._manner.settled(answer, (), heard), problem=cut)

    def _closed(self, question: Question, subject: str, heard: Heard) -> _Outcome:
        answer, found = self._questions.answered(question, subject, heard.scores)
        if answer == Presence.PRESENT and question.loop is Loop.EVERY_FINDING:
            self._hold(FindingKind(subject), found)
        return _Outcome(answer, self._questions.settled(question, answer, heard), found)

    def _hold(self, kind: FindingKind, found: dict[str, float]) -> None:
        if kind not in self._profile.not_assessed:
            self._present[kind] = answers.present_probability(found)


def _sha256(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8")).hexdigest()
