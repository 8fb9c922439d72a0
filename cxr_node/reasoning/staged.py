"""Read studies with one model: open a study, put its next question, collect the answers.

Several open studies advance together, one question each, so that a card reads a batch; a
study that is not advanced simply waits, so that an urgent one may step in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from cxr_node.domain.amendment import Amendment
from cxr_node.domain.findings import ImageReference, PriorStudy, Reading, ReadingKind
from cxr_node.domain.ports import (
    Ask,
    Conversation,
    PreparedImage,
    Progress,
    Reply,
    VisionModel,
)
from cxr_node.domain.stages import StageKey, Turn
from cxr_node.reasoning.assemble import Study, assemble
from cxr_node.reasoning.boxes import Boxes
from cxr_node.reasoning.profiles import PictureOrder, Profile, ProfiledModel
from cxr_node.reasoning.telling import Before, ToldConversation
from cxr_node.reasoning.walk import Prior, Walk


def _nothing() -> None:
    """The default progress: nobody watches."""


@dataclass(frozen=True, slots=True)
class PriorPicture:
    """An earlier study of the same patient and its prepared image."""

    study: PriorStudy
    image: PreparedImage


@dataclass(frozen=True, slots=True)
class Request:
    """What shall be read. ``images`` and ``references`` belong together, the frontal one first."""

    images: Sequence[PreparedImage]
    references: Sequence[ImageReference]
    kind: ReadingKind
    quality_control: bool
    prior: PriorPicture | None = None
    prior_unseen: bool = False
    """An earlier study is known, but none of its pictures can be shown."""
    prior_problem: str = ""
    """Why not, in words for the reader; empty when the model has no room for it."""
    amendment: Amendment | None = None
    """Answers that a person gives in the model's place."""
    before: Sequence[Turn] = ()
    """Turns of the reading that is corrected, up to the first correction: told, not asked."""

    def __post_init__(self) -> None:
        if len(self.images) != len(self.references) or not self.images:
            raise ValueError("images and references must be given in pairs, at least one")


class OpenReading:
    """One study being read: its conversation and the question it waits to have answered."""

    def __init__(
        self, conversation: Conversation, study: Study, prior: Prior, request: Request
    ) -> None:
        self.conversation = conversation
        self._study = study
        self._told = ToldConversation(conversation)
        self._before = Before(request.before)
        self._walk = Walk(
            self._told,
            study.profile,
            Boxes.of(study.profile, study.images[0]),
            kind=study.kind,
            prior=prior,
            prior_problem=request.prior_problem,
            corrected=study.amendment.given if study.amendment else None,
        )
        self._steps = self._walk.steps()
        self.ask: Ask | None = self._unanswered(next(self._steps, None))

    @property
    def stage(self) -> StageKey:
        """The stage it stands in."""
        return self._walk.stage

    @property
    def turns(self) -> int:
        """How many questions are answered."""
        return len(self._walk.turns)

    def take(self, reply: Reply) -> None:
        """Hear the reply to ``ask`` and move to the next question, if there is one."""
        self.ask = self._unanswered(self._send(reply))

    def _send(self, reply: Reply) -> Ask | None:
        try:
            return self._steps.send(reply)
        except StopIteration:
            return None

    def _unanswered(self, ask: Ask | None) -> Ask | None:
        """The first question from ``ask`` on to which no reply is stored."""
        while ask is not None and (known := self._before.reply(ask, self._told)) is not None:
            ask = self._send(known)
        return ask

    def reading(self) -> Reading:
        """The result; only when no question is left."""
        if self.ask is not None:
            raise RuntimeError("the study is not read to its end")
        return assemble(self._study, self._walk.turns, self._walk.skipped, self._walk.notes)


class StagedReader:
    """Reads studies with one model. Holds no state of a study."""

    def __init__(self, model: VisionModel, profile: Profile | None = None) -> None:
        self._model = model
        given = model.profile if isinstance(model, ProfiledModel) else Profile()
        self._profile = profile or given

    @property
    def compares(self) -> bool:
        """Whether the picture of a prior study is of any use to this model."""
        return self._profile.pictures > 1 and StageKey.COMPARISON not in self._profile.untaught

    @contextmanager
    def begin(self, request: Request) -> Iterator[OpenReading]:
        """Open a study: its pictures are encoded, its first question is ready.

        Only as many pictures are shown as the profile allows, and the prior study's only
        if there is a place for it beside all of the current ones.
        """
        room = self._profile.pictures
        current = tuple(request.images[:room])
        known = request.prior is not None or request.prior_unseen
        shown, prior = current, Prior.NOT_SHOWN if known else Prior.NONE
        compared = request.prior if len(request.images) < room else None
        if compared is not None:
            prior = Prior.SHOWN
            first = self._profile.order is PictureOrder.REFERENCE_FIRST
            shown = (compared.image, *current) if first else (*current, compared.image)
        study = Study(
            kind=request.kind,
            model=self._model.identity,
            profile=self._profile,
            images=current,
            references=tuple(request.references[: len(current)]),
            quality_control=request.quality_control,
            prior=compared.study if compared else None,
            shown=shown,
            amendment=request.amendment,
        )
        with self._model.begin(shown) as conversation:
            yield OpenReading(conversation, study, prior, request)

    def advance(self, readings: Sequence[OpenReading]) -> None:
        """Put the next question of each open study to the model, all together."""
        asked = [(r, r.ask) for r in readings if r.ask is not None]
        if not asked:
            return  # everything was said before: nothing is left to a model
        replies = self._model.answer([(r.conversation, ask) for r, ask in asked])
        for (reading, _), reply in zip(asked, replies, strict=True):
            reading.take(reply)

    def read(self, request: Request, progress: Progress = _nothing) -> Reading:
        """Read one study from first to last question.

        ``progress`` is called after every reply. Refused answers become "not assessed";
        errors of the model itself are raised.
        """
        with self.begin(request) as reading:
            while reading.ask is not None:
                self.advance([reading])
                progress()
        return reading.reading()
