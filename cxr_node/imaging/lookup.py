"""Modality LUT, LUT sequences and pixel padding for every possible stored value.

PS3.3 C.11.1 (modality), C.11.2 (VOI), C.7.5.1.1.2 (padding).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.errors import NotReadable

Values = npt.NDArray[np.float64]
Stored = npt.NDArray[np.int64]


def modality_values(header: Dataset, stored: Stored) -> Values:
    """What each stored value means after the Modality LUT or the rescale."""
    if header.get("ModalityLUTSequence"):
        item = header.ModalityLUTSequence[0]
        output, top = _mapped(item, stored.astype(np.float64), Reason.RESCALE)
        return np.asarray(output * top, np.float64)
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    if slope is None and intercept is None:
        return stored.astype(np.float64)
    scale = float(1 if slope is None else slope)
    values = stored.astype(np.float64) * scale + float(intercept or 0)
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        raise NotReadable(Reason.RESCALE)
    return values


def sequence_values(item: Dataset, values: Values, reason: Reason) -> Values:
    """Pass ``values`` through one LUT item; the output's full range becomes 0 to 1."""
    return _mapped(item, values, reason)[0]


def _mapped(item: Dataset, values: Values, reason: Reason) -> tuple[Values, float]:
    """Output of the LUT as a fraction of its greatest possible value, and that value."""
    entries, first, bits = _descriptor(item, values, reason)
    data = _entries(item, entries, bits, reason)
    index = np.clip(np.rint(values) - first, 0, entries - 1).astype(np.int64)
    top = float((1 << bits) - 1)
    # Some makers declare 16 bits for a table that uses 12: believe the table.
    used = int(data.max()).bit_length()
    if used < bits - 1:
        top = float((1 << max(used, 1)) - 1)
    fraction = np.minimum(data[index].astype(np.float64) / top, 1.0)
    return fraction, top


def _descriptor(item: Dataset, values: Values, reason: Reason) -> tuple[int, int, int]:
    described = item.get("LUTDescriptor")
    if not isinstance(described, Sequence | MultiValue) or len(described) != 3:
        raise NotReadable(reason, "LUT descriptor")
    entries, first, bits = (int(value) for value in described)
    entries = entries or 65536
    if values.min() < 0 and first > 32767:  # a signed first value read as unsigned
        first -= 65536
    if not 1 <= bits <= 16 or not 1 <= entries <= 65536:
        raise NotReadable(reason, "LUT descriptor")
    return entries, first, bits


def _entries(item: Dataset, entries: int, bits: int, reason: Reason) -> npt.NDArray[np.int64]:
    data = item.get("LUTData")
    if isinstance(data, bytes):
        width = 1 if len(data) < 2 * entries else 2
        order = ">" if item.original_encoding[1] is False else "<"
        data = np.frombuffer(data[: len(data) // width * width], f"{order}u{width}")
    table = np.atleast_1d(np.asarray(data if data is not None else [])).astype(np.int64)
    if table.size < entries:
        raise NotReadable(reason, "LUT data")
    table = table[:entries] & 0xFFFF
    if table.max() == table.min():
        raise NotReadable(reason, "LUT data")
    return np.minimum(table, (1 << bits) - 1)


def padding_mask(header: Dataset, stored: Stored, bits: int) -> npt.NDArray[np.bool_]:
    """Which stored values are padding: Pixel Padding Value, or a range with its limit."""
    low = _padding(header, "PixelPaddingValue", stored, bits)
    if low is None:
        return np.zeros(stored.shape, np.bool_)
    high = _padding(header, "PixelPaddingRangeLimit", stored, bits)
    ends = sorted((low, low if high is None else high))
    return (stored >= ends[0]) & (stored <= ends[1])


def _padding(header: Dataset, keyword: str, stored: Stored, bits: int) -> int | None:
    value = header.get(keyword)
    if not isinstance(value, int):
        return None
    if stored.min() < 0 and value > stored.max():  # signed, read as unsigned
        return value - (1 << 16) if bits <= 16 else value
    return value
