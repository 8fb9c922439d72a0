"""Grey pixels to the patches that a vision tower takes, through a table of 256 levels.

The library scales and normalises every pixel of three equal channels; there are but 256 of
them. The same numbers as its own image processor gives, from which the table is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cxr_node.domain.ports import PreparedImage
from cxr_node.reasoning.forward import Pictures


class Patches:
    """Cuts pictures as ``processor`` (of the Qwen2-VL kind, without resizing) would."""

    def __init__(self, processor: Any) -> None:
        self._merge = int(processor.merge_size)
        self._side = int(processor.patch_size)
        self._frames = int(processor.temporal_patch_size)
        levels: Any = np.broadcast_to(np.arange(256, dtype=np.uint8), (3, 1, 256))
        if processor.do_rescale:
            levels = processor.rescale(levels, processor.rescale_factor)
        if processor.do_normalize:
            levels = processor.normalize(levels, processor.image_mean, processor.image_std)
        self._levels = np.asarray(levels, np.float32)[:, 0]

    @property
    def cell(self) -> int:
        """Pixels of the side of one visual token; those of a picture are multiples of it."""
        return self._side * self._merge

    def of(self, images: Sequence[PreparedImage]) -> Pictures:
        """Patches (patches, pixels of one) in 32-bit, in the order of the merged cells."""
        cut = [self._cut(image) for image in images]
        grid = [[1, image.height // self._side, image.width // self._side] for image in images]
        return Pictures(
            patches=torch.from_numpy(np.concatenate(cut)),
            grid=torch.tensor(grid),
            tokens=tuple(rows * columns // self._merge**2 for _, rows, columns in grid),
        )

    def _cut(self, image: PreparedImage) -> NDArray[np.float32]:
        gray = np.frombuffer(image.gray, np.uint8)
        down, across = image.height // self.cell, image.width // self.cell
        cells = gray.reshape(down, self._merge, self._side, across, self._merge, self._side)
        pixels = cells.transpose(0, 3, 1, 4, 2, 5).reshape(-1, self._side**2)
        found = np.empty((len(pixels), 3, self._frames, self._side**2), np.float32)
        for channel, levels in enumerate(self._levels):
            found[:, channel] = levels[pixels][:, None]
        return found.reshape(len(pixels), -1)
