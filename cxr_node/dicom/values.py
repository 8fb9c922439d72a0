"""Single values out of a parsed data set: what cannot be read is absent, never an error."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Collection
from datetime import date
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from cxr_node.domain.errors import MalformedUid
from cxr_node.domain.identifiers import Uid

# What pydicom may raise while it converts a raw value.
BROKEN_VALUE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    ArithmeticError,
    struct.error,
    EOFError,
    OSError,
    RecursionError,
    InvalidDicomError,
)
_INTEGERS = frozenset({"US", "SS", "UL", "SL", "IS"})
_AGE = re.compile(r"(\d{3})([DWMY])\Z", re.ASCII)
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})\Z", re.ASCII)
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
_LARGEST = 1e9
_OLDEST = 130


def element(ds: Dataset, keyword: str) -> DataElement | None:
    """The element, converted; None where it is absent or cannot be converted."""
    if keyword not in ds:
        return None
    try:
        return ds[keyword]
    except BROKEN_VALUE:
        return None


def text(ds: Dataset, keyword: str) -> str:
    """As text in the data set's character set; several values joined by a backslash."""
    found = element(ds, keyword)
    if found is None or found.value is None:
        return ""
    try:
        several = found.value if found.VM > 1 else [found.value]
        return "\\".join(_decoded(one) for one in several).strip(" \0")
    except BROKEN_VALUE:
        return ""


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def uid(ds: Dataset, keyword: str) -> Uid | None:
    """None where absent or empty. Raises :class:`MalformedUid`."""
    found = element(ds, keyword)
    if found is None:
        if keyword in ds:
            raise MalformedUid("UID cannot be decoded")
        return None
    if found.VM > 1:
        raise MalformedUid("UID has several values")
    written = text(ds, keyword)
    return Uid(written) if written else None


def integer(ds: Dataset, keyword: str, vrs: Collection[str] = _INTEGERS) -> int | None:
    """A single whole number of one of ``vrs``, else None."""
    found = element(ds, keyword)
    if found is None or found.VR not in vrs or found.VM != 1:
        return None
    try:
        return int(found.value)
    except BROKEN_VALUE:
        return None


def items(ds: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; none where it is absent or unreadable."""
    found = element(ds, keyword)
    if found is None or found.VR != "SQ":
        return []
    try:
        return list(found.value)
    except BROKEN_VALUE:
        return []


def usable_factor(ds: Dataset, keyword: str, *, zero_allowed: bool) -> bool:
    """Whether a decimal string is absent, empty, or one finite number of sane size."""
    if keyword not in ds:
        return True
    found = element(ds, keyword)
    if found is None:
        return False
    if found.value is None or found.VM == 0:
        return True
    try:
        number = float(found.value)
    except BROKEN_VALUE:
        return False
    return math.isfinite(number) and abs(number) <= _LARGEST and (zero_allowed or number != 0)


def age_years(ds: Dataset) -> float | None:
    """Patient's Age (AS), else birth date against the study's date; None if neither serves.

    ``000Y`` is how some systems write an unknown age.
    """
    match = _AGE.match(text(ds, "PatientAge"))
    if match and int(match[1]):
        return int(match[1]) / _PER_YEAR[match[2]]
    born = _day(text(ds, "PatientBirthDate"))
    taken = _day(text(ds, "StudyDate")) or _day(text(ds, "ContentDate"))
    if born is None or taken is None or taken < born:
        return None
    years = (taken - born).days / 365.25
    return years if years <= _OLDEST else None


def _day(written: str) -> date | None:
    match = _DATE.match(written)
    if not match:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None
