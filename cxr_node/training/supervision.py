"""Dialogue records as the model will meet them: the node's own prompts, each with its answer.

A question of the node's graph is put in the words, the manner and the box unit of the model's
profile, and its answer stands as the node would settle it; so what is taught is, byte for
byte, what is asked later. A question of another maker stands as its record has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.stages import AnswerKind, StageKey
from cxr_node.reasoning import answers, prompts
from cxr_node.reasoning.boxes import Boxes
from cxr_node.reasoning.manners import Heard, Manner, manner_of
from cxr_node.reasoning.profiles import PictureOrder, Profile
from cxr_node.training.record_boxes import boxes_in
from cxr_node.training.record_stages import IMAGE_MARK, QUESTIONS, Answered, answered_of
from cxr_node.training.records import Record, RecordTurn

_STAGES = tuple(StageKey)


@dataclass(frozen=True, slots=True)
class TaughtTurn:
    """One question as it is put, and its answer as it stands in the dialogue afterwards."""

    stage: StageKey
    prompt: str
    settled: str


@dataclass(frozen=True, slots=True)
class Shown:
    """Names of the pictures that a model is shown, in order."""

    names: tuple[str, ...]
    prior: bool
    """Whether one is of an earlier study."""
    told: bool
    """Whether the first question says which picture is which."""


LeftOut = Counter[str]
"""How many turns or records were left out, by reason."""


def shown_pictures(record: Record, profile: Profile) -> Shown | None:
    """The pictures of ``record`` as the node would show them; None where it could not.

    All stand before the first question. A record that itself shows everything at once, as a
    chain over two studies does, keeps its own order and words.
    """
    own = record.turns[0].image_input_count if record.turns else 0
    names, room = record.images, profile.pictures
    if own >= len(names):
        if record.reference_study is not None and len(names) > 1:
            return Shown(names, prior=True, told=False) if len(names) <= room else None
        return Shown(names[:room], prior=False, told=False) if names else None
    current, earlier = names[:own][:room], names[own:]
    if own == 0 or own >= room:
        return Shown(current, prior=False, told=False) if own else None
    first = profile.order is PictureOrder.REFERENCE_FIRST
    both = (earlier[0], *current) if first else (*current, earlier[0])
    return Shown(both, prior=True, told=True)


@dataclass(slots=True)
class Teaching:
    """Turns records into taught turns for one profile, and counts what it leaves out."""

    profile: Profile
    left_out: LeftOut = field(default_factory=Counter)

    def turns(self, record: Record, shown: Shown, width: int, height: int) -> list[TaughtTurn]:
        """The dialogue over pictures of ``width`` × ``height`` pixels."""
        boxes = Boxes(
            self.profile.boxes, width, height, self.profile.wording is prompts.Wording.BRIEF
        )
        return list(self._turns(record, shown, boxes))

    def told(self, turns: Sequence[TaughtTurn], shown: Shown) -> list[TaughtTurn]:
        """The same with the first question saying which picture is which, where it must."""
        if not shown.told or not turns:
            return list(turns)
        first = self.profile.order is PictureOrder.REFERENCE_FIRST
        which = prompts.pictures_words(self.profile.wording, reference_first=first)
        return [replace(turns[0], prompt=f"{which} {turns[0].prompt}"), *turns[1:]]

    def _turns(self, record: Record, shown: Shown, boxes: Boxes) -> Iterator[TaughtTurn]:
        manner = manner_of(self.profile, quick=True)
        for turn in record.turns:
            stage = _STAGES[turn.stage - 1]
            if stage is StageKey.COMPARISON and not shown.prior:
                self.left_out["the earlier picture is not shown to this model"] += 1
                continue
            try:
                said = answered_of(turn)
                yield self._own(said, turn, manner, boxes) if said else self._other(turn, stage)
            except (AnswerRefused, LookupError) as problem:
                self.left_out[str(problem)] += 1

    def _own(self, said: Answered, turn: RecordTurn, manner: Manner, boxes: Boxes) -> TaughtTurn:
        """A question of the graph. Raises :class:`AnswerRefused` where it would not be asked so."""
        profile, question = self.profile, QUESTIONS[said.stage, said.question]
        unit = prompts.BOX_UNITS[profile.boxes]
        words = prompts.question_words(profile.wording, said.stage, question, said.subject, unit)
        if question.kind is AnswerKind.CLOSED:
            offered = prompts.offered(profile.wording, question)
            if said.answer not in offered:
                raise AnswerRefused("the answer is none of the options this model is offered")
            options = [prompts.option_words(profile.wording, option) for option in offered]
            answer = options[offered.index(said.answer)]
            settled = manner.settled(answer, options, Heard())
            return TaughtTurn(said.stage, manner.prompt(words, options), settled)
        if question.kind is AnswerKind.BOX:
            (found,) = boxes_in(turn.answer) or (None,)
            if found is None or not found.sound:
                raise AnswerRefused("the answer holds no sound box")
            answer = boxes.words(found.box)
        else:
            answer = answers.text(said.answer, profile.limits.text_characters)
        return TaughtTurn(said.stage, manner.prompt(words, ()), manner.settled(answer, (), Heard()))

    def _other(self, turn: RecordTurn, stage: StageKey) -> TaughtTurn:
        """A question of another maker, without the marks of its pictures."""
        if self.profile.wording is prompts.Wording.BRIEF:
            raise AnswerRefused("this model knows no questions but the node's own")
        question = turn.question.replace(IMAGE_MARK, "").strip()
        return TaughtTurn(stage, question, turn.answer.strip())
