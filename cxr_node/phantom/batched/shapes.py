"""Batched drawing: pixels in centimetres, table look-ups, strokes, smooth fields, blur.

A batch is (batch, size, size). Nothing here mixes the pictures of a batch, and all random
numbers come in from outside, so a picture is the same alone and among others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cxr_node.phantom.batched.geometry import REACH, STEP

Points = NDArray[np.float64]
"""(n, 2): x to the image's right, y down, in centimetres from the middle of the chest."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the patients lie on the detector; ``x`` and ``y`` hold each pixel's centimetres."""

    size: int
    field: NDArray[np.float64]
    centre: NDArray[np.float64]
    tilt: NDArray[np.float64]
    x: torch.Tensor
    y: torch.Tensor

    @property
    def device(self) -> torch.device:
        return self.x.device

    def rows(self, numbers: Sequence[int]) -> Frame:
        """The frame of some pictures of the batch."""
        at = list(numbers)
        return Frame(
            self.size, self.field[at], self.centre[at], self.tilt[at], self.x[at], self.y[at]
        )

    def scale(self) -> NDArray[np.float64]:
        """Pixels per centimetre of each picture."""
        return np.asarray(self.size / self.field)

    def to_pixels(self, points: Points, rows: NDArray[np.int64]) -> Points:
        """Centimetres to pixel coordinates (centres at half-integers); ``rows`` per point."""
        c, s = np.cos(self.tilt[rows]), np.sin(self.tilt[rows])
        x = points[:, 0] * c - points[:, 1] * s + self.centre[rows, 0]
        y = points[:, 0] * s + points[:, 1] * c + self.centre[rows, 1]
        scale = self.scale()[rows]
        return np.stack([x * scale, y * scale], axis=1) + self.size / 2

    def per_row(self, values: Sequence[float] | NDArray[np.float64]) -> torch.Tensor:
        """One number per picture as a (batch, 1, 1) tensor."""
        flat = torch.as_tensor(np.asarray(values, dtype=np.float32), device=self.device)
        return flat.reshape(-1, 1, 1)


def frame(
    size: int,
    field: Sequence[float],
    centre: Sequence[tuple[float, float]],
    tilt: Sequence[float],
    device: torch.device | str = "cpu",
) -> Frame:
    """``size`` pixels over ``field`` cm for each picture; ``tilt`` in radians."""
    wide, middle = np.asarray(field, np.float64), np.asarray(centre, np.float64)
    turned = np.asarray(tilt, np.float64)
    line = (np.arange(size) + 0.5) / size - 0.5
    across = line[None, :] * wide[:, None] - middle[:, :1]
    down = line[None, :] * wide[:, None] - middle[:, 1:]
    c, s = np.cos(turned)[:, None], np.sin(turned)[:, None]
    parts = [
        torch.as_tensor(v.astype(np.float32), device=device)
        for v in (across * c, down * s, -across * s, down * c)
    ]
    x = parts[0][:, None, :] + parts[1][:, :, None]
    y = parts[2][:, None, :] + parts[3][:, :, None]
    return Frame(size, wide, middle, turned, x, y)


def index_of(values: torch.Tensor) -> torch.Tensor:
    """Place of each value in a table over ``geometry.GRID``, flat per picture."""
    last = round(2 * REACH / STEP)
    return ((values + REACH) * (1 / STEP) + 0.5).clamp_(0, last).to(torch.int64).flatten(1)


def looked_up(
    tables: Sequence[NDArray[np.float32]], index: torch.Tensor, like: torch.Tensor
) -> torch.Tensor:
    """The value of each picture's own table at ``index``."""
    stacked = torch.as_tensor(np.stack(tables), device=like.device)
    return stacked.gather(1, index).view_as(like)


def step(value: torch.Tensor, width: float | torch.Tensor) -> torch.Tensor:
    """0 below and 1 above zero, smooth over ``width``."""
    t = (value / width + 0.5).clamp(0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True, slots=True)
class Line:
    """A round wire, tube or vessel in picture ``row``: path, radii in cm, a factor."""

    row: int
    points: Points
    radius: NDArray[np.float64] | float
    factor: float = 1.0


def curve(points: Sequence[tuple[float, float]], count: int = 40) -> Points:
    """A smooth line through the points (Catmull-Rom), sampled at ``count`` places."""
    p = np.array([points[0], *points, points[-1]], dtype=np.float64)
    position = np.linspace(0, len(points) - 1 - 1e-9, count)
    k = position.astype(int)
    t = (position - k)[:, None]
    a, b, c, d = p[k], p[k + 1], p[k + 2], p[k + 3]
    return np.asarray(
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
    )


def strokes(frame: Frame, lines: Sequence[Line], *, thinnest: float = 0.45) -> torch.Tensor:
    """Thickness in cm of all ``lines`` together, (batch, size, size).

    Profiles are Gaussians of the wire's cross-section: what is thinner than a pixel keeps
    its total attenuation. ``thinnest`` is the least spread in pixels.
    """
    batch = frame.x.shape[0]
    if not lines:
        return torch.zeros_like(frame.x)
    points, radius, weight, rows = _sampled(frame, lines)
    scale = frame.scale()[rows]
    sigma = np.maximum(radius * scale / 1.7, thinnest)
    reach = np.ceil(2.6 * sigma).astype(int)
    margin = int(reach.max())
    near = reach[:, None] + 1
    inside = np.all((points > -near) & (points < frame.size + near), axis=1)
    amount = np.pi * radius**2 * weight / (2 * np.pi * sigma**2)
    wide = frame.size + 2 * margin + 2
    canvas = torch.zeros(batch * wide * wide, dtype=torch.float32, device=frame.device)
    classes = np.unique(reach)
    for reached in classes:
        own = np.flatnonzero((reach == reached) & inside)
        for chunk in np.array_split(own, max(1, len(own) * (2 * reached + 1) ** 2 // 4_000_000)):
            if len(chunk):
                _splat(
                    canvas,
                    wide,
                    margin,
                    int(reached),
                    points[chunk],
                    sigma[chunk],
                    amount[chunk],
                    rows[chunk],
                )
    whole = canvas.view(batch, wide, wide)
    return whole[:, margin : margin + frame.size, margin : margin + frame.size]


def _sampled(
    frame: Frame, lines: Sequence[Line]
) -> tuple[Points, NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """All lines as evenly spaced points: pixels, radius, length in pixels x factor, row."""
    counts = np.array([len(line.points) for line in lines])
    ends = np.cumsum(counts) - 1
    rows = np.repeat([line.row for line in lines], counts)
    path = frame.to_pixels(np.concatenate([line.points for line in lines]), rows)
    radius = np.concatenate(
        [np.broadcast_to(np.asarray(q.radius, np.float64), (len(q.points),)) for q in lines]
    )
    factor = np.repeat([line.factor for line in lines], counts)
    first = np.setdiff1d(np.arange(len(path)), ends)
    length = np.linalg.norm(path[first + 1] - path[first], axis=1)
    thin = np.minimum(radius[first], radius[first + 1]) * frame.scale()[rows[first]]
    pieces = np.maximum(1, np.ceil(length / np.maximum(0.75, 0.6 * thin))).astype(int)
    segment = np.repeat(first, pieces)
    before = np.cumsum(pieces) - pieces
    t = (np.arange(pieces.sum()) - np.repeat(before, pieces) + 0.5) / np.repeat(pieces, pieces)
    points = path[segment] + t[:, None] * (path[segment + 1] - path[segment])
    radii = radius[segment] + t * (radius[segment + 1] - radius[segment])
    weight = np.repeat(length / pieces, pieces) * factor[segment] * frame.scale()[rows[segment]]
    return points, radii, weight, rows[segment]


def _splat(
    canvas: torch.Tensor,
    wide: int,
    margin: int,
    reach: int,
    points: Points,
    sigma: NDArray[np.float64],
    amount: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> None:
    device = canvas.device
    corner = np.floor(points).astype(np.int64)
    offset = torch.arange(-reach, reach + 1, device=device)
    spread = torch.as_tensor((-0.5 / sigma**2).astype(np.float32), device=device)[:, None]
    away = torch.as_tensor((corner + 0.5 - points).astype(np.float32), device=device)
    across = torch.exp((away[:, :1] + offset) ** 2 * spread)
    down = torch.exp((away[:, 1:] + offset) ** 2 * spread)
    down = down * torch.as_tensor(amount.astype(np.float32), device=device)[:, None]
    first = (rows * wide + corner[:, 1] + margin) * wide + corner[:, 0] + margin
    place = torch.as_tensor(first, device=device)[:, None, None]
    index = place + offset[None, :, None] * wide + offset[None, None, :]
    index.clamp_(0, canvas.numel() - 1)
    canvas.index_add_(0, index.flatten(), (down[:, :, None] * across[:, None, :]).flatten())


@lru_cache(maxsize=64)
def _interpolation(size: int, cells: int) -> NDArray[np.float32]:
    """(size, cells) matrix of smooth interpolation from a coarse grid."""
    at = (np.arange(size) + 0.5) / size * (cells - 1)
    low = np.minimum(at.astype(int), cells - 2)
    t = at - low
    t = t * t * (3 - 2 * t)
    matrix = np.zeros((size, cells), dtype=np.float32)
    matrix[np.arange(size), low] = 1 - t
    matrix[np.arange(size), low + 1] = t
    return matrix


def smooth_field(
    generators: Sequence[np.random.Generator], frame: Frame, cells: int
) -> torch.Tensor:
    """Random fields of unit strength, one generator per picture, ``cells`` bumps across."""
    grid = np.stack([g.standard_normal((cells, cells), dtype=np.float32) for g in generators])
    matrix = torch.as_tensor(_interpolation(frame.size, cells), device=frame.device)
    return matrix @ torch.as_tensor(grid, device=frame.device) @ matrix.T


def blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur over ``sigma`` pixels; a wide one goes through a coarser picture."""
    if sigma < 0.15:
        return image
    if sigma > 6:
        factor = max(2, int(sigma // 3))
        small = functional.avg_pool2d(image[:, None], factor, ceil_mode=True)[:, 0]
        narrow = blurred(small, sigma / factor)
        size = tuple(image.shape[-2:])
        return functional.interpolate(narrow[:, None], size=size, mode="bilinear")[:, 0]
    reach = max(1, int(np.ceil(2.8 * sigma)))
    at = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = functional.pad(image[:, None], (reach, reach, reach, reach), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel), kernel.transpose(2, 3))[:, 0]
