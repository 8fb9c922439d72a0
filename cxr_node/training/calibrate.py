"""Turns a finding's log-odds into probabilities and chooses its operating point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.findings import FindingKind
from cxr_node.phantom.truth import DRAWN
from cxr_node.reasoning.profiles import Calibration
from cxr_node.training.figures import operating_point, rates, weighted_calibration_error
from cxr_node.training.measure import Margins, margin, truth_of

SENSITIVITY_WEIGHT = {FindingKind.PNEUMOTHORAX: 1.5}
"""A missed time-critical finding costs more than a false flag."""

LEAST_SPECIFICITY = 0.95
"""A finding the model hardly knows must not be called on every second picture."""

METHOD = "Platt scaling of the log-odds of present against absent, ridge 0.001"

_LEAST_SLOPE = 0.2


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """How one finding is decided: p = sigmoid(slope x log-odds + offset) >= threshold."""

    slope: float
    offset: float
    threshold: float

    def probability(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        return _sigmoid(self.slope * log_odds + self.offset)

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


def fit(scores: Margins, truths: list[dict[str, Any]]) -> dict[FindingKind, OperatingPoint]:
    """An operating point for every finding that phantoms can have."""
    return {k: _fit_one(k, margin(scores, k), truth_of(truths, k)) for k in DRAWN}


def _fit_one(
    kind: FindingKind, log_odds: NDArray[np.float64], truth: NDArray[np.bool_]
) -> OperatingPoint:
    slope, offset = logistic(log_odds, truth)
    slope = max(slope, _LEAST_SLOPE)
    probability = _sigmoid(slope * log_odds + offset)
    weight = SENSITIVITY_WEIGHT.get(kind, 1.0)
    threshold = operating_point(probability, truth, weight, LEAST_SPECIFICITY)
    return OperatingPoint(slope, offset, round(min(max(threshold, 0.02), 0.98), 4))


def logistic(x: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset by Newton's method with a small ridge (Platt scaling)."""
    y = truth.astype(np.float64)
    weights = np.array([1.0, 0.0])
    design = np.stack([x, np.ones_like(x)], axis=1)
    for _ in range(50):
        p = _sigmoid(design @ weights)
        gradient = design.T @ (p - y) + 1e-3 * weights
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - np.clip(step, -1, 1)
        if float(np.abs(step).max()) < 1e-8:
            break
    return float(weights[0]), float(weights[1])


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))


def operating_figures(
    points: dict[FindingKind, OperatingPoint], scores: Margins, truths: list[dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """Sensitivity, specificity, calibration error and count of each finding on other phantoms."""
    figures = {}
    for kind, point in points.items():
        truth = truth_of(truths, kind)
        probability = point.probability(margin(scores, kind))
        sensitivity, specificity = rates(probability, truth, point.threshold)
        figures[str(kind)] = {
            "positives": int(truth.sum()),
            "sensitivity": round(sensitivity, 4),
            "specificity": round(specificity, 4),
            "calibration_error": round(calibration_error(probability, truth), 4),
        }
    return figures


def calibration_error(
    probability: NDArray[np.float64], truth: NDArray[np.bool_], bins: int = 10
) -> float:
    """Expected calibration error over equal-width bins (arXiv 1706.04599)."""
    once = np.ones((1, len(probability)))
    return float(weighted_calibration_error(probability, truth, once, bins)[0])
