"""All stored samples of a folder, in random order; new chunks may appear while training runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_node.training.recipe.samples import Chunk, read_chunk, unpacked

BATCH = 16
_REFRESH = 50
"""Batches after which new chunks of the folder are looked for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures (n, 224, 224), the second ones or an empty array, masks, and records."""

    images: NDArray[np.uint8]
    others: NDArray[np.uint8]
    cells: NDArray[np.bool_]
    truths: list[dict[str, Any]]


@dataclass(slots=True)
class Pool:
    """The samples of ``folder``, drawn with ``rng``."""

    folder: Path
    rng: np.random.Generator
    chunks: list[Chunk] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    fresh: list[int] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.refresh()
        if not self.places:
            raise FileNotFoundError(f"no stored samples in {self.folder}: make them first")

    def __len__(self) -> int:
        return len(self.places)

    def refresh(self) -> None:
        """Take up chunks that were not there before."""
        for path in sorted(self.folder.glob("chunk-????.npz")):
            if path.name not in self._seen:
                chunk = read_chunk(path)
                self.fresh.extend(range(len(self.places), len(self.places) + len(chunk.truth)))
                self.places.extend((len(self.chunks), row) for row in range(len(chunk.truth)))
                self.chunks.append(chunk)
                self._seen.add(path.name)

    def batches(self) -> Iterator[Batch]:
        """Batches without end: unseen samples first, then everything again in new order."""
        given = 0
        while True:
            if given % _REFRESH == 0:
                self.refresh()
                self.rng.shuffle(self.fresh)
            given += 1
            if len(self.fresh) < BATCH:
                self.fresh = self.rng.permutation(len(self.places)).tolist()
            taken, self.fresh = self.fresh[:BATCH], self.fresh[BATCH:]
            yield self.get(taken)

    def get(self, numbers: Sequence[int]) -> Batch:
        """The samples with these numbers."""
        found = [(self.chunks[chunk], row) for chunk, row in map(self.places.__getitem__, numbers)]
        return Batch(
            np.stack([chunk.image[row] for chunk, row in found]),
            np.stack([chunk.other[row] for chunk, row in found]),
            unpacked(np.stack([chunk.cells[row] for chunk, row in found])),
            [json.loads(chunk.truth[row]) for chunk, row in found],
        )
