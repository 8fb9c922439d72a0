"""Dialogue records and their pictures as cases for GRPO, looked through before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar, overload

from cxr_node.domain.errors import TrainingRefused
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.profiles import Profile
from cxr_node.training.grpo_marks import truth_of
from cxr_node.training.grpo_questions import Question, QuestionCase, Recipe, questions
from cxr_node.training.grpo_rollout import Study
from cxr_node.training.record_files import read_records
from cxr_node.training.records import Record

_PROJECTION = (StageKey.QUALITY_VIEW, "projection", "")
_T = TypeVar("_T")


class Pictures(Protocol):
    """Pictures by the names that records give them; see ``supervision_pictures``."""

    def path(self, name: str) -> Path:
        """Raises :class:`TrainingRefused` naming a picture that is not there."""

    def prepared(self, name: str) -> PreparedImage:
        """The picture at the model's size. Raises :class:`TrainingRefused`."""


class Made(Sequence[_T], Generic[_T]):
    """Cases that are made each time they are looked at, so that no picture is held."""

    def __init__(self, makers: Sequence[Callable[[], _T]]) -> None:
        self._makers = makers

    def __len__(self) -> int:
        return len(self._makers)

    @overload
    def __getitem__(self, index: int) -> _T: ...

    @overload
    def __getitem__(self, index: slice) -> Made[_T]: ...

    def __getitem__(self, index: int | slice) -> _T | Made[_T]:
        if isinstance(index, slice):
            return Made(self._makers[index])
        return self._makers[index]()


def read_studies(files: Iterable[Path], pictures: Pictures) -> Sequence[Study]:
    """Every record whose turns ask the node's own questions, for staged readings.

    Raises :class:`TrainingRefused` when there is none, or naming a picture that is not there.
    """
    makers = []
    for name, record in _records(files):
        if truth_of(record):
            for picture in (group for groups in _pictures(record, name) for group in groups):
                pictures.path(picture)
            makers.append(partial(study_of, record, name, pictures))
    if not makers:
        raise TrainingRefused(
            "no record asks the node's own questions (node_key); staged readings need dialogues "
            "from `cxr-node dialogues phantoms`, `mimic` or `export`"
        )
    return Made(makers)


def study_of(record: Record, name: str, pictures: Pictures) -> Study:
    """One record as a study: its own pictures, the earlier one, and the right answers."""
    own, earlier = _pictures(record, name)
    truth = truth_of(record)
    return Study(
        name=name,
        images=tuple(pictures.prepared(picture) for picture in own),
        truth=truth,
        earlier=pictures.prepared(earlier[0]) if earlier else None,
        view=truth.get(_PROJECTION, "").upper(),
    )


def _records(files: Iterable[Path]) -> Iterator[tuple[str, Record]]:
    for file in files:
        for number, record in enumerate(read_records(file), start=1):
            yield f"{file.name}, record {number}", record


def _pictures(record: Record, name: str) -> tuple[Sequence[str], Sequence[str]]:
    """Pictures of the study itself, and those that come in where it is compared."""
    turns = record.turns
    count = turns[0].image_input_count if turns else 0
    if not 0 < count <= len(record.images):
        raise TrainingRefused(f"{name}: its first question shows no picture")
    return record.images[:count], record.images[count:]


def read_questions(
    files: Iterable[Path], recipe: Recipe, profile: Profile, pictures: Pictures
) -> Sequence[QuestionCase]:
    """Every single question that ``recipe`` can reward.

    Raises :class:`TrainingRefused` when there is none, or naming a picture that is not there.
    """
    makers = []
    for name, record in _records(files):
        for asked in questions(record, name, recipe, profile):
            _check(asked, profile, pictures)
            makers.append(partial(_case, asked, pictures))
    if not makers:
        raise TrainingRefused(_NOTHING[recipe])
    return Made(makers)


def _check(asked: Question, profile: Profile, pictures: Pictures) -> None:
    if not 0 < len(asked.pictures) <= profile.pictures:
        raise TrainingRefused(
            f"{asked.name}: shows {len(asked.pictures)} pictures, this model looks at 1 to "
            f"{profile.pictures}"
        )
    for name in asked.pictures:
        pictures.path(name)


def _case(asked: Question, pictures: Pictures) -> QuestionCase:
    return QuestionCase(asked, tuple(pictures.prepared(name) for name in asked.pictures))


_NOTHING = {
    Recipe.OUTCOME: "no record has a chain, or a question with options, to reward by its outcome",
    Recipe.PROCESS: "no record has a chain; make some with `cxr-node dialogues chains`",
    Recipe.NV_REASON: "no record has a report to take a label list from (stage 8)",
    Recipe.REPORT: "no record has a report (stage 8)",
}
