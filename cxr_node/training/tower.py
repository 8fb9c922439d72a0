"""First step: the vision tower learns where findings are, token by token.

Answer loss alone leaves a tower of this size at chance for thousands of samples; masks
turn one picture into hundreds of examples. Heads are training aids and are not shipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cxr_node.domain.stages import PROJECTIONS
from cxr_node.training.samples import CELLS, CHANNELS, SIDE

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_PATCH, _MERGE, _TEMPORAL = 14, 2, 2
MASK_WEIGHT, MEAN_WEIGHT, EDGE_WEIGHT = 4.0, 2.0, 2.0
_POSITIVE = 4.0


def patches(images: NDArray[np.uint8]) -> Tensor:
    """(n * 256, 1176) patches of (n, 224, 224) pictures, as the product's processor makes.

    The order is that of Qwen2-VL: 2 x 2 blocks of patches; in a patch colour, time, row,
    column.
    """
    n, blocks = len(images), CELLS
    grey = torch.from_numpy(images).float() / 255
    cut = grey.view(n, blocks, _MERGE, _PATCH, blocks, _MERGE, _PATCH)
    cut = cut.permute(0, 1, 4, 2, 5, 3, 6).reshape(-1, 1, 1, _PATCH * _PATCH)
    mean, std = torch.tensor(_MEAN).view(1, 3, 1, 1), torch.tensor(_STD).view(1, 3, 1, 1)
    colours = (cut - mean) / std
    return colours.expand(-1, 3, _TEMPORAL, -1).reshape(len(cut), -1)


def grids(count: int) -> Tensor:
    """Grid (time, rows, columns) of each picture."""
    side = SIDE // _PATCH
    return torch.tensor([[1, side, side]] * count)


def varied(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Other exposures of the same pictures: gain, offset, gamma and a little noise."""
    n = len(images)
    x = images.astype(np.float32) / 255
    gamma = rng.uniform(0.85, 1.18, (n, 1, 1)).astype(np.float32)
    gain = rng.uniform(0.9, 1.1, (n, 1, 1)).astype(np.float32)
    offset = rng.uniform(-0.04, 0.04, (n, 1, 1)).astype(np.float32)
    grain = rng.standard_normal(x.shape, dtype=np.float32) * rng.uniform(0, 0.012, (n, 1, 1))
    shown = np.clip(x**gamma * gain + offset * (x > 0) + grain, 0, 1)
    return np.asarray(shown * 255 + 0.5, dtype=np.uint8)


class Heads(nn.Module):
    """Read-outs of the tower: masks per token; presence, projection and extents of the mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mask = nn.Linear(width, len(CHANNELS))
        self.present = nn.Linear(width, len(CHANNELS))
        self.projection = nn.Linear(width, len(PROJECTIONS))
        self.edges = nn.Linear(width, 8)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``tokens`` (n, 64, width)."""
        mean = tokens.mean(1)
        return self.mask(tokens), self.present(mean), self.projection(mean), self.edges(mean)


def see(network: Any, pixels: Tensor) -> Tensor:
    """Picture tokens (n, 64, width) of the network's own vision tower."""
    count = len(pixels) // (SIDE // _PATCH) ** 2
    made = network.model.visual(pixels, grid_thw=grids(count))
    merged = made if isinstance(made, Tensor) else made.pooler_output
    return (
        torch.stack(list(merged))
        if isinstance(merged, (list, tuple))
        else merged.view(count, CELLS * CELLS, -1)
    )


def targets(
    cells: NDArray[np.bool_], truths: Sequence[dict[str, Any]]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Masks (n, 64, channels), presence, projection index, heart and thorax edges (0 to 1)."""
    mask = torch.from_numpy(cells.reshape(len(cells), len(CHANNELS), -1)).transpose(1, 2).float()
    present = torch.tensor(
        [[float(_is(t, str(kind), side and str(side))) for kind, side in CHANNELS] for t in truths]
    )
    projection = torch.tensor([PROJECTIONS.index(t["projection"]) for t in truths])
    unknown = [float("nan")] * 4
    edges = torch.tensor([[*(t["heart"] or unknown), *(t["thorax"] or unknown)] for t in truths])
    return mask, present, projection, edges / 100


def _is(truth: dict[str, Any], kind: str, side: str | None) -> bool:
    found = truth["findings"].get(kind)
    return found is not None and (side is None or found["side"] == side)


def tower_loss(
    heads: Heads, tokens: Tensor, answers: tuple[Tensor, Tensor, Tensor, Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """Weighted sum of the four read-outs' losses, and its parts for the log."""
    mask, present, projection, edges = heads(tokens.float())
    weight = torch.tensor(_POSITIVE)
    dense = functional.binary_cross_entropy_with_logits(mask, answers[0], pos_weight=weight)
    whole = functional.binary_cross_entropy_with_logits(present, answers[1])
    view = functional.cross_entropy(projection, answers[2])
    known = ~torch.isnan(answers[3])
    extent = functional.smooth_l1_loss(edges[known], answers[3][known], beta=0.02)
    total = MASK_WEIGHT * dense + MEAN_WEIGHT * whole + 0.5 * view + EDGE_WEIGHT * extent
    parts = {"mask": dense, "mean": whole, "view": view, "edges": extent}
    return total, {name: float(value.detach()) for name, value in parts.items()}
