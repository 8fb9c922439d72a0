"""Figures of a classifier: area under the curve and operating points."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def auroc(scores: ArrayLike, truth: ArrayLike) -> float:
    """Area under the receiver operating curve (Mann-Whitney, ties count half); NaN if one class."""
    s, t = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    positive, negative = int(t.sum()), int((~t).sum())
    if not positive or not negative:
        return float("nan")
    order = np.argsort(s, kind="stable")
    _, inverse, counts = np.unique(s[order], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    total = float(ranks[t[order]].sum())
    return (total - positive * (positive + 1) / 2) / (positive * negative)


def rates(scores: NDArray[np.float64], truth: NDArray[np.bool_], at: float) -> tuple[float, float]:
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
