"""Refuses pictures that show nothing: blank, constant, or noise.

The measure looks at the picture reduced to about 128 pixels, where detector noise has
averaged out and anatomy has not.

* Contrast: the grey levels between the 1st and the 99th percentile. A radiograph spans
  most of the scale; a blank exposure with a mark in a corner does not.
* Structure: the correlation of each pixel with its right and its lower neighbour. In a
  radiograph it is above 0.9, in white noise of any distribution about 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.errors import NotReadable

_SIDE = 128
LEAST_CONTRAST = 8.0
"""Grey levels of 255."""
LEAST_CORRELATION = 0.75
_LEAST_PIXELS = 16


@dataclass(frozen=True, slots=True)
class Quality:
    """``contrast`` in grey levels of 255, ``correlation`` of neighbours from -1 to 1."""

    contrast: float
    correlation: float


def measure(picture: npt.NDArray[np.uint8]) -> Quality:
    """Measure an 8-bit picture, rows x columns."""
    small = _reduced(picture)
    low, high = np.percentile(small, (1, 99))
    across = _correlation(small[:, :-1], small[:, 1:])
    down = _correlation(small[:-1], small[1:])
    return Quality(float(high - low), min(across, down))


def check_quality(picture: npt.NDArray[np.uint8]) -> Quality:
    """Raise :class:`NotReadable` (image-quality) for a picture that shows nothing."""
    if min(picture.shape) < _LEAST_PIXELS:
        raise NotReadable(Reason.IMAGE_QUALITY, "too small")
    found = measure(picture)
    if found.contrast < LEAST_CONTRAST:
        raise NotReadable(Reason.IMAGE_QUALITY, "blank")
    if found.correlation < LEAST_CORRELATION:
        raise NotReadable(Reason.IMAGE_QUALITY, "noise")
    return found


def _reduced(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    image = Image.fromarray(picture)
    size = (min(_SIDE, image.width), min(_SIDE, image.height))
    return np.asarray(image.convert("F").resize(size, Image.Resampling.BOX), np.float32)


def _correlation(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Pearson's correlation; 0 for a constant side."""
    a, b = one - one.mean(), other - other.mean()
    power = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / power if power else 0.0
