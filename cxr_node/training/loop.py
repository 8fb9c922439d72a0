"""What both steps share: samples in random order, optimiser, schedule, checkpoints, log."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cxr_node.training.samples import read_chunk

BATCH = 16
_REFRESH = 400
"""Samples after which new chunks of the folder are looked for."""


@dataclass(slots=True)
class Pool:
    """All samples of a folder; new chunks may appear while training runs."""

    folder: Path
    rng: np.random.Generator
    seen: set[str] = field(default_factory=set)
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    cells: list[NDArray[np.bool_]] = field(default_factory=list)
    truths: list[dict[str, Any]] = field(default_factory=list)
    fresh: list[int] = field(default_factory=list)

    def refresh(self) -> None:
        """Take up chunks that were not there before."""
        for path in sorted(self.folder.glob("chunk-????.npz")):
            if path.name not in self.seen:
                chunk = read_chunk(path)
                start = len(self.truths)
                self.images.extend(chunk.image)
                self.cells.extend(chunk.cells)
                self.truths.extend(chunk.truth)
                self.fresh.extend(range(start, len(self.truths)))
                self.seen.add(path.name)

    def batches(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_], list[Any]]]:
        """Batches without end: unseen samples first, then everything again in new order."""
        given = _REFRESH
        while True:
            if given >= _REFRESH:
                self.refresh()
                self.rng.shuffle(self.fresh)
                given = 0
            if len(self.fresh) < BATCH:
                self.fresh = list(self.rng.permutation(len(self.truths)))
            taken, self.fresh = self.fresh[:BATCH], self.fresh[BATCH:]
            given += BATCH
            yield (
                np.stack([self.images[i] for i in taken]),
                np.stack([self.cells[i] for i in taken]),
                [self.truths[i] for i in taken],
            )


def pool(folder: Path) -> Pool:
    """All samples of a folder, in order."""
    made = Pool(folder, np.random.default_rng(0))
    made.refresh()
    return made


def optimiser(modules: list[nn.Module], rate: float) -> torch.optim.AdamW:
    """AdamW with decay on matrices only."""
    weights = [w for m in modules for w in m.parameters() if w.requires_grad]
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": 0.05},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def rate_at(share: float, step: int, warm_up: int = 60) -> float:
    """Factor on the learning rate: warm-up, flat, linear to 2 % over the last 30 %."""
    falling = 1.0 if share < 0.7 else max(0.02, 1 - 0.98 * (share - 0.7) / 0.3)
    return min(1.0, (step + 1) / warm_up) * falling


@dataclass(slots=True)
class Budget:
    """Wall-clock seconds of a step, counted over resumed runs."""

    seconds: float
    used: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> float:
        return min(1.0, (self.used + time.monotonic() - self.began) / self.seconds)


def save(path: Path, **state: Any) -> None:
    """Write a checkpoint whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)


def log(folder: Path, **figures: Any) -> None:
    """One JSON line in ``log.jsonl``."""
    with (folder / "log.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(figures) + "\n")
