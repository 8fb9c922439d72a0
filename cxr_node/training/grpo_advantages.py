"""Advantages within a group of readings of one study: an answer is credited for what it brought.

GRPO (arXiv 2402.03300) compares completions of one prompt with each other. A staged reading is
one completion with many answers, so each is compared with the group's answers to the same
question, and, less by ``follow`` a stage, with how the stages behind it went.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cxr_node.domain.stages import StageKey
from cxr_node.training.grpo_marks import Asked

SMALL = 1e-4
"""Added to a deviation before it divides, as in the published code and in TRL."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What the group compares of one reading."""

    answers: Mapping[Asked, float | None]
    stages: Mapping[StageKey, float]
    whole: float = 0.0
    """Weighted penalties of the reading as a whole."""


@dataclass(frozen=True, slots=True)
class Credit:
    """How marks become advantages."""

    follow: float = 0.5
    """How much an answer is credited for the next stage; the square for the one behind it."""
    stages: Mapping[StageKey, float] = field(default_factory=dict)
    """Weight of a stage; 1 where none stands here."""

    def weight(self, stage: StageKey) -> float:
        return self.stages.get(stage, 1.0)


def compared(values: Sequence[float | None]) -> list[float]:
    """(value - mean) / (deviation + 1e-4) over the known ones; 0 for those that are not known.

    The deviation is that of the group itself (division by n).
    """
    known = [value for value in values if value is not None]
    if not known:
        return [0.0] * len(values)
    mean = sum(known) / len(known)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in known) / len(known))
    return [0.0 if v is None else (v - mean) / (deviation + SMALL) for v in values]


def advantages(group: Sequence[Marked], credit: Credit) -> list[dict[Asked, float]]:
    """For each reading of the group: the advantage of each of its answers.

    An answer without a mark is credited for what follows alone.
    """
    asked = list(dict.fromkeys(key for reading in group for key in reading.answers))
    own = {key: compared([reading.answers.get(key) for reading in group]) for key in asked}
    stages = {s: compared([reading.stages.get(s) for reading in group]) for s in StageKey}
    whole = compared([reading.whole for reading in group])
    return [
        {
            key: credit.weight(key[0]) * own[key][row]
            + _behind(key[0], {s: found[row] for s, found in stages.items()}, credit)
            + whole[row]
            for key in reading.answers
        }
        for row, reading in enumerate(group)
    ]


def _behind(stage: StageKey, found: Mapping[StageKey, float], credit: Credit) -> float:
    """What the later stages of the same reading add to an answer of ``stage``."""
    return sum(
        credit.follow ** (later.number - stage.number) * credit.weight(later) * value
        for later, value in found.items()
        if later.number > stage.number
    )
