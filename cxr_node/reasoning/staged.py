"""Walk the eight-stage graph over one study: ask, check, record, let later questions see.

The graph is data (``domain/stages.py``); this file knows only its loops and conditions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import combinations, groupby

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.events import Event, emit
from cxr_node.domain.findings import FindingKind, ImageReference, Presence, Reading, ReadingKind
from cxr_node.domain.ports import Conversation, PreparedImage, Progress, VisionModel
from cxr_node.domain.stages import (
    GRAPH,
    AnswerKind,
    Condition,
    Loop,
    Question,
    Stage,
    StageKey,
    Turn,
)
from cxr_node.reasoning import answers, prompts
from cxr_node.reasoning.assemble import Study, assemble
from cxr_node.reasoning.profiles import Profile, ProfiledModel
from cxr_node.reasoning.prompts import Wording

_PER_FINDING = frozenset(
    {Loop.PRESENT_FINDING, Loop.PRESENT_SIDED, Loop.PRESENT_PATHOLOGY, Loop.PRESENT_DEVICE}
)
NOT_IN_TRIAGE = "triage asks only what sets the priority"
NO_PRIOR = "no prior study"
NO_PRIOR_PICTURE = "the prior study's picture was not shown to the model"
UNTAUGHT = "this model was not taught this stage"


def _nothing() -> None:
    """The default progress: nobody watches."""


class StagedReader:
    """Reads studies with one model. Holds no state of a study."""

    def __init__(self, model: VisionModel, profile: Profile | None = None) -> None:
        self._model = model
        given = model.profile if isinstance(model, ProfiledModel) else Profile()
        self._profile = profile or given

    def read(
        self,
        images: Sequence[PreparedImage],
        references: Sequence[ImageReference],
        *,
        kind: ReadingKind,
        quality_control: bool,
        has_prior: bool = False,
        progress: Progress = _nothing,
    ) -> Reading:
        """Ask everything ``kind`` calls for and return what was understood.

        ``images`` and ``references`` belong together, the frontal image first; with
        ``has_prior`` the last one is the prior study's. Only as many are shown as the
        profile allows. ``progress`` is called after every turn. Refused answers become
        "not assessed"; errors of the model itself are raised.
        """
        if len(images) != len(references) or not images:
            raise ValueError("images and references must be given in pairs, at least one")
        shown = images[: self._profile.pictures]
        compared = has_prior and len(shown) == len(images) > 1
        with self._model.begin(shown) as conversation:
            walk = Walk(conversation, self._profile, kind, progress)
            walk.all_stages(prior=has_prior, prior_shown=compared)
        study = Study(
            kind=kind,
            model=self._model.identity,
            profile=self._profile,
            images=tuple(shown),
            references=tuple(references[: len(shown)]),
            quality_control=quality_control,
        )
        return assemble(study, walk.turns, walk.skipped, walk.notes)


class Walk:
    """One pass over the graph with one conversation."""

    def __init__(
        self, conversation: Conversation, profile: Profile, kind: ReadingKind, progress: Progress
    ) -> None:
        self._conversation = conversation
        self._profile = profile
        self._triage = kind is ReadingKind.TRIAGE
        self._progress = progress
        self._present: dict[FindingKind, float] = {}
        self.turns: list[Turn] = []
        self.skipped: dict[StageKey, str] = {}
        self.notes: list[str] = []

    def all_stages(self, *, prior: bool, prior_shown: bool) -> None:
        """Walk or skip every stage, in order."""
        for stage in GRAPH:
            reason = self._skip_reason(stage, prior=prior, prior_shown=prior_shown)
            if reason:
                self.skipped[stage.key] = reason
                continue
            questions = [q for q in stage.questions if q.triage or not self._triage]
            for loop, group in groupby(questions, key=_loop_group):
                self._ask_group(stage.key, loop, list(group))

    def _skip_reason(self, stage: Stage, *, prior: bool, prior_shown: bool) -> str:
        if self._triage and not any(question.triage for question in stage.questions):
            return NOT_IN_TRIAGE
        if stage.key in self._profile.untaught:
            return UNTAUGHT
        if stage.condition is Condition.PRIOR:
            return "" if prior_shown else NO_PRIOR_PICTURE if prior else NO_PRIOR
        if stage.condition is Condition.SOMETHING_PRESENT and not self._present:
            return "nothing is held present"
        if stage.condition is Condition.TWO_PRESENT and len(self._present) < 2:
            return "fewer than two findings are held present"
        return ""

    def _ask_group(self, stage: StageKey, loop: Loop, questions: Sequence[Question]) -> None:
        for subject in self._subjects(loop):
            for question in questions:
                if _applies(question, subject):
                    self._turn(stage, question, subject)

    def _subjects(self, loop: Loop) -> Iterator[str]:
        if loop is Loop.EVERY_FINDING:
            yield from FindingKind
        elif loop is Loop.ANATOMY:
            yield from prompts.STRUCTURES
        elif loop is Loop.PRESENT_PAIR:
            yield from self._pairs()
        elif loop in _PER_FINDING:
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

    def _turn(self, stage: StageKey, question: Question, subject: str) -> None:
        prompt = prompts.question_words(self._profile.wording, stage, question, subject)
        before = _sha256(self._conversation.context)
        found: dict[str, float] = {}
        problem = ""
        try:
            answer, found, problem = self._answer(prompt, question, subject)
            accepted = True
        except AnswerRefused as refusal:
            answer, problem, accepted = prompts.NOT_ASSESSED, str(refusal), False
            emit(Event.ANSWER_REFUSED, stage=stage, question=question.key)
        self._conversation.settle(self._words(question, answer) if accepted else answer)
        self.turns.append(
            Turn(
                stage=stage,
                question=question.key,
                subject=subject,
                prompt=prompt,
                prompt_sha256=_sha256(prompt),
                context_sha256=before,
                answer=answer,
                probabilities=found,
                accepted=accepted,
                problem=problem,
            )
        )
        self._progress()

    def _words(self, question: Question, answer: str) -> str:
        """What the model sees of its own answer: words it was taught, not our record of them."""
        wording = self._profile.wording
        if question.kind is AnswerKind.CLOSED:
            return prompts.option_words(wording, answer)
        if question.kind is AnswerKind.BOX and wording is Wording.BRIEF:
            return prompts.box_words(*answers.box(answer))
        return answer

    def _answer(
        self, prompt: str, question: Question, subject: str
    ) -> tuple[str, dict[str, float], str]:
        """The answer, the probabilities of a closed one, and what was lost of an open one."""
        if question.kind is AnswerKind.CLOSED:
            return self._closed(prompt, question, subject)
        limits = self._profile.limits
        longest = limits.new_tokens.get(question.key, limits.default_new_tokens)
        said = self._conversation.generate(prompt, longest)
        if question.kind is AnswerKind.BOX:
            return answers.box_text(answers.box(said.text)), {}, ""
        cut = "cut at the token limit" if said.truncated else ""
        return answers.text(said.text, limits.text_characters), {}, cut

    def _closed(
        self, prompt: str, question: Question, subject: str
    ) -> tuple[str, dict[str, float], str]:
        profile = self._profile
        words = [prompts.option_words(profile.wording, option) for option in question.options]
        scores = self._conversation.score(prompt, words)
        named = f"{question.key}:{subject}"
        settings = profile.calibration.get(named) or profile.calibration.get(question.key)
        found = answers.probabilities(scores, question.options, settings)
        if question.loop is not Loop.EVERY_FINDING:
            return answers.most_probable(found), found, ""
        kind = FindingKind(subject)
        held = answers.presence(found, profile.threshold(kind))
        if held is Presence.PRESENT and kind not in profile.not_assessed:
            self._present[kind] = answers.present_probability(found)
        return held.value, found, ""


def _loop_group(question: Question) -> Loop:
    """Questions about one present finding are asked together, finding by finding."""
    return Loop.PRESENT_FINDING if question.loop in _PER_FINDING else question.loop


def _applies(question: Question, subject: str) -> bool:
    if question.loop is Loop.PRESENT_DEVICE:
        return FindingKind(subject).is_device
    if question.loop is Loop.PRESENT_PATHOLOGY:
        return not FindingKind(subject).is_device
    return question.loop is not Loop.PRESENT_SIDED or FindingKind(subject).has_side


def _sha256(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8")).hexdigest()
