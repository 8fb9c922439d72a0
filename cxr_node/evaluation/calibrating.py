"""Calibrates a model on cases with known findings, and judges that on cases it was not fitted on.

A presence question stands in another context in triage than in a full reading, so both are
asked and one line is fitted through both. The model is asked uncalibrated, and no further
than the stage of the findings. The manifest's digest names the model in every result, so a
calibrated model is another one than before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import GRAPH, StageKey
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.operating import METHOD, OperatingPoint, fit, log_odds
from cxr_node.reasoning.profiles import Fit, Profile, load_manifest, seal, verify
from cxr_node.training.figures import auroc, rates, weighted_calibration_error

LEAST_AREA = 0.7
"""Below this AUROC a finding is left out: the model cannot tell it."""
LEAST_CASES = 20
"""Of either kind; with fewer a finding is left out, for its line would be a guess."""

_ASKED = frozenset({StageKey.QUALITY_VIEW, StageKey.FINDINGS})


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of one finding: log-odds and truth, case by case."""

    log_odds: NDArray[np.float64]
    truth: NDArray[np.bool_]

    @property
    def enough(self) -> bool:
        positive = int(self.truth.sum())
        return min(positive, len(self.truth) - positive) >= LEAST_CASES

    @property
    def area(self) -> float:
        return auroc(self.log_odds, self.truth)


@dataclass(frozen=True, slots=True)
class Judged:
    """How one finding fares on the cases it was not fitted on, at its operating point."""

    kind: FindingKind
    fit: Fit
    auroc: float
    sensitivity: float
    specificity: float


def raw(profile: Profile) -> Profile:
    """``profile`` without calibration and thresholds, and with no stage behind the findings."""
    later = tuple(stage.key for stage in GRAPH if stage.key not in _ASKED)
    return profile.model_copy(
        update={"calibration": {}, "thresholds": {}, "not_assessed": (), "untaught": later}
    )


def told(cases: Sequence[Case]) -> dict[FindingKind, Told]:
    """Finding by finding what uncalibrated readings say, over all ``cases`` of all manners."""
    found: dict[FindingKind, list[tuple[float, bool]]] = {kind: [] for kind in FindingKind}
    for case in cases:
        for label in case.labels:
            if label.label in found and label.probability is not None:
                found[FindingKind(label.label)].append((label.probability, label.truth))
    return {
        kind: Told(log_odds(np.array([p for p, _ in pairs])), np.array([t for _, t in pairs]))
        for kind, pairs in found.items()
        if pairs
    }


def operating_points(fitted: Mapping[FindingKind, Told]) -> dict[FindingKind, OperatingPoint]:
    """Of every finding that the model can tell. Raises :class:`ConfigurationError` for none."""
    points = {
        kind: fit(kind, said.log_odds, said.truth)
        for kind, said in fitted.items()
        if said.enough and said.area >= LEAST_AREA
    }
    if not points:
        raise ConfigurationError(
            f"no finding has {LEAST_CASES} cases of either kind and an AUROC of {LEAST_AREA}; "
            "nothing was calibrated"
        )
    return points


def judge(
    points: Mapping[FindingKind, OperatingPoint], other: Mapping[FindingKind, Told], data: str
) -> list[Judged]:
    """Every operating point on ``other`` cases; ``data`` names what it was fitted and judged on."""
    return [_judged(kind, point, other[kind], data) for kind, point in points.items()]


def _judged(kind: FindingKind, point: OperatingPoint, said: Told, data: str) -> Judged:
    probability, truth = point.probability(said.log_odds), said.truth
    sensitivity, specificity = rates(probability, truth, point.threshold)
    return Judged(kind, fit_of(probability, truth, data), said.area, sensitivity, specificity)


def fit_of(probability: NDArray[np.float64], truth: NDArray[np.bool_], data: str) -> Fit:
    """The figures that the manifest keeps of one finding."""
    return Fit(
        method=METHOD,
        data=data,
        positives=int(truth.sum()),
        negatives=int((~truth).sum()),
        log_loss=round(log_loss(probability, truth), 4),
        calibration_error=round(calibration_error(probability, truth), 4),
    )


def log_loss(probability: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Mean negative log-likelihood, natural logarithm; a certainty counts as one in a million."""
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    return float(-np.log(np.where(truth, clipped, 1 - clipped)).mean())


def calibration_error(
    probability: NDArray[np.float64], truth: NDArray[np.bool_], bins: int = 10
) -> float:
    """Expected calibration error over equal-width bins (arXiv 1706.04599)."""
    once = np.ones((1, len(probability)))
    return float(weighted_calibration_error(probability, truth, once, bins)[0])


def write(
    folder: Path, points: Mapping[FindingKind, OperatingPoint], judged: Sequence[Judged]
) -> None:
    """Put calibration, fits and operating points into the manifest of ``folder``.

    Findings without a point become "not assessed". Raises :class:`ModelRefused` for a folder
    that fails its manifest.
    """
    manifest = load_manifest(folder)
    verify(folder, manifest)
    fits = {one.kind: one.fit for one in judged}
    profile = manifest.profile.model_copy(
        update={
            "calibration": manifest.profile.calibration
            | {
                f"presence:{kind}": point.calibration.model_copy(update={"fit": fits.get(kind)})
                for kind, point in points.items()
            },
            "thresholds": {kind: point.threshold for kind, point in points.items()},
            "not_assessed": tuple(kind for kind in FindingKind if kind not in points),
        }
    )
    seal(folder, manifest.model_copy(update={"profile": profile}))
