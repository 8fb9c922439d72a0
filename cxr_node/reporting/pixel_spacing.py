"""The size of a pixel, as far as the header really says it (PS3.3 C.8.11.4, 10.7)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydicom import Dataset

LARGEST_MM = 2.0
"""No detector of a radiograph has larger pixels; a greater value is in another unit."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Distance of neighbouring rows and of neighbouring columns, in mm."""

    rows_mm: float
    columns_mm: float
    calibrated: bool
    """Corrected for the magnification; False at the detector, where things look larger."""


def pixel_spacing(header: Dataset) -> Spacing | None:
    """Pixel Spacing, else Imager Pixel Spacing; None where neither is usable."""
    imager = _pair(header, "ImagerPixelSpacing")
    plain = _pair(header, "PixelSpacing")
    if plain is not None:
        corrected = "PixelSpacingCalibrationType" in header or imager not in (None, plain)
        return Spacing(*plain, calibrated=corrected)
    return None if imager is None else Spacing(*imager, calibrated=False)


def _pair(header: Dataset, keyword: str) -> tuple[float, float] | None:
    try:
        rows, columns = (float(value) for value in header[keyword].value)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    usable = all(math.isfinite(value) and 0 < value <= LARGEST_MM for value in (rows, columns))
    return (rows, columns) if usable else None
