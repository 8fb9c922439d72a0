"""How well a calibration holds on phantoms it was not fitted on, and the record of it.

``python -m cxr_node.training.judge MODEL_FOLDER --work DIR`` draws fresh phantoms into DIR,
asks the model, and writes a :class:`~cxr_node.reasoning.profiles.Fit` for every calibrated
finding into the folder's manifest. Nothing else of the manifest changes: biases,
temperatures and operating points stay as they were shipped. The manifest's digest names
the model in every result, so a judged model is another one than before.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cxr_node.domain.findings import FindingKind
from cxr_node.phantom.truth import DIFFICULTY
from cxr_node.reasoning.profiles import Calibration, Fit, load_manifest, seal, verify
from cxr_node.reasoning.transformers_model import load_model
from cxr_node.training.calibrate import METHOD, OperatingPoint, calibration_error
from cxr_node.training.loop import pool
from cxr_node.training.measure import Margins, TriageAsker, margin, truth_of
from cxr_node.training.samples import CALIBRATION_SEEDS, CHUNK, SIDE, write_chunk

JUDGING_SEEDS = 9_700_000
"""First seed of phantoms that nothing is chosen on."""

_PRESENCE = "presence:"


def main() -> None:
    """Draw, ask, write the manifest, and print what was found."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--chunks", type=int, default=3, help=f"of {CHUNK} phantoms each")
    parser.add_argument("--fitted-on", default=_run(CALIBRATION_SEEDS, 3 * CHUNK))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    draw(options.work, options.chunks)
    found = judge_folder(options.folder, options.work, options.fitted_on)
    shown = {name: fit.model_dump() for name, fit in found.items()}
    sys.stdout.write(json.dumps(shown, indent=1) + "\n")


def draw(folder: Path, chunks: int, first_seed: int = JUDGING_SEEDS) -> None:
    """Phantoms in chunks; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(chunks):
        if not (folder / f"chunk-{number:04d}.npz").exists():
            write_chunk(folder, number, first_seed + number * CHUNK)


def judge_folder(folder: Path, phantoms: Path, fitted_on: str) -> dict[str, Fit]:
    """Judge the model in ``folder`` on stored phantoms and seal its manifest with the fits.

    Raises :class:`ModelRefused` for a folder that fails its manifest.
    """
    manifest = load_manifest(folder)
    drawn = pool(phantoms)
    network = load_model(folder, threads=0, device="cpu").engine.network
    scores = TriageAsker(network).ask(np.stack(drawn.images))
    calibration = manifest.profile.calibration
    fits = judge(calibration, scores, drawn.truths, fitted_on)
    judged = {
        name: settings.model_copy(update={"fit": fits.get(name, settings.fit)})
        for name, settings in calibration.items()
    }
    profile = manifest.profile.model_copy(update={"calibration": judged})
    verify(folder, seal(folder, manifest.model_copy(update={"profile": profile})))
    return fits


def judge(
    calibration: dict[str, Calibration],
    scores: Margins,
    truths: list[dict[str, Any]],
    fitted_on: str,
) -> dict[str, Fit]:
    """The fit of every calibration of a single finding, on the phantoms of ``truths``."""
    data = f"fitted on {fitted_on}; judged on {seeds_text(truths)}"
    fits = {}
    for name, settings in calibration.items():
        if name.startswith(_PRESENCE):
            kind = FindingKind(name.removeprefix(_PRESENCE))
            truth = truth_of(truths, kind)
            probability = OperatingPoint.of(settings).probability(margin(scores, kind))
            fits[name] = fit_of(probability, truth, data)
    return fits


def fit_of(probability: NDArray[np.float64], truth: NDArray[np.bool_], data: str) -> Fit:
    """The figures of one finding; ``data`` names the phantoms."""
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


def seeds_text(truths: list[dict[str, Any]]) -> str:
    """Name of a set of phantoms: whoever draws its seeds again gets the same pictures."""
    return _run(min(int(truth["seed"]) for truth in truths), len(truths))


def _run(first: int, count: int) -> str:
    return f"{DIFFICULTY} seeds {first} to {first + count - 1} at {SIDE} pixels"


if __name__ == "__main__":
    main()
