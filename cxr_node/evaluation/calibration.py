"""Whether a stated probability is the share of cases in which it comes true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.labels import Column, columns
from cxr_node.evaluation.resampling import Estimate, estimate
from cxr_node.training.figures import Flags, Floats, bin_of, weighted_calibration_error

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a reliability diagram: probabilities from ``low`` up to ``high``."""

    low: float
    high: float
    stated: float
    """Mean probability."""
    true: float
    """Share of cases that have the label."""
    n: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Expected calibration error over equal-width bins (arXiv 1706.04599), and the diagram."""

    label: str
    error: Estimate
    bins: tuple[Bin, ...]


def summarise(cases: Sequence[Case], weights: Floats) -> tuple[Calibration, ...]:
    """All labels together first, named "all"; then each label that has probabilities."""
    found = [c for c in columns(cases) if np.isfinite(c.score).any()]
    if not found:
        return ()
    parts = [_scored(column) for column in found]
    rows = np.concatenate([p[0] for p in parts])
    stated = np.concatenate([p[1] for p in parts])
    truth = np.concatenate([p[2] for p in parts])
    everything = _calibration("all", rows, stated, truth, weights)
    return (
        everything,
        *(_calibration(c.label, *part, weights) for c, part in zip(found, parts, strict=True)),
    )


def _scored(column: Column) -> tuple[np.ndarray, Floats, Flags]:
    kept = np.isfinite(column.score)
    return column.rows[kept], column.score[kept], column.truth[kept]


def _calibration(
    label: str, rows: np.ndarray, stated: Floats, truth: Flags, weights: Floats
) -> Calibration:
    error = weighted_calibration_error(stated, truth, weights[:, rows], BINS)
    return Calibration(label, estimate(error, len(rows)), tuple(_bins(stated, truth)))


def _bins(stated: Floats, truth: Flags) -> Iterator[Bin]:
    which = bin_of(stated, BINS)
    for number in np.unique(which).tolist():
        members = which == number
        yield Bin(
            number / BINS,
            (number + 1) / BINS,
            float(stated[members].mean()),
            float(truth[members].mean()),
            int(members.sum()),
        )
