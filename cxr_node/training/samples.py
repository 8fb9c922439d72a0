"""Phantoms made once and stored: pictures, token masks and answers, in chunks of a folder.

A chunk is ``chunk-NNNN.npz`` with ``image`` (n, 224, 224) uint8, ``cells`` (n, channels,
8, 8) bool and ``truth`` (n,) JSON text. Seeds of training and of held-out sets never meet.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.findings import FindingKind, Laterality
from cxr_node.domain.instance import View
from cxr_node.phantom.make import make_phantom
from cxr_node.phantom.truth import DRAWN, Phantom, PixelBox

SIDE = 224
CELLS = 8
"""Picture tokens along one side: patch 14, two by two merged."""

SIDED = (
    FindingKind.PNEUMOTHORAX,
    FindingKind.PLEURAL_EFFUSION,
    FindingKind.CONSOLIDATION,
    FindingKind.LUNG_LESION,
    FindingKind.PACEMAKER,
)
CHANNELS: tuple[tuple[FindingKind, Laterality | None], ...] = (
    *((kind, side) for kind in SIDED for side in (Laterality.RIGHT, Laterality.LEFT)),
    *((kind, None) for kind in DRAWN if kind not in SIDED),
)
"""What each mask channel shows."""

HELD_OUT_SEEDS = 9_000_000
CALIBRATION_SEEDS = 9_500_000
CHUNK = 200
_LEAST_SHARE = 0.01
"""A token counts as showing a finding from this share of its pixels."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Stored samples, in memory."""

    image: NDArray[np.uint8]
    cells: NDArray[np.bool_]
    truth: list[dict[str, Any]]


def view_of(seed: int) -> View:
    """45 % PA, 45 % AP, 10 % lateral."""
    draw = float(np.random.default_rng([seed, 77]).random())
    if draw < 0.45:
        return View.PA
    return View.AP if draw < 0.9 else View.LATERAL


def sample(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_], dict[str, Any]]:
    """One picture at the model's size with its masks per token and its answers.

    One in six is drawn at twice the size and averaged down, as a picture that arrives
    over DICOM would be.
    """
    fine = seed % 6 == 0
    phantom = make_phantom(seed, size=SIDE * 2 if fine else SIDE, view=view_of(seed))
    image = phantom.image
    if fine:
        image = image.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    return (image * 255 + 0.5).astype(np.uint8), token_masks(phantom), truth_record(phantom)


def token_masks(phantom: Phantom) -> NDArray[np.bool_]:
    """(channels, 8, 8): which picture tokens show which finding."""
    cells = np.zeros((len(CHANNELS), CELLS, CELLS), dtype=bool)
    step = phantom.size // CELLS
    sides = {f.kind: f.side for f in phantom.truth.findings}
    for channel, (kind, side) in enumerate(CHANNELS):
        mask = phantom.masks.get(kind)
        if mask is None or (side is not None and sides[kind] is not side):
            continue
        share = mask.reshape(CELLS, step, CELLS, step).mean(axis=(1, 3))
        cells[channel] = share >= _LEAST_SHARE
    return cells


def truth_record(phantom: Phantom) -> dict[str, Any]:
    """The answers as plain data; boxes in percent of the picture."""
    truth = phantom.truth
    return {
        "seed": phantom.seed,
        "projection": "lateral" if truth.projection is View.LATERAL else str(truth.projection),
        "quality": truth.quality,
        "abnormal": truth.abnormal,
        "ratio": truth.ratio,
        "heart": _percent(truth.heart, phantom.size),
        "thorax": _percent(truth.thorax, phantom.size),
        "findings_text": truth.findings_text,
        "impression": truth.impression,
        "findings": {
            str(f.kind): {
                "side": f.side and str(f.side),
                "zone": f.zone and str(f.zone),
                "severity": f.severity and str(f.severity),
                "position": f.position and str(f.position),
                "box": _percent(f.box, phantom.size),
            }
            for f in truth.findings
        },
    }


def _percent(box: PixelBox | None, size: int) -> list[float] | None:
    return None if box is None else [round(100 * edge / size, 2) for edge in box]


def write_chunk(folder: Path, number: int, first_seed: int, count: int = CHUNK) -> Path:
    """Make and store ``count`` samples; the file appears whole or not at all."""
    made = [sample(first_seed + n) for n in range(count)]
    path = folder / f"chunk-{number:04d}.npz"
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(
        partial,
        image=np.stack([m[0] for m in made]),
        cells=np.stack([m[1] for m in made]),
        truth=np.array([json.dumps(m[2]) for m in made]),
    )
    partial.rename(path)
    return path


def read_chunk(path: Path) -> Chunk:
    """Read what :func:`write_chunk` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return Chunk(stored["image"], stored["cells"], [json.loads(t) for t in stored["truth"]])


def main() -> None:
    """Write chunks of samples until there are enough; existing ones are kept."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chunks", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for number in range(options.chunks):
        if not (options.folder / f"chunk-{number:04d}.npz").exists():
            write_chunk(options.folder, number, options.first_seed + number * CHUNK)


if __name__ == "__main__":
    main()
