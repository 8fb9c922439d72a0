"""Samples out of dialogue records, for one model: looked through first, made when asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cxr_node.domain.errors import TrainingRefused
from cxr_node.domain.ports import SizePolicy
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.architectures import KINDS
from cxr_node.reasoning.profiles import Manifest
from cxr_node.reasoning.transformers_model import TransformersModel
from cxr_node.training.records import Record
from cxr_node.training.sft_samples import Sample
from cxr_node.training.supervision import Shown, TaughtTurn, Teaching, shown_pictures
from cxr_node.training.supervision_pictures import NamedPictures
from cxr_node.training.supervision_tokens import Encoded, Encoder


class Context(StrEnum):
    """What a question sees of the dialogue before it."""

    REFERENCE = "reference"
    """All earlier questions with their reference answers."""
    NONE = "none"
    """Nothing: every question is a sample of its own."""


@dataclass(frozen=True, slots=True)
class Item:
    """One sample to be made: a record and which of its turns, None for the whole dialogue."""

    record: Record
    shown: Shown
    turn: int | None = None


@dataclass(slots=True)
class Outline:
    """What a file of dialogues comes to for one model."""

    items: list[Item] = field(default_factory=list)
    learned: Counter[StageKey] = field(default_factory=Counter)
    """Answers that are learned, by stage; of one pass over everything."""
    tokens: int = 0
    """Learned tokens of one pass."""
    longest: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def answers(self) -> list[tuple[StageKey, int]]:
        """Learned answers of one pass, in the order of the stages."""
        return [(stage, self.learned[stage]) for stage in StageKey if self.learned[stage]]

    @property
    def pictures(self) -> tuple[str, ...]:
        """Names of all pictures, each once."""
        return tuple(dict.fromkeys(name for item in self.items for name in item.shown.names))


class RecordSamples:
    """Implements :class:`cxr_node.training.sft_samples.Samples` over dialogue records."""

    def __init__(
        self,
        model: TransformersModel,
        manifest: Manifest,
        pictures: NamedPictures,
        weights: Mapping[StageKey, float],
        context: Context,
    ) -> None:
        engine = model.engine
        self._model, self._pictures, self._context = model, pictures, context
        self._picture = manifest.picture
        self._cell = KINDS[manifest.architecture].cell
        self._positions = engine.positions
        self._teaching = Teaching(manifest.profile)
        self._encoder = Encoder(engine.chat, engine.tokenizer, engine.stop_ids, weights)
        self.outline = Outline(left_out=self._teaching.left_out)

    def __len__(self) -> int:
        return len(self.outline.items)

    def __getitem__(self, number: int, /) -> Sample:
        item = self.outline.items[number]
        images = [self._pictures.prepared(name) for name in item.shown.names]
        seen = self._model.look(images)
        turns = self._turns(item, images[0].width, images[0].height)
        made = self._encoder.dialogue(self._teaching.told(turns, item.shown), seen.tokens)
        return Sample(made.ids, made.weights, seen.patches.cpu(), seen.grid.cpu())

    def add(self, record: Record, number: int, longest: int = 0) -> None:
        """Look a record through and keep it, if anything of it is learned.

        ``number`` counts from 1. Raises :class:`TrainingRefused` naming it when a picture is
        missing or the dialogue has more tokens than ``longest``, or the model has positions.
        """
        shown = shown_pictures(record, self._teaching.profile)
        if shown is None:
            self.outline.left_out["its pictures cannot be shown to this model together"] += 1
            return
        turns = self._turns(Item(record, shown), *self._sides)
        alone = self._context is Context.NONE
        for place in range(len(turns)) if alone else (None,):
            made = self._sketch(turns if place is None else turns[place : place + 1], shown)
            if made.learned:
                self._keep(Item(record, shown, place), made, number, longest)

    def _keep(self, item: Item, made: Encoded, number: int, longest: int) -> None:
        limit = longest or self._positions
        if len(made.ids) > min(limit, self._positions):
            raise TrainingRefused(
                f"record {number} (study {item.record.study}): the dialogue takes "
                f"{len(made.ids)} tokens, {min(limit, self._positions)} are allowed; leave out "
                "stages, use --context none, or a model with more room"
            )
        for name in item.shown.names:
            try:
                self._pictures.path(name)
            except TrainingRefused as error:
                raise TrainingRefused(f"record {number}: {error}") from error
        outline = self.outline
        outline.items.append(item)
        outline.learned.update(made.stages)
        outline.tokens += made.learned
        outline.longest = max(outline.longest, len(made.ids))

    def _turns(self, item: Item, width: int, height: int) -> Sequence[TaughtTurn]:
        """The turns of an item that the tokenizer can spell."""
        turns = self._teaching.turns(item.record, item.shown, width, height)
        spelled = [turn for turn in turns if self._encoder.spelled(turn)]
        if len(spelled) < len(turns):
            words = "the tokenizer does not know its words, or they frame the chat"
            self.outline.left_out[words] += len(turns) - len(spelled)
        return spelled if item.turn is None else spelled[item.turn : item.turn + 1]

    def _sketch(self, turns: Sequence[TaughtTurn], shown: Shown) -> Encoded:
        """The tokens of a dialogue, its pictures as large as they may be."""
        width, height = self._sides
        each = -(-width * height // self._cell**2)
        told = self._teaching.told(turns, shown)
        return self._encoder.dialogue(told, (each,) * len(shown.names))

    @property
    def _sides(self) -> tuple[int, int]:
        """Width and height of a picture; of one that is fitted, the largest square."""
        if self._picture.size is SizePolicy.FIT:
            side = int(self._picture.max_pixels**0.5)
            return side, side
        return self._picture.side, self._picture.side
