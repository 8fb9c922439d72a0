"""Writes the folder that is shipped: weights in bfloat16, manifest, and a card of figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import StageKey
from cxr_node.phantom.truth import DIFFICULTY
from cxr_node.reasoning.embedded import embedded_manifest, save_embedded
from cxr_node.reasoning.profiles import Calibration, Manifest, seal
from cxr_node.training.calibrate import OperatingPoint, fit, operating_figures
from cxr_node.training.judge import judge, seeds_text
from cxr_node.training.loop import pool
from cxr_node.training.measure import Margins, TriageAsker, accuracy, areas

VERSION = "0.2"
STATEMENT = (
    "briefly trained on this project's synthetic phantoms; not evaluated on patients; "
    "answers outside phantoms mean nothing"
)
UNTAUGHT = (StageKey.RELATIONSHIPS, StageKey.FUTURE_TREND, StageKey.ADVICE)
"""Stages that phantom dialogues do not hold yet."""

LEAST_AREA = 0.7
"""Below this AUROC on the calibration set a finding is left out: the model cannot tell it."""

LEAST_MACRO = 0.8
"""Below this macro AUROC on held-out phantoms nothing is shipped."""


def ship(
    network: Any, target: Path, *, calibration: Path, held_out: Path, training: dict[str, Any]
) -> dict[str, Any]:
    """Calibrate on one set, measure on another, write ``target``; returns the card.

    The figures are those of the rounded weights that are written. ``training`` is
    copied into the card. Writes nothing but the card when the macro AUROC is too low.
    """
    network.to(torch.bfloat16).to(torch.float32)
    network.train(False)
    asker = TriageAsker(network)
    first, second = pool(calibration), pool(held_out)
    seen = asker.ask(np.stack(first.images))
    known = areas(seen, first.truths)
    fitted = fit(seen, first.truths)
    unknown = tuple(k for k in FindingKind if known.get(str(k), 0.0) < LEAST_AREA)
    points = {kind: point for kind, point in fitted.items() if kind not in unknown}
    scores = asker.ask(np.stack(second.images))
    found = areas(scores, second.truths)
    flags = [{"overall": "abnormal" if t["abnormal"] else "normal"} for t in second.truths]
    card: dict[str, Any] = {
        "model": "cxr-node embedded",
        "version": VERSION,
        "statement": STATEMENT,
        "difficulty": DIFFICULTY,
        "training": training,
        "calibrated_on": len(first.truths),
        "held_out": len(second.truths),
        "macro_auroc": round(float(np.mean(list(found.values()))), 4),
        "auroc": {kind: round(area, 4) for kind, area in found.items()},
        "operating_points": operating_figures(points, scores, second.truths),
        "projection_accuracy": round(
            accuracy(scores, second.truths, "projection", "projection"), 4
        ),
        "overall_accuracy": round(accuracy(scores, flags, "overall", "overall"), 4),
        "not_assessed": [str(kind) for kind in unknown],
    }
    if card["macro_auroc"] >= LEAST_MACRO:
        manifest = embedded_manifest(
            version=VERSION,
            trained=True,
            statement=STATEMENT,
            thresholds={k: point.threshold for k, point in points.items()},
            not_assessed=unknown,
            untaught=UNTAUGHT,
            calibration=_calibration(points, first.truths, scores, second.truths),
        )
        write(network, target, manifest, card)
    return card


def _calibration(
    points: dict[FindingKind, OperatingPoint],
    fitted: list[dict[str, Any]],
    scores: Margins,
    truths: list[dict[str, Any]],
) -> dict[str, Calibration]:
    """Calibrations fitted on one set of phantoms, each with how well it holds on the other."""
    found = {f"presence:{kind}": point.calibration for kind, point in points.items()}
    fits = judge(found, scores, truths, seeds_text(fitted))
    return {n: made.model_copy(update={"fit": fits[n]}) for n, made in found.items()}


def write(network: Any, target: Path, manifest: Manifest, card: dict[str, Any]) -> None:
    """Save, add the card, and seal the manifest over everything."""
    save_embedded(target, network.to(torch.bfloat16), manifest)
    (target / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    seal(target, manifest)
    network.to(torch.float32)
