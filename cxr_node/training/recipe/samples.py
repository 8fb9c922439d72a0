"""Phantoms made once and stored: pictures, masks per picture token and answers, in chunks.

A chunk is ``chunk-NNNN.npz`` with ``image`` (n, 224, 224) uint8, ``other`` of the same shape
or (n, 0, 0), ``cells`` (n, bytes) bits of (channels, 8, 8), and ``truth`` (n,) JSON records of
``phantom/batched/answers.py``. Seeds of training and of held-out sets never meet.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cxr_node.domain.findings import Laterality
from cxr_node.domain.instance import View
from cxr_node.phantom.batched.answers import paired_record, record
from cxr_node.phantom.batched.case import Case, make_case
from cxr_node.phantom.batched.make import Radiograph, pairs, radiographs
from cxr_node.phantom.batched.pairs import make_pair
from cxr_node.phantom.batched.signs import Sign

SIDE = 224
CELLS = 8
"""Picture tokens along one side: patch 14, two by two merged."""

SIDED = tuple(s for s in Sign if s.kind is not None and s.kind.has_side and s is not Sign.EDEMA)
CHANNELS: tuple[tuple[Sign, Laterality | None], ...] = (
    *((sign, None) for sign in Sign),
    *((sign, side) for sign in SIDED for side in (Laterality.RIGHT, Laterality.LEFT)),
)
"""What each mask channel shows: every sign, then the sided ones side by side."""

TRAINING_SEEDS, PAIR_SEEDS, VIEW_SEEDS = 20_000_000, 40_000_000, 45_000_000
CALIBRATION_SEEDS, JUDGING_SEEDS = 9_500_000, 9_700_000
CHUNK = 100
_NATURAL = 0.4
_ODDS = (0.15, 0.3)
_FINER = 8
_LEAST_SHARE = 0.01
"""A token counts as showing a sign from this share of its pixels."""


class Kind(StrEnum):
    """What a sample shows beside its picture."""

    SINGLE = "single"
    PAIR = "pair"
    """An earlier film of the same patient, with the change of every finding."""
    VIEWS = "views"
    """A lateral view of the same chest."""


FIRST_SEEDS = {Kind.SINGLE: TRAINING_SEEDS, Kind.PAIR: PAIR_SEEDS, Kind.VIEWS: VIEW_SEEDS}
Drawn = tuple[Radiograph, Radiograph | None, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Stored samples; ``other`` is empty where there is one picture."""

    image: NDArray[np.uint8]
    other: NDArray[np.uint8]
    cells: NDArray[np.uint8]
    truth: list[str]


def training_case(seed: int, *, frontal: bool = False) -> Case:
    """A case to learn from: 40 % as chance gives them, else rare signs as often as common ones."""
    rng = np.random.default_rng([seed, 78])
    drawn = make_case(seed)
    view = drawn.view
    if frontal and view is View.LATERAL:
        view = View.PA
    if rng.random() < _NATURAL:
        return drawn if view is drawn.view else make_case(seed, view=view)
    odds = rng.choice(_ODDS)
    signs = {sign for sign in Sign if rng.random() < odds}
    if {Sign.PORT, Sign.CENTRAL_VENOUS_CATHETER} <= signs:
        signs.discard(Sign.PORT if rng.random() < 0.5 else Sign.CENTRAL_VENOUS_CATHETER)
    return make_case(seed, view=view, signs=signs)


def drawn(kind: Kind, seeds: Sequence[int]) -> Iterator[Drawn]:
    """Films with their second picture and their record.

    One single film in eight is drawn at twice the size and averaged down, as a picture that
    arrives over DICOM would be.
    """
    if kind is Kind.PAIR:
        for films in pairs(map(make_pair, seeds), SIDE):
            yield films.current, films.prior, paired_record(films)
    elif kind is Kind.VIEWS:
        front = [training_case(seed, frontal=True) for seed in seeds]
        side = [
            make_case(c.seed, view=View.LATERAL, signs={p.sign for p in c.plans}) for c in front
        ]
        for film, lateral in zip(radiographs(front, SIDE), radiographs(side, SIDE), strict=True):
            yield film, lateral, record(film)
    else:
        for size, some in _sizes(seeds):
            single = radiographs([training_case(seed) for seed in some], size)
            yield from ((film, None, record(film)) for film in single)


def natural(seeds: Sequence[int]) -> Iterator[Drawn]:
    """Films exactly as chance gives them, to calibrate and to judge on."""
    films = radiographs([make_case(seed) for seed in seeds], SIDE)
    yield from ((film, None, record(film)) for film in films)


def _sizes(seeds: Sequence[int]) -> tuple[tuple[int, list[int]], ...]:
    fine = [seed for seed in seeds if seed % _FINER == 0]
    return (SIDE, [seed for seed in seeds if seed % _FINER]), (2 * SIDE, fine)


def token_masks(film: Radiograph) -> NDArray[np.bool_]:
    """(channels, 8, 8): which picture tokens show which sign. A bilateral one is cut midway."""
    cells = np.zeros((len(CHANNELS), CELLS, CELLS), dtype=bool)
    step = film.size // CELLS
    sides = {found.sign: found.side for found in film.facts.signs}
    thorax = film.facts.thorax
    middle = int((thorax[0] + thorax[2]) / 2) if thorax else film.size // 2
    halves = {Laterality.RIGHT: slice(0, middle), Laterality.LEFT: slice(middle, film.size)}
    for channel, (sign, side) in enumerate(CHANNELS):
        if sign not in sides or sign not in film.masks:
            continue
        mask = film.masks[sign]
        if side is not None and sides[sign] is Laterality.BILATERAL:
            half = np.zeros_like(mask)
            half[:, halves[side]] = mask[:, halves[side]]
            mask = half
        elif side is not None and sides[sign] is not side:
            continue
        share = mask.reshape(CELLS, step, CELLS, step).mean(axis=(1, 3))
        cells[channel] = share >= _LEAST_SHARE
    return cells


def write_chunk(folder: Path, number: int, films: Iterator[Drawn]) -> Path:
    """Store ``films``; the file appears whole or not at all."""
    made = [(_bytes(f), None if o is None else _bytes(o), token_masks(f), r) for f, o, r in films]
    others = [other for _, other, _, _ in made if other is not None]
    path = folder / f"chunk-{number:04d}.npz"
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        image=np.stack([m[0] for m in made]),
        other=np.stack(others) if others else np.zeros((len(made), 0, 0), np.uint8),
        cells=np.stack([np.packbits(m[2]) for m in made]),
        truth=np.array([json.dumps(m[3]).encode() for m in made]),
    )
    partial.rename(path)
    return path


def _bytes(film: Radiograph) -> NDArray[np.uint8]:
    image = film.image
    if film.size > SIDE:
        step = film.size // SIDE
        image = image.reshape(SIDE, step, SIDE, step).mean(axis=(1, 3))
    return (image * 255 + 0.5).astype(np.uint8)


def read_chunk(path: Path) -> Chunk:
    """Read what :func:`write_chunk` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        truth = [text.decode() for text in stored["truth"].tolist()]
        return Chunk(stored["image"], stored["other"], stored["cells"], truth)


def unpacked(cells: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n, channels, 8, 8) of the stored bits (n, bytes)."""
    shape = (len(cells), len(CHANNELS), CELLS, CELLS)
    bits = np.unpackbits(cells, axis=1, count=len(CHANNELS) * CELLS * CELLS)
    return bits.reshape(shape).astype(bool)


def make(folder: Path, kind: Kind, chunks: int) -> None:
    """Write the chunks that are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, first in zip(range(chunks), count(FIRST_SEEDS[kind], CHUNK), strict=False):
        if not (folder / f"chunk-{number:04d}.npz").exists():
            write_chunk(folder, number, drawn(kind, range(first, first + CHUNK)))


def make_natural(folder: Path, chunks: int, first_seed: int) -> None:
    """The same for sets that are calibrated and judged on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, first in zip(range(chunks), count(first_seed, CHUNK), strict=False):
        if not (folder / f"chunk-{number:04d}.npz").exists():
            write_chunk(folder, number, natural(range(first, first + CHUNK)))


def main() -> None:
    """Write chunks of training samples until there are enough; existing ones are kept."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", type=Kind, default=Kind.SINGLE, choices=list(Kind))
    parser.add_argument("--chunks", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    make(options.folder, options.kind, options.chunks)


if __name__ == "__main__":
    main()
