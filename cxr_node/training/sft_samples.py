"""What supervised fine-tuning is fed with: a dialogue as tokens, its pictures as patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

IGNORED = -100
"""What the libraries take for "no loss here"."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One dialogue, ready for the network.

    ``weights`` has one number a token: how much predicting it counts, 0 where nothing is
    learned. ``patches`` (patches, values) and ``grid`` (pictures, 3) are what the model's own
    picture processor makes. ``side`` are further targets, for a side loss.
    """

    ids: Sequence[int]
    weights: Sequence[float]
    patches: Tensor
    grid: Tensor
    side: Mapping[str, Tensor] = field(default_factory=dict)


class Samples(Protocol):
    """Samples by number; the same number always gives the same sample, or resuming is not exact."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Sample: ...


@dataclass(frozen=True, slots=True)
class Collate:
    """Makes one batch of rows that each name a sample by ``number``.

    Padding stands on the right and is not masked: every query sees what is before it alone,
    and nothing is learned at padding.
    """

    samples: Samples
    picture_id: int
    pad_id: int

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """Ids, labels, weights (batch, longest) and the pictures of all samples in order."""
        batch = [self.samples[row["number"]] for row in rows]
        shape = len(batch), max(len(sample.ids) for sample in batch)
        ids = torch.full(shape, self.pad_id)
        weights = torch.zeros(shape)
        for row, sample in enumerate(batch):
            ids[row, : len(sample.ids)] = torch.tensor(sample.ids)
            weights[row, : len(sample.ids)] = torch.tensor(sample.weights)
        names = batch[0].side.keys()
        return {
            "input_ids": ids,
            "labels": torch.where(weights > 0, ids, IGNORED),
            "label_weights": weights,
            "mm_token_type_ids": (ids == self.picture_id).int(),
            "pixel_values": torch.cat([sample.patches for sample in batch]),
            "image_grid_thw": torch.cat([sample.grid for sample in batch]),
            "side": {name: torch.stack([s.side[name] for s in batch]) for name in names},
        }
