"""Drawing in centimetres: the frame, strokes of a given radius, smooth random fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cxr_node.phantom.truth import Pixels

Points = NDArray[np.float64]
"""(n, 2): x to the image's right, y down, in centimetres from the middle of the chest."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the patient lies on the detector; ``x`` and ``y`` hold each pixel's centimetres."""

    size: int
    field_cm: float
    centre: tuple[float, float]
    tilt: float
    x: Pixels
    y: Pixels

    @property
    def pixels_per_cm(self) -> float:
        return self.size / self.field_cm

    def to_pixels(self, points: Points) -> Points:
        """Centimetres to pixel coordinates (pixel centres at half-integers)."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        x = points[:, 0] * c - points[:, 1] * s + self.centre[0]
        y = points[:, 0] * s + points[:, 1] * c + self.centre[1]
        return np.stack([x, y], axis=1) * self.pixels_per_cm + self.size / 2

    def sample(self, image: Pixels, point: tuple[float, float]) -> float:
        """The value at a point, 0 outside the image."""
        column, row = np.floor(self.to_pixels(np.array([point], dtype=np.float64))[0]).astype(int)
        inside = 0 <= column < self.size and 0 <= row < self.size
        return float(image[row, column]) if inside else 0.0


def frame(size: int, field_cm: float, centre: tuple[float, float], tilt: float) -> Frame:
    """Build a frame of ``size`` pixels over ``field_cm``; ``tilt`` in radians."""
    step = field_cm / size
    line = (np.arange(size, dtype=np.float32) + 0.5) * step - field_cm / 2
    across, down = line[None, :] - centre[0], line[:, None] - centre[1]
    c, s = np.cos(tilt), np.sin(tilt)
    x = (across * c + down * s).astype(np.float32)
    y = (-across * s + down * c).astype(np.float32)
    return Frame(size, field_cm, centre, tilt, x, y)


def curve(points: list[tuple[float, float]], count: int = 60) -> Points:
    """A smooth line through the points (Catmull-Rom), sampled at ``count`` places."""
    p = np.array([points[0], *points, points[-1]], dtype=np.float64)
    position = np.linspace(0, len(points) - 1 - 1e-9, count)
    k = position.astype(int)
    t = (position - k)[:, None]
    a, b, c, d = p[k], p[k + 1], p[k + 2], p[k + 3]
    result: Points = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return result


def stroke(
    frame: Frame, points: Points, radius: float | NDArray[np.float64], *, hollow: float = 0.0
) -> Pixels:
    """Thickness (cm) of a round wire along ``points``; ``radius`` in centimetres.

    The profile is a Gaussian of the wire's own cross-section, so a wire thinner than a
    pixel keeps its total attenuation. ``hollow`` is the share of the radius that is bore.
    """
    line = frame.to_pixels(points)
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(line),))
    line, radii = _resample(line, radii, frame)
    sigma = np.maximum(radii * frame.pixels_per_cm / 1.6, 0.45)
    steps = np.linalg.norm(np.gradient(line, axis=0), axis=1)
    area = np.pi * radii**2 * (1 - hollow**2) * frame.pixels_per_cm
    return _splat(frame.size, line, sigma, area * steps)


def _resample(
    line: Points, radii: NDArray[np.float64], frame: Frame
) -> tuple[Points, NDArray[np.float64]]:
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    spacing = max(0.7, float(radii.min()) * frame.pixels_per_cm * 0.6)
    count = max(3, int(lengths[-1] / spacing) + 1)
    at = np.linspace(0, lengths[-1], count)
    resampled = np.stack([np.interp(at, lengths, line[:, k]) for k in (0, 1)], axis=1)
    return resampled, np.interp(at, lengths, radii)


def _splat(
    size: int, points: Points, sigma: NDArray[np.float64], weight: NDArray[np.float64]
) -> Pixels:
    reach = int(np.ceil(2.6 * sigma.max()))
    offset = np.arange(-reach, reach + 1)
    column = np.floor(points[:, :1]).astype(int) + offset
    row = np.floor(points[:, 1:]).astype(int) + offset
    s = sigma[:, None]
    across = np.exp(-0.5 * ((column + 0.5 - points[:, :1]) / s) ** 2)
    down = np.exp(-0.5 * ((row + 0.5 - points[:, 1:]) / s) ** 2)
    across *= (column >= 0) & (column < size)
    down *= (row >= 0) & (row < size)
    value = (weight / (2 * np.pi * sigma**2))[:, None, None] * down[:, :, None] * across[:, None]
    index = np.clip(row, 0, size - 1)[:, :, None] * size + np.clip(column, 0, size - 1)[:, None]
    flat = np.bincount(index.ravel(), weights=value.ravel(), minlength=size * size)
    return flat.reshape(size, size).astype(np.float32)


@lru_cache(maxsize=64)
def _interpolation(size: int, cells: int) -> Pixels:
    """(size, cells) matrix of smooth interpolation from a coarse grid."""
    at = (np.arange(size) + 0.5) / size * (cells - 1)
    low = np.minimum(at.astype(int), cells - 2)
    t = at - low
    t = t * t * (3 - 2 * t)
    matrix = np.zeros((size, cells), dtype=np.float32)
    matrix[np.arange(size), low] = 1 - t
    matrix[np.arange(size), low + 1] = t
    return matrix


def smooth_field(rng: np.random.Generator, size: int, cells: int) -> Pixels:
    """A random field of unit strength whose structures span ``1 / cells`` of the picture."""
    grid = rng.standard_normal((cells, cells)).astype(np.float32)
    matrix = _interpolation(size, cells)
    return np.asarray(matrix @ grid @ matrix.T, dtype=np.float32)


@lru_cache(maxsize=16)
def _gaussian(size: int, sigma_milli: int) -> Pixels:
    at = np.arange(size)
    matrix = np.exp(-0.5 * ((at[:, None] - at[None, :]) * 1000.0 / sigma_milli) ** 2)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True), dtype=np.float32)


def blurred(image: Pixels, sigma: float) -> Pixels:
    """Gaussian blur; ``sigma`` in pixels. Wide blurs go through a coarse grid."""
    size = image.shape[0]
    if sigma < 0.2:
        return image
    cells = 64
    if (sigma > 3 * size / cells and size % cells == 0) or sigma > size / 20:
        return _wide_blur(image, sigma, cells)
    matrix = _gaussian(size, round(sigma * 1000))
    return np.asarray(matrix @ image @ matrix.T, dtype=np.float32)


def _wide_blur(image: Pixels, sigma: float, cells: int) -> Pixels:
    size = image.shape[0]
    up = _interpolation(size, cells)
    down = up.T / up.sum(axis=0)[:, None]
    matrix = up @ _gaussian(cells, round(sigma * 1000 * cells / size)) @ down
    return np.asarray(matrix @ image @ matrix.T, dtype=np.float32)
