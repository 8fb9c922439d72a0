"""From stored pictures to picture tokens, as the product's own processor and model make them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxr_node.training.recipe.samples import CELLS, SIDE

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_PATCH, _MERGE, _TEMPORAL = 14, 2, 2


def patches(images: NDArray[np.uint8]) -> Tensor:
    """(n * 256, 1176) patches of (n, 224, 224) pictures.

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
