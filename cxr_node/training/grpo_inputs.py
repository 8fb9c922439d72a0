"""Dialogue records and a folder of pictures as cases for GRPO, checked before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from cxr_node.domain.errors import TrainingRefused
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.profiles import Profile
from cxr_node.training.grpo_marks import truth_of
from cxr_node.training.grpo_questions import Question, QuestionCase, Recipe, questions
from cxr_node.training.grpo_rollout import Study
from cxr_node.training.record_files import read_records
from cxr_node.training.records import Record

FindPicture = Callable[[str], PreparedImage]
"""The picture that a record names, at the model's size. Raises :class:`TrainingRefused`."""

_PROJECTION = (StageKey.QUALITY_VIEW, "projection", "")


def read_studies(files: Iterable[Path], find: FindPicture) -> list[Study]:
    """Every record whose turns ask the node's own questions, for staged readings.

    Raises :class:`TrainingRefused` when there is none, or naming a picture that is not there.
    """
    found = []
    for file in files:
        for number, record in enumerate(read_records(file), start=1):
            truth = truth_of(record)
            if truth:
                found.append(study_of(record, f"{file.name}, record {number}", find))
    if not found:
        raise TrainingRefused(
            "no record asks the node's own questions (node_key); staged readings need dialogues "
            "from `cxr-node dialogues phantoms`, `mimic` or `export`"
        )
    return found


def study_of(record: Record, name: str, find: FindPicture) -> Study:
    """One record as a study: its own pictures, the earlier one, and the right answers."""
    own, earlier = _pictures(record, name)
    truth = truth_of(record)
    return Study(
        name=name,
        images=tuple(find(picture) for picture in own),
        truth=truth,
        earlier=find(earlier[0]) if earlier else None,
        view=truth.get(_PROJECTION, "").upper(),
    )


def _pictures(record: Record, name: str) -> tuple[Sequence[str], Sequence[str]]:
    """Pictures of the study itself, and those that come in where it is compared."""
    turns = record.turns
    count = turns[0].image_input_count if turns else 0
    if not 0 < count <= len(record.images):
        raise TrainingRefused(f"{name}: its first question shows no picture")
    return record.images[:count], record.images[count:]


def read_questions(
    files: Iterable[Path], recipe: Recipe, profile: Profile, find: FindPicture
) -> list[QuestionCase]:
    """Every single question that ``recipe`` can reward.

    Raises :class:`TrainingRefused` when there is none, or naming a picture that is not there.
    """
    found = [_case(asked, profile, find) for asked in _asked(files, recipe, profile)]
    if not found:
        raise TrainingRefused(_NOTHING[recipe])
    return found


def _asked(files: Iterable[Path], recipe: Recipe, profile: Profile) -> Iterator[Question]:
    for file in files:
        for number, record in enumerate(read_records(file), start=1):
            yield from questions(record, number, recipe, profile)


def _case(asked: Question, profile: Profile, find: FindPicture) -> QuestionCase:
    if not 0 < len(asked.pictures) <= profile.pictures:
        raise TrainingRefused(
            f"{asked.name}: shows {len(asked.pictures)} pictures, this model looks at 1 to "
            f"{profile.pictures}"
        )
    return QuestionCase(asked, tuple(find(name) for name in asked.pictures))


_NOTHING = {
    Recipe.OUTCOME: "no record has a chain or a question with options to be rewarded by outcome",
    Recipe.PROCESS: "no record has a chain; make some with `cxr-node dialogues chains`",
    Recipe.NV_REASON: "no record has a report to take a label list from (stage 8)",
    Recipe.REPORT: "no record has a report (stage 8)",
}
