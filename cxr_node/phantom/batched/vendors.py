"""Habits of invented makers: how a grey picture becomes stored values and back again.

The names are fictitious. Between them they cover both photometric interpretations, 10 to 16
bits, windows and VOI LUTs, padding of the collimated border, DX and CR, and the lossless
transfer syntaxes that need no programs beside the product's own libraries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from cxr_node.phantom.batched.streams import Purpose, stream

Grey = NDArray[np.float32]
Stored = NDArray[np.uint16]
_LUT_BITS = 12


@dataclass(frozen=True, slots=True)
class Vendor:
    """One maker. ``low`` and ``high`` are the shares of the stored range that are shown."""

    name: str
    model: str
    modality: str
    photometric: str
    bits: int
    syntax: UID
    low: float = 0.04
    high: float = 0.9
    lut: bool = False
    """A VOI LUT of a curved response instead of a window."""
    padding: bool = False
    """The collimated border holds a Pixel Padding Value."""
    chance: float = 1.0


VENDORS: tuple[Vendor, ...] = (
    Vendor("NORDLICHT ROENTGEN", "NL-4", "DX", "MONOCHROME2", 12, ExplicitVRLittleEndian, chance=3),
    Vendor(
        "HALDEN IMAGING",
        "H900",
        "DX",
        "MONOCHROME1",
        14,
        ExplicitVRLittleEndian,
        lut=True,
        chance=2,
    ),
    Vendor(
        "ORSA PLATE SYSTEMS",
        "P10",
        "CR",
        "MONOCHROME1",
        10,
        ImplicitVRLittleEndian,
        0.1,
        0.95,
        chance=2,
    ),
    Vendor(
        "VESTALIS DIGITAL", "VD 16", "DX", "MONOCHROME2", 16, RLELossless, 0.02, 0.7, padding=True
    ),
    Vendor("KESTREL DETECTOR WORKS", "K15", "DX", "MONOCHROME2", 15, JPEGLSLossless, lut=True),
    Vendor(
        "ORSA PLATE SYSTEMS",
        "P12",
        "CR",
        "MONOCHROME2",
        12,
        ExplicitVRLittleEndian,
        padding=True,
        chance=2,
    ),
    Vendor(
        "HALDEN IMAGING",
        "H700",
        "DX",
        "MONOCHROME1",
        12,
        JPEG2000Lossless,
        padding=True,
        chance=0.5,
    ),
)


def vendor_of(seed: int) -> Vendor:
    """The maker of a seed's machine; two films of a patient may come from two."""
    odds = np.array([v.chance for v in VENDORS])
    return VENDORS[int(stream(seed, Purpose.VENDOR).choice(len(VENDORS), p=odds / odds.sum()))]


def stored(image: Grey, lit: NDArray[np.bool_], vendor: Vendor) -> Stored:
    """Stored values of a picture (0 to 1, bones bright); ``lit`` is the field of the beam."""
    first, last = limits(vendor)
    shown = 1 - image if vendor.photometric == "MONOCHROME1" else image
    if vendor.lut:
        shown = _curved(shown)
    values: Stored = np.rint(first + shown * (last - first)).astype(np.uint16)
    if vendor.padding:
        values[~lit] = padding_value(vendor)
    return values


def limits(vendor: Vendor) -> tuple[float, float]:
    """The stored values of black and white (of white and black for MONOCHROME1)."""
    top = (1 << vendor.bits) - 1
    low, high = vendor.low, vendor.high
    if vendor.photometric == "MONOCHROME1":
        low, high = 1 - vendor.high, 1 - vendor.low
    return float(round(low * top)), float(round(high * top))


def padding_value(vendor: Vendor) -> int:
    """A value outside what is shown, at its dark end."""
    return (1 << vendor.bits) - 1 if vendor.photometric == "MONOCHROME1" else 0


def _curved(shown: Grey) -> Grey:
    """A detector that answers more steeply to the darker half."""
    return np.asarray(0.6 * shown + 0.4 * np.sqrt(shown), np.float32)


def _straightened(curved: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse: the root of 0.6 s² + 0.4 s = curved, squared."""
    root = (-0.4 + np.sqrt(0.16 + 2.4 * curved)) / 1.2
    return np.asarray(root * root)


def describe_grey(dataset: Dataset, vendor: Vendor) -> None:
    """Write window or VOI LUT, and the padding value, into a header."""
    first, last = limits(vendor)
    if vendor.lut:
        del dataset.WindowCenter, dataset.WindowWidth
        dataset.VOILUTSequence = [_voi_lut(first, last)]
    else:
        # PS3.3 C.11.2.1.2: a window is half a step wider than the values it spans.
        dataset.WindowWidth = int(last - first + 1)
        dataset.WindowCenter = f"{(first + last + 1) / 2:.10g}"
    if vendor.padding:
        dataset.PixelPaddingValue = padding_value(vendor)


def _voi_lut(first: float, last: float) -> Dataset:
    count = int(last - first + 1)
    curved = np.linspace(0, 1, count)
    entries = np.rint(_straightened(curved) * ((1 << _LUT_BITS) - 1)).astype("<u2")
    item = Dataset()
    item.LUTDescriptor = [count, int(first), _LUT_BITS]
    item["LUTDescriptor"].VR = "US"
    item.LUTExplanation = "NORMAL"
    item.LUTData = entries.tobytes()
    item["LUTData"].VR = "OW"
    return item
