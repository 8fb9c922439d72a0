"""C-FIND attribute matching (PS3.4 C.2.2.2) and the projection of an answer onto its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom import config as pydicom_config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

_RANGED = frozenset({"DA", "TM", "DT"})
_WILD = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_CHARACTER_SET = 0x00080005
_TOGETHER = ((0x00400002, 0x00400003),)
"""A date and its time: two ranges of them are one period (PS3.4 §C.2.2.2.5, Table K.6-1 note)."""


def put(ds: Dataset, keyword_or_tag: str | int, vr: str, value: object) -> None:
    """Set a value unchecked: received text is answered as it was received."""
    element = DataElement(keyword_or_tag, vr, value, validation_mode=pydicom_config.IGNORE)
    ds[element.tag] = element


def matches(answer: Dataset, keys: Dataset) -> bool:
    """Whether an answer fits every key; keys that the answer does not hold match all."""
    periods = [pair for pair in _TOGETHER if _are_ranges(keys, pair)]
    apart = {_CHARACTER_SET, *(tag for pair in periods for tag in pair)}
    return all(_in_period(answer, keys, pair) for pair in periods) and all(
        _fits(answer, key) for key in keys if key.tag not in apart
    )


def _are_ranges(keys: Dataset, pair: tuple[int, int]) -> bool:
    return all(tag in keys and "-" in _text(keys[tag]) for tag in pair)


def _in_period(answer: Dataset, keys: Dataset, pair: tuple[int, int]) -> bool:
    """From the first moment of the first day to the last of the last, not daily hours."""
    date, time = pair
    if date not in answer:
        return True
    held = _text(answer[date]) + (_text(answer[time]) if time in answer else "")
    (first, _, last), (begin, _, end) = (_text(keys[tag]).partition("-") for tag in pair)
    first, last, begin, end = (part.strip() for part in (first, last, begin, end))
    return _within(held, first and first + begin, last and last + end)


def projected(answer: Dataset, keys: Dataset) -> Dataset:
    """Only what was asked for; an attribute that the answer does not hold comes back empty."""
    found = Dataset()
    for key in keys:
        if key.tag == _CHARACTER_SET or key.tag.element == 0:
            continue
        if key.VR == "SQ":
            put(found, key.tag, "SQ", Sequence(_projected_items(answer, key)))
        elif key.tag in answer:
            found[key.tag] = answer[key.tag]
        else:
            put(found, key.tag, key.VR, None)
    return found


def _projected_items(answer: Dataset, key: DataElement) -> Iterator[Dataset]:
    wanted = key.value[0] if key.value else None
    for item in answer[key.tag].value if key.tag in answer else ():
        yield projected(item, wanted) if wanted else item


def _fits(answer: Dataset, key: DataElement) -> bool:
    if key.tag not in answer:
        return True
    held = answer[key.tag]
    if key.VR == "SQ":
        if not key.value or not key.value[0]:
            return True
        return any(matches(item, key.value[0]) for item in held.value)
    if held.VR == "SQ":
        return True
    wanted = _texts(key)
    return not any(wanted) or any(_value_fits(held.VR, _text(held), one) for one in wanted)


def _value_fits(vr: str, held: str, wanted: str) -> bool:
    if vr in _RANGED and "-" in wanted:
        low, _, high = wanted.partition("-")
        return _within(held, low.strip(), high.strip())
    if vr in _WILD and ("*" in wanted or "?" in wanted):
        flags = re.DOTALL | (re.IGNORECASE if vr == "PN" else 0)
        return re.fullmatch(_pattern(wanted), held, flags) is not None
    if vr == "PN":
        return held.rstrip("^").casefold() == wanted.rstrip("^").casefold()
    return held == wanted


def _within(held: str, low: str, high: str) -> bool:
    """A range includes its ends, also when an end is less precise than the value."""
    if not held:
        return False
    return (not low or held >= low) and (not high or held[: len(high)] <= high)


def _pattern(wanted: str) -> str:
    """Runs of * are one, so that no pattern takes more than linear backtracking."""
    wild = {"*": ".*", "?": "."}
    return "".join(wild.get(c) or re.escape(c) for c in re.sub(r"\*+", "*", wanted))


def _text(element: DataElement) -> str:
    return "" if element.value is None else str(element.value).strip()


def _texts(key: DataElement) -> list[str]:
    values = key.value if key.VM > 1 else [key.value]
    return ["" if value is None else str(value).strip() for value in values]
