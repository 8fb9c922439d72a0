"""Turns stored values into an 8-bit picture, bones bright, through one look-up table.

The grey-scale pipeline of PS3.3 C.11 (modality LUT, VOI LUT or window, presentation LUT
shape) is worked out once for every possible stored value and then applied in one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.instance import PixelFacts
from cxr_node.imaging.decode import StoredValues
from cxr_node.imaging.lookup import modality_values, padding_mask, sequence_values
from cxr_node.imaging.window import header_window, spanning_window, windowed

GrayPicture = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

_LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (PS3.3 C.7.6.3.1.2)."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An 8-bit picture, rows x columns, and closed words on how it came about."""

    gray: GrayPicture
    notes: tuple[str, ...]


def render(values: StoredValues, header: Dataset, claims: PixelFacts) -> Rendered:
    """Render stored values for display.

    Raises :class:`NotReadable`: rescale when the modality transform is unusable,
    grayscale when the VOI LUT or window is.
    """
    if values.ndim == 3:
        return Rendered(_luminance(values, claims), ("luminance",))
    bits = claims.bits_stored or 16
    index = _table_index(values, bits)
    table, notes = _table(header, claims, bits, index)
    return Rendered(np.take(table, index), notes)


def _luminance(values: StoredValues, claims: PixelFacts) -> GrayPicture:
    weighed = values @ np.asarray(_LUMINANCE, np.float32)
    top = (1 << (claims.bits_stored or 8)) - 1
    gray: GrayPicture = np.rint(np.clip(weighed, 0, top) * (255 / top)).astype(np.uint8)
    return gray


def _table_index(values: StoredValues, bits: int) -> npt.NDArray[np.uint8 | np.uint16]:
    """The stored bits as an unsigned number: overlay and other unused bits are cut off."""
    native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    unsigned = native.view(f"u{values.dtype.itemsize}")
    if bits == unsigned.dtype.itemsize * 8 and unsigned.dtype.itemsize <= 2:
        return unsigned
    return (unsigned & ((1 << bits) - 1)).astype(np.uint16, copy=False)


def _stored_values(bits: int, claims: PixelFacts) -> npt.NDArray[np.int64]:
    """Stored value of each index: signed ones are in two's complement."""
    stored = np.arange(1 << bits, dtype=np.int64)
    if claims.pixel_representation == 1:
        stored[1 << (bits - 1) :] -= 1 << bits
    return stored


def _table(
    header: Dataset, claims: PixelFacts, bits: int, index: StoredValues
) -> tuple[GrayPicture, tuple[str, ...]]:
    notes = []
    stored = _stored_values(bits, claims)
    padding = padding_mask(header, stored, bits)
    values = modality_values(header, stored)
    fraction, how = _of_interest(header, values, padding, index)
    notes.append(how)
    if _inverted(header, claims):
        fraction = 1.0 - fraction
        notes.append("inverted")
    table = np.rint(fraction * 255.0).astype(np.uint8)
    if padding.any():
        table[padding] = 0
        notes.append("padding")
    return table, tuple(notes)


def _of_interest(
    header: Dataset,
    values: Values,
    padding: npt.NDArray[np.bool_],
    index: StoredValues,
) -> tuple[Values, str]:
    """VOI LUT, window, or a window over what is there: each value's grey, 0 to 1."""
    if header.get("VOILUTSequence"):
        fraction = sequence_values(header.VOILUTSequence[0], values, Reason.GRAYSCALE)
        return fraction, "voi-lut"
    window = header_window(header)
    if window:
        return windowed(values, window), "window"
    counts = np.bincount(index.ravel(), minlength=values.size)
    spanning = spanning_window(values, (counts > 0) & ~padding, counts)
    return windowed(values, spanning), "window-missing"


def _inverted(header: Dataset, claims: PixelFacts) -> bool:
    """Whether low values are to be shown bright.

    In DX, MONOCHROME1 and Presentation LUT Shape INVERSE say the same thing twice
    (PS3.3 C.8.11.3.1.2), so either is enough and both do not cancel. An image for
    processing has no grey scale for the eye yet; there the sign of the intensity
    relationship says where the bones are.
    """
    sign = header.get("PixelIntensityRelationshipSign")
    if header.get("PresentationIntentType") == "FOR PROCESSING" and sign in (1, -1):
        return bool(sign == 1)
    shape = str(header.get("PresentationLUTShape", "")).upper()
    return claims.photometric == "MONOCHROME1" or shape == "INVERSE"
