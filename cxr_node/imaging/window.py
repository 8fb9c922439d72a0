"""Windows: the header's first one, or one spanning the values that are there.

PS3.3 C.11.2.1.2 and C.11.2.1.3: LINEAR, LINEAR_EXACT and SIGMOID.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.errors import NotReadable

Values = npt.NDArray[np.float64]

_TAIL = 0.005
"""Part of the pixels that may saturate at either end of a spanning window."""


class Function(StrEnum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    """Centre and width in modality units."""

    centre: float
    width: float
    function: Function = Function.LINEAR


def header_window(header: Dataset) -> Window | None:
    """The first window of the header; None when it names none.

    Raises :class:`NotReadable` (grayscale) for a width, centre or function that cannot be
    used: widths below 1 for LINEAR, not above 0 for the others.
    """
    try:
        centre = _first(header.get("WindowCenter"))
        width = _first(header.get("WindowWidth"))
        function = Function(str(header.get("VOILUTFunction") or Function.LINEAR).upper())
    except (ValueError, TypeError) as error:
        raise NotReadable(Reason.GRAYSCALE, "window") from error
    if centre is None or width is None:
        return None
    least = 1.0 if function is Function.LINEAR else math.ulp(0.0)
    if not (math.isfinite(centre) and math.isfinite(width)) or width < least:
        raise NotReadable(Reason.GRAYSCALE, "window")
    return Window(centre, width, function)


def _first(value: object) -> float | None:
    if isinstance(value, MultiValue | list | tuple):
        value = value[0] if len(value) else None
    return None if value is None or value == "" else float(str(value))


def spanning_window(
    values: Values, seen: npt.NDArray[np.bool_], counts: npt.NDArray[np.integer]
) -> Window:
    """A window over the middle 99 % of the pixels, or over all when that is one value.

    ``values`` are modality values per table entry, ``counts`` the pixels that have it,
    ``seen`` the entries that are present and not padding.
    """
    order = np.argsort(values[seen], kind="stable")
    present, weight = values[seen][order], counts[seen][order]
    if present.size == 0:
        raise NotReadable(Reason.IMAGE_QUALITY, "only padding")
    share = np.cumsum(weight) / weight.sum()
    low = present[np.searchsorted(share, _TAIL)]
    high = present[min(int(np.searchsorted(share, 1 - _TAIL)), present.size - 1)]
    if low == high:
        low, high = present[0], present[-1]
    width = max(float(high - low), np.finfo(np.float64).tiny)
    return Window(float(low) + width / 2, width, Function.LINEAR_EXACT)


def windowed(values: Values, window: Window) -> Values:
    """Grey of each value, 0 to 1."""
    centre, width = window.centre, window.width
    if window.function is Function.SIGMOID:
        power = np.clip(-4 * (values - centre) / width, -700, 700)
        return np.asarray(1 / (1 + np.exp(power)), np.float64)
    if window.function is Function.LINEAR:
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return (values > centre).astype(np.float64)
    return np.clip((values - centre) / width + 0.5, 0.0, 1.0)
