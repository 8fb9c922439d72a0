"""Own-answer rollouts: whole staged readings of a study, each answer drawn by the model itself.

The reading walks as in the node (``reasoning/staged.py``). What comes out is one row of tokens:
pictures and first question are the prompt, all that follows is the completion, of which only
drawn tokens are learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pydicom.uid import DigitalXRayImageStorageForPresentation

from cxr_node.domain.findings import ImageReference, PriorStudy, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid, result_uid
from cxr_node.domain.ports import PreparedImage
from cxr_node.reasoning.staged import OpenReading, PriorPicture, Request, StagedReader
from cxr_node.training.grpo_marks import Truth
from cxr_node.training.grpo_sampling import DrawingModel, DrawingTalk

NOT_DRAWN = -1
"""In place of an answer's number, for a token that is not learned from."""


@dataclass(frozen=True, slots=True)
class Study:
    """One study to be read, its pictures at the model's size, and the right answers."""

    name: str
    images: tuple[PreparedImage, ...]
    truth: Truth
    earlier: PreparedImage | None = None
    view: str = ""


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One drawn reading as tokens."""

    prompt: str
    """Words of the first question."""
    pictures: tuple[PreparedImage, ...]
    """As they were shown, in order."""
    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    """Tokens behind the prompt."""
    answers: tuple[int, ...]
    """For each of ``ids``: number of the turn that it is a drawn token of, or ``NOT_DRAWN``."""
    reading: Reading

    @property
    def mask(self) -> list[int]:
        """1 for every token that is learned from."""
        return [int(answer != NOT_DRAWN) for answer in self.answers]


def roll_out(model: DrawingModel, studies: Sequence[Study]) -> list[Trajectory]:
    """Read every study once, all together; the same study may be named several times."""
    reader = StagedReader(model)
    with ExitStack() as opened:
        readings = [
            opened.enter_context(reader.begin(_request(study, compares=reader.compares)))
            for study in studies
        ]
        while running := [reading for reading in readings if reading.ask is not None]:
            reader.advance(running)
        return [_trajectory(reading) for reading in readings]


def _trajectory(opened: OpenReading) -> Trajectory:
    talk = opened.conversation
    assert isinstance(talk, DrawingTalk)
    reading = opened.reading()
    answers = [NOT_DRAWN] * len(talk.token_ids)
    for number, drawn in enumerate(talk.answers):
        for place, own in enumerate(drawn.mask, start=drawn.start):
            answers[place] = number if own else NOT_DRAWN
    begin = talk.answers[0].start
    return Trajectory(
        prompt=reading.turns[0].prompt,
        pictures=talk.images,
        prompt_ids=talk.token_ids[:begin],
        ids=talk.token_ids[begin:],
        answers=tuple(answers[begin:]),
        reading=reading,
    )


def _request(study: Study, *, compares: bool) -> Request:
    earlier = study.earlier
    prior = None
    if earlier is not None and compares:
        own = result_uid("training", "earlier study", study.name)
        prior = PriorPicture(PriorStudy(own, _reference(earlier, study.view)), earlier)
    return Request(
        images=study.images,
        references=[_reference(image, study.view) for image in study.images],
        kind=ReadingKind.READ,
        quality_control=True,
        prior=prior,
        prior_unseen=earlier is not None and prior is None,
    )


def _reference(image: PreparedImage, view: str) -> ImageReference:
    """What a study would say of the picture."""
    return ImageReference(
        image.sop_instance_uid,
        Uid(DigitalXRayImageStorageForPresentation),
        result_uid("training", "series", image.sop_instance_uid.text),
        image.original_rows,
        image.original_columns,
        view,
    )
