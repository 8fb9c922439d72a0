"""How an image's grey values come to the screen, repeated for a presentation state.

A presentation state replaces the image's own transforms (PS3.4 N.2), so those are copied:
modality LUT, VOI LUT or windows, and which end is bright. What does not conform is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.multival import MultiValue

from cxr_node.reporting.text import clean_name

_READ = (
    *("SOPInstanceUID", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"),
    *("PresentationLUTShape", "RescaleIntercept", "RescaleSlope", "RescaleType"),
    *("ModalityLUTSequence", "VOILUTSequence", "VOILUTFunction", "PixelSpacing"),
    *("WindowCenter", "WindowWidth", "ImagerPixelSpacing"),
)
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_UNUSABLE = (ValueError, TypeError, AttributeError, LookupError, NotImplementedError)


def display_header(path: Path) -> Dataset:
    """The values of an image's header that decide how it looks."""
    found = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(_READ))
    if "PixelRepresentation" not in found:
        found.PixelRepresentation = 0
    try:
        correct_ambiguous_vr(found, True)
    except _UNUSABLE:
        found.pop("ModalityLUTSequence", None)
        found.pop("VOILUTSequence", None)
    return found


def is_gray(header: Dataset) -> bool:
    """Whether a grey-scale presentation state can speak of the image."""
    return bool(header.get("SamplesPerPixel", 1) == 1)


def low_is_bright(header: Dataset) -> bool:
    """Said by the photometric interpretation or by the shape; in DX they say it together."""
    shape = str(header.get("PresentationLUTShape") or "")
    return shape == "INVERSE" or header.get("PhotometricInterpretation") == "MONOCHROME1"


def unequal_spacing(header: Dataset) -> tuple[float, float] | None:
    """Row and column spacing in mm where pixels are not square, else None."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = _numbers(header, keyword)
        if len(spacing) == 2 and min(spacing) > 0:
            return (spacing[0], spacing[1]) if spacing[0] != spacing[1] else None
    return None


def write_transforms(header: Dataset, target: Dataset) -> None:
    """Modality LUT (PS3.3 C.11.1) and Softcopy VOI LUT (C.11.8) of the image."""
    modality = _tables(header, "ModalityLUTSequence")
    slope, intercept = _numbers(header, "RescaleSlope"), _numbers(header, "RescaleIntercept")
    if modality:
        target.ModalityLUTSequence = modality
    elif len(slope) == len(intercept) == 1 and slope[0] != 0:
        target.RescaleIntercept, target.RescaleSlope = header.RescaleIntercept, header.RescaleSlope
        target.RescaleType = clean_name(str(header.get("RescaleType") or "US"), 16)
    voi = Dataset()
    if tables := _tables(header, "VOILUTSequence"):
        voi.VOILUTSequence = tables
    elif not _write_windows(header, voi):
        return
    target.SoftcopyVOILUTSequence = [voi]


def _write_windows(header: Dataset, target: Dataset) -> bool:
    centres, widths = _numbers(header, "WindowCenter"), _numbers(header, "WindowWidth")
    if not centres or len(centres) != len(widths) or min(widths) < 1:
        return False
    target.WindowCenter, target.WindowWidth = header.WindowCenter, header.WindowWidth
    function = str(header.get("VOILUTFunction") or "")
    if function in _FUNCTIONS:
        target.VOILUTFunction = function
    return True


def _numbers(header: Dataset, keyword: str) -> list[float]:
    try:
        value = header.get(keyword)
        values = list(value) if isinstance(value, MultiValue) else [value]
        found = [float(number) for number in values if number is not None]
    except _UNUSABLE:
        return []
    return found if len(found) == len(values) and all(map(math.isfinite, found)) else []


def _tables(header: Dataset, keyword: str) -> list[Dataset]:
    """The first look-up table of a sequence, written anew; empty if it cannot be used."""
    try:
        items: Iterable[Dataset] = header.get(keyword) or ()
        return [_table(item, keyword) for item in list(items)[:1]]
    except _UNUSABLE:
        return []


def _table(item: Dataset, keyword: str) -> Dataset:
    """Entries of 16 bits: a presentation state takes no width between 8 and 16."""
    entries, first, bits = (int(number) for number in item.LUTDescriptor)
    entries = entries or 1 << 16
    if bits not in range(8, 17):
        raise ValueError("the width of the table's entries is not one of PS3.3 C.11.1")
    values = _entries(item.LUTData, entries, bits)
    found = Dataset()
    if keyword == "ModalityLUTSequence":  # values with a unit, which later windows count on
        found.ModalityLUTType = clean_name(str(item.get("ModalityLUTType") or "US"), 16)
    else:
        values = np.rint(values * (65_535 / ((1 << bits) - 1))).clip(0, 65_535)
    found.add_new("LUTDescriptor", "SS" if first < 0 else "US", [entries & 0xFFFF, first, 16])
    found.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    return found


def _entries(data: object, entries: int, bits: int) -> NDArray[np.float64]:
    """The first ``entries`` values; those of 8 bits may lie two to a word."""
    if not isinstance(data, bytes):
        values = np.asarray(data, np.int64) & 0xFFFF
    elif bits == 8 and len(data) < 2 * entries:
        values = np.frombuffer(data, np.uint8).astype(np.int64)
    else:
        values = np.frombuffer(data[: len(data) // 2 * 2], "<u2").astype(np.int64)
    if values.size < entries:
        raise ValueError("the table is shorter than it says")
    return values[:entries].astype(np.float64)
