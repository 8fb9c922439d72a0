"""Figures of a classifier: areas, calibration and operating points.

The weighted ones take a matrix (rows, cases) of how often each case counts and give one figure
per row, so that a thousand resamples of a bootstrap cost one call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def auroc(scores: ArrayLike, truth: ArrayLike) -> float:
    """Area under the receiver operating curve (Mann-Whitney, ties count half); NaN if one class."""
    s, t = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    return float(weighted_auroc(s, t, np.ones((1, len(s))))[0])


def ratio(above: Floats, below: Floats) -> Floats:
    """Row by row; NaN where the denominator is 0."""
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)


def weighted_auroc(scores: Floats, truth: Flags, weights: Floats) -> Floats:
    """The area for each row of ``weights`` (rows, cases); ties count half, one class gives NaN."""
    if not len(scores):
        return np.full(len(weights), np.nan)
    positive, negative = _levels(scores, truth, weights)
    below = np.cumsum(negative, axis=1) - negative
    won = (positive * (below + negative / 2)).sum(axis=1)
    return ratio(won, positive.sum(axis=1) * negative.sum(axis=1))


def weighted_auprc(scores: Floats, truth: Flags, weights: Floats) -> Floats:
    """Average precision, row by row: precision at each score, weighted by the recall it adds."""
    if not len(scores):
        return np.full(len(weights), np.nan)
    positive, negative = (side[:, ::-1] for side in _levels(scores, truth, weights))
    found, called = np.cumsum(positive, axis=1), np.cumsum(positive + negative, axis=1)
    precision = np.divide(found, called, out=np.zeros_like(called), where=called > 0)
    return ratio((positive * precision).sum(axis=1), positive.sum(axis=1))


def _levels(scores: Floats, truth: Flags, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of positives and of negatives at each distinct score, ascending: (rows, levels)."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    drawn, true = weights[:, order], truth[order]
    return (
        np.add.reduceat(drawn * true, starts, axis=1),
        np.add.reduceat(drawn * ~true, starts, axis=1),
    )


def weighted_calibration_error(
    probability: Floats, truth: Flags, weights: Floats, bins: int = 10
) -> Floats:
    """Expected calibration error over equal-width bins (arXiv 1706.04599), row by row."""
    which = bin_of(probability, bins)
    members = (which[:, None] == np.arange(bins)).astype(np.float64)
    gaps = np.abs(weights @ (members * (probability - truth)[:, None])).sum(axis=1)
    return ratio(gaps, weights.sum(axis=1))


def bin_of(probability: Floats, bins: int = 10) -> NDArray[np.int64]:
    """Which of ``bins`` equal steps from 0 to 1 each probability falls into."""
    return np.minimum((probability * bins).astype(np.int64), bins - 1)


def rates(scores: Floats, truth: Flags, at: float) -> tuple[float, float]:
    """Sensitivity and specificity when scores at or above ``at`` count as present."""
    called = scores >= at
    return float(called[truth].mean()), float((~called)[~truth].mean())


def operating_point(
    scores: ArrayLike, truth: ArrayLike, weight: float = 1.0, least_specificity: float = 0.0
) -> float:
    """The score that maximises ``weight`` x sensitivity + specificity (Youden for weight 1).

    Only scores that reach ``least_specificity`` are considered. Lies midway between
    neighbouring scores, so that rounding does not move a case.
    """
    s, t = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    levels = np.unique(s)
    candidates = np.concatenate([[levels[0]], (levels[1:] + levels[:-1]) / 2, [levels[-1]]])
    found = [(float(c), *rates(s, t, float(c))) for c in candidates]
    usable = [f for f in found if f[2] >= least_specificity] or found[-1:]
    return max(usable, key=lambda f: weight * f[1] + f[2])[0]
