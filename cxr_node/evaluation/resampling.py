"""Figures over weighted cases, so that a bootstrap is one more matrix row, not one more loop.

``weights`` is (resamples, cases): how often each case was drawn. Row 0 of everything made
here holds the case weights 1, that is the figure itself; the rows below are resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxr_node.training.figures import Flags, Floats, ratio

RESAMPLES = 1000
_LEVEL = 0.95
_Z = 1.959963984540054
_LEAST_DEFINED = 0.5
"""Share of resamples in which a figure must exist for an interval to be given."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, its 95 % percentile interval, and the number of cases it rests on.

    ``value`` is None where the figure does not exist (no positive case, say); the interval
    where too few resamples have the figure, or where all of them agree: a bootstrap of a
    perfect result says nothing about how perfect it is.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


def draw_weights(cases: int, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Row 0 all ones, then ``resamples`` rows of how often a case is drawn with replacement."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(cases, np.full(cases, 1 / cases), size=resamples)
    return np.concatenate([np.ones((1, cases)), drawn.astype(np.float64)])


def estimate(values: Floats, n: int) -> Estimate:
    """A figure from its rows: the first is the value, the others give the interval."""
    point = float(values[0])
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(point):
        return Estimate(None, None, None, n)
    if len(drawn) < max(1, _LEAST_DEFINED * (len(values) - 1)) or np.ptp(drawn) == 0:
        return Estimate(point, None, None, n)
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(point, float(low), float(high), n)


def share(values: Floats, n: int) -> Estimate:
    """A share of ``n``; where all resamples agree, with the interval of Wilson (1927)."""
    found = estimate(values, n)
    if found.value is None or found.low is not None or not n:
        return found
    middle = (found.value + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    spread = found.value * (1 - found.value) / n + _Z**2 / (4 * n**2)
    half = _Z * spread**0.5 / (1 + _Z**2 / n)
    return Estimate(found.value, max(0.0, middle - half), min(1.0, middle + half), n)


def mean(values: Floats, weights: Floats) -> Floats:
    """Weighted means of one value per case."""
    return ratio(weights @ values, weights.sum(axis=1))


@dataclass(frozen=True, slots=True)
class Counts:
    """True and false positives and negatives, one number per row."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats

    @classmethod
    def of(cls, called: Flags, truth: Flags, weights: Floats) -> Counts:
        return cls(
            *(
                weights @ cell.astype(np.float64)
                for cell in (called & truth, called & ~truth, ~called & truth, ~called & ~truth)
            )
        )

    @property
    def precision(self) -> Floats:
        return ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> Floats:
        """Sensitivity."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Floats:
        return ratio(self.tn, self.tn + self.fp)

    @property
    def f1(self) -> Floats:
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )
