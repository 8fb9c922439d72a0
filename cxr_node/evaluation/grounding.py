"""Whether a box lies where the thing is: overlap, and the pointing game (arXiv 1608.00507)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cxr_node.evaluation.cases import BoxCase, Case
from cxr_node.evaluation.resampling import Estimate, estimate, mean, share
from cxr_node.training.figures import Floats
from cxr_node.training.record_boxes import overlap

ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Grounding:
    """Boxes of one subject. A box that was refused counts as an overlap of 0."""

    subject: str
    n: int
    missing: int
    iou: Estimate
    enough: Estimate
    """Share of boxes with an overlap of at least one half."""
    pointing: Estimate
    """Share of boxes whose centre lies in a true box."""


def best_overlap(case: BoxCase) -> float:
    """With the true box that fits best; 0 where nothing was said."""
    if case.said is None:
        return 0.0
    return max(overlap(case.said, box) for box in case.truth)


def points_at(case: BoxCase) -> bool:
    """Whether the centre of the stated box lies in a true one."""
    if case.said is None:
        return False
    x, y = (case.said[0] + case.said[2]) / 2, (case.said[1] + case.said[3]) / 2
    return any(b[0] <= x <= b[2] and b[1] <= y <= b[3] for b in case.truth)


def summarise(cases: Sequence[Case], weights: Floats) -> tuple[Grounding, ...]:
    """All boxes together first, named "all", then each subject."""
    told = [(row, box) for row, case in enumerate(cases) for box in case.boxes]
    if not told:
        return ()
    subjects = dict.fromkeys(box.subject for _, box in told)
    return (
        _grounding("all", told, weights),
        *(_grounding(s, [t for t in told if t[1].subject == s], weights) for s in subjects),
    )


def _grounding(subject: str, told: Sequence[tuple[int, BoxCase]], weights: Floats) -> Grounding:
    drawn, n = weights[:, [row for row, _ in told]], len(told)
    overlaps = np.array([best_overlap(box) for _, box in told])
    pointed = np.array([float(points_at(box)) for _, box in told])
    return Grounding(
        subject,
        n,
        sum(box.said is None for _, box in told),
        estimate(mean(overlaps, drawn), n),
        share(mean((overlaps >= ENOUGH).astype(np.float64), drawn), n),
        share(mean(pointed, drawn), n),
    )
