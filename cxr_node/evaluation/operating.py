"""Turns a finding's log-odds into probabilities and chooses its operating point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.findings import FindingKind
from cxr_node.reasoning.profiles import Calibration
from cxr_node.training.figures import operating_point

SENSITIVITY_WEIGHT = {FindingKind.PNEUMOTHORAX: 1.5, FindingKind.ENDOTRACHEAL_TUBE: 1.5}
"""Missed, these cost more than a false flag: a lung, or an airway, may be lost."""

LEAST_SPECIFICITY = 0.92
"""A finding the model hardly knows must not be called on every second picture."""

METHOD = "Platt scaling of the log-odds of present against absent, ridge 0.001"

_LEAST_SLOPE = 0.2
_LOWEST, _HIGHEST = 0.02, 0.98


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """How one finding is decided: p = sigmoid(slope x log-odds + offset) >= threshold."""

    slope: float
    offset: float
    threshold: float

    def probability(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        return sigmoid(self.slope * log_odds + self.offset)

    @classmethod
    def of(cls, calibration: Calibration, threshold: float = 0.5) -> OperatingPoint:
        """The line that :attr:`calibration` wrote."""
        slope = 1 / calibration.temperature
        shift = calibration.bias.get("present", 0.0) - calibration.bias.get("absent", 0.0)
        return cls(slope, shift * slope, threshold)

    @property
    def calibration(self) -> Calibration:
        """The same line in the manifest's terms."""
        return Calibration(
            temperature=1 / self.slope, bias={"present": round(self.offset / self.slope, 6)}
        )


def fit(
    kind: FindingKind, log_odds: NDArray[np.float64], truth: NDArray[np.bool_]
) -> OperatingPoint:
    """Calibration and threshold of one finding, from cases of both kinds."""
    slope, offset = logistic(log_odds, truth)
    slope = max(slope, _LEAST_SLOPE)
    probability = sigmoid(slope * log_odds + offset)
    weight = SENSITIVITY_WEIGHT.get(kind, 1.0)
    threshold = operating_point(probability, truth, weight, LEAST_SPECIFICITY)
    return OperatingPoint(slope, offset, round(min(max(threshold, _LOWEST), _HIGHEST), 4))


def logistic(x: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset by Newton's method with a small ridge (Platt scaling)."""
    y = truth.astype(np.float64)
    weights = np.array([1.0, 0.0])
    design = np.stack([x, np.ones_like(x)], axis=1)
    for _ in range(50):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - y) + 1e-3 * weights
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - np.clip(step, -1, 1)
        if float(np.abs(step).max()) < 1e-8:
            break
    return float(weights[0]), float(weights[1])


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))


def log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of :func:`sigmoid`, within the range of double precision."""
    kept = np.clip(probability, 1e-15, 1 - 1e-15)
    return np.asarray(np.log(kept) - np.log1p(-kept))
