"""Brings a rendered picture to the size a model wants and keeps the way back exact."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_node.domain.ports import ImagePolicy, SizePolicy

GrayPicture = npt.NDArray[np.uint8]

_PADDING = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Size of the prepared picture and where the content lies in it, in pixels."""

    width: int
    height: int
    left: int
    top: int
    content_width: int
    content_height: int


def place(columns: int, rows: int, policy: ImagePolicy) -> Placement:
    """Work out the sizes for an original of ``columns`` x ``rows``."""
    if policy.size is SizePolicy.STRETCH:
        return Placement(policy.side, policy.side, 0, 0, policy.side, policy.side)
    if policy.size is SizePolicy.LETTERBOX:
        scale = policy.side / max(columns, rows)
        width = min(policy.side, max(1, round(columns * scale)))
        height = min(policy.side, max(1, round(rows * scale)))
        left, top = (policy.side - width) // 2, (policy.side - height) // 2
        return Placement(policy.side, policy.side, left, top, width, height)
    width, height = _fitted(columns, rows, policy)
    return Placement(width, height, 0, 0, width, height)


def _fitted(columns: int, rows: int, policy: ImagePolicy) -> tuple[int, int]:
    """Both sides a multiple, their product within ``max_pixels``, the aspect nearly kept.

    The rule of the Qwen2-VL image processor (arXiv 2409.12191), which would otherwise
    resize once more.
    """
    step, limit = policy.multiple, policy.max_pixels
    width, height = (max(step, round(side / step) * step) for side in (columns, rows))
    if limit and width * height > limit:
        shrink = math.sqrt(columns * rows / limit)
        width, height = (
            max(step, math.floor(side / shrink / step) * step) for side in (columns, rows)
        )
    if limit and width * height > limit:  # a strip so long that one side is already least
        most = max(1, limit // (step * step)) * step
        width, height = min(width, most), min(height, most)
    return width, height


def fit_picture(gray: GrayPicture, policy: ImagePolicy) -> tuple[Placement, GrayPicture]:
    """Resize with antialiasing; padding is black."""
    rows, columns = gray.shape
    where = place(columns, rows, policy)
    size = (where.content_width, where.content_height)
    content = Image.fromarray(gray)
    if size != content.size:
        content = content.resize(size, Image.Resampling.BICUBIC)
    if size == (where.width, where.height):
        return where, np.asarray(content)
    canvas = np.full((where.height, where.width), _PADDING, np.uint8)
    canvas[
        where.top : where.top + where.content_height,
        where.left : where.left + where.content_width,
    ] = np.asarray(content)
    return where, canvas


def shrink_to(gray: GrayPicture, max_side: int) -> GrayPicture:
    """The picture with no side above ``max_side``, aspect kept, never enlarged."""
    rows, columns = gray.shape
    scale = min(1.0, max_side / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.BICUBIC))
