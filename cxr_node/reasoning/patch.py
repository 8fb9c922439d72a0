"""A rectangle of a prepared picture, and how it is hidden without leaving a sign of its own.

A black rectangle is itself a finding to a model. So the rectangle is filled from its rim:
every pixel takes the rim's grey values, the nearer the more, and as much noise as the
surroundings have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.findings import Box
from cxr_node.domain.ports import PreparedImage

_RIM = 4  # pixels of surroundings that the filling is taken from

_Grey = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Patch:
    """Columns ``x0`` to ``x1`` and rows ``y0`` to ``y1``, the last ones not included."""

    x0: int
    y0: int
    x1: int
    y1: int

    def share(self, image: PreparedImage) -> float:
        """Part of the content that it covers, 0 to 1."""
        area = (self.x1 - self.x0) * (self.y1 - self.y0)
        return area / (image.content_width * image.content_height)

    def meets(self, other: Patch) -> bool:
        """Whether the two have a pixel in common."""
        beside = self.x1 <= other.x0 or other.x1 <= self.x0
        return not (beside or self.y1 <= other.y0 or other.y1 <= self.y0)


def patch_of(box: Box, image: PreparedImage) -> Patch:
    """The pixels that a box on the original touches, at least one."""
    left, top = image.from_original(box.x0, box.y0)
    right, bottom = image.from_original(box.x1, box.y1)
    last_column, last_row = image.left + image.content_width, image.top + image.content_height
    x0 = min(max(int(left), image.left), last_column - 1)
    y0 = min(max(int(top), image.top), last_row - 1)
    x1 = min(max(int(np.ceil(right)), x0 + 1), last_column)
    y1 = min(max(int(np.ceil(bottom)), y0 + 1), last_row)
    return Patch(x0, y0, x1, y1)


def place_elsewhere(patch: Patch, taken: Sequence[Patch], image: PreparedImage) -> Patch | None:
    """A patch of the same size that meets none of ``taken``: the mirrored one, if it can be.

    None when the content has no such place among mirror images and corners.
    """
    free = (p for p in _places(patch, image) if not any(p.meets(other) for other in taken))
    return next(free, None)


def _places(patch: Patch, image: PreparedImage) -> Iterator[Patch]:
    """Mirrored left to right, top to bottom, both, then slid to the edges of the content."""
    width, height = patch.x1 - patch.x0, patch.y1 - patch.y0
    left, top = image.left, image.top
    right, bottom = left + image.content_width - width, top + image.content_height - height
    across, down = left + right - patch.x0, top + bottom - patch.y0
    corners = (
        *((across, patch.y0), (across, down), (patch.x0, down)),
        *((left, patch.y0), (right, patch.y0), (patch.x0, top), (patch.x0, bottom)),
        *((left, top), (right, top), (left, bottom), (right, bottom)),
    )
    for x0, y0 in corners:
        yield Patch(x0, y0, x0 + width, y0 + height)


def hidden(image: PreparedImage, patch: Patch) -> PreparedImage | None:
    """``image`` with ``patch`` filled from its rim; None when nothing of the content is left.

    The noise is drawn from the picture itself, so the same patch gives the same picture.
    """
    grey = np.frombuffer(image.gray, np.uint8).reshape(image.height, image.width).copy()
    content = grey[
        image.top : image.top + image.content_height,
        image.left : image.left + image.content_width,
    ]
    x0, y0 = patch.x0 - image.left, patch.y0 - image.top
    rows, columns = slice(y0, patch.y1 - image.top), slice(x0, patch.x1 - image.left)
    smooth = _filling(content.astype(np.float64), rows, columns)
    if smooth is None:
        return None
    seed = hashlib.sha256(image.gray + repr(patch).encode()).digest()[:8]
    noise = np.random.default_rng(int.from_bytes(seed)).standard_normal(smooth.shape)
    filled = smooth + noise * _noise_around(content.astype(np.float64), rows, columns)
    content[rows, columns] = np.clip(np.rint(filled), 0, 255).astype(np.uint8)
    return replace(image, gray=grey.tobytes())


def _filling(content: _Grey, rows: slice, columns: slice) -> _Grey | None:
    """Grey values between the rims of the four sides, weighted by nearness."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    down = np.arange(1, height + 1, dtype=np.float64)[:, None]
    along = np.arange(1, width + 1, dtype=np.float64)[None, :]
    sides = (
        (content[max(rows.start - _RIM, 0) : rows.start, columns], 0, down),
        (content[rows.stop : rows.stop + _RIM, columns], 0, height + 1 - down),
        (content[rows, max(columns.start - _RIM, 0) : columns.start], 1, along),
        (content[rows, columns.stop : columns.stop + _RIM], 1, width + 1 - along),
    )
    total, weights = np.zeros((height, width)), np.zeros((height, width))
    for rim, axis, distance in sides:
        if rim.size:
            weight = np.broadcast_to(1 / distance, (height, width))
            total += weight * rim.mean(axis=axis, keepdims=True)
            weights += weight
    return total / weights if weights.any() else None


def _noise_around(content: _Grey, rows: slice, columns: slice) -> float:
    """Standard deviation of the grain beside the patch, grey levels."""
    inside = np.zeros(content.shape, dtype=bool)
    inside[rows, columns] = True
    near = np.zeros(content.shape, dtype=bool)
    near[
        max(rows.start - 2 * _RIM, 0) : rows.stop + 2 * _RIM,
        max(columns.start - 2 * _RIM, 0) : columns.stop + 2 * _RIM,
    ] = True
    pairs = (near & ~inside)[:, 1:] & (near & ~inside)[:, :-1]
    steps = np.diff(content, axis=1)[pairs]
    # The median keeps a rib's edge from passing for grain; 1.048 makes it a normal one's sigma.
    return float(np.median(np.abs(steps))) * 1.048 if steps.size else 0.0
