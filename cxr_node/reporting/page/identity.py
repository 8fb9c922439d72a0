"""Whose page it is: patient and study values of the source, as a person reads them.

The header of every object carries the same values byte for byte; here a name that the
typeface cannot draw is said to be left out, never drawn wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.valuerep import PersonName

from cxr_node.reporting.page.fonts import drawable
from cxr_node.reporting.text import clean_line
from cxr_node.reporting.wording import PageWords

_UNDECODED = (ValueError, TypeError, LookupError, NotImplementedError, AttributeError)
"""What a value that breaks its VR or its character set may raise."""
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Identity:
    """The two lines below the title."""

    name: str
    patient: tuple[str, ...]
    study: tuple[str, ...]


def identity(source: Dataset, words: PageWords) -> Identity:
    """Read the values; what is empty is left out."""
    patient = (
        (words.patient_id, _value(source, "PatientID")),
        (words.birth_date, readable_date(_value(source, "PatientBirthDate"))),
        (words.sex, _value(source, "PatientSex")),
    )
    study = (
        (words.study_date, readable_date(_value(source, "StudyDate"))),
        (words.accession, _value(source, "AccessionNumber")),
    )
    description = _value(source, "StudyDescription")
    return Identity(
        _name(source, words),
        _filled(patient),
        (*_filled(study), *((description,) if description else ())),
    )


def readable_date(date: str) -> str:
    """A DICOM date (PS3.5 §6.2, DA) as year-month-day, anything else as it is."""
    whole = len(date) == 8 and date.isdecimal()
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if whole else date


def _filled(pairs: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple(template.format(value=value) for template, value in pairs if value)


def _value(source: Dataset, keyword: str) -> str:
    try:
        return clean_line(str(source.get(keyword) or ""), _LONGEST)
    except _UNDECODED:
        return ""


def _name(source: Dataset, words: PageWords) -> str:
    """The first component group that can be drawn: alphabetic, ideographic, phonetic."""
    try:
        name = source.get("PatientName")
        written = [_group(group) for group in name.components] if _is_name(name) else []
    except _UNDECODED:
        return words.name_not_shown
    given = [group for group in written if group]
    if not given:
        return ""
    return next((group for group in given if drawable(group)), words.name_not_shown)


def _is_name(value: object) -> bool:
    return isinstance(value, PersonName) and bool(str(value))


def _group(group: str) -> str:
    """Family name, then the given names; the parts of PS3.5 §6.2.1 joined as in a letter."""
    family, _, rest = clean_line(group, _LONGEST).partition("^")
    given = " ".join(part for part in rest.split("^") if part)
    return ", ".join(part for part in (family.strip(), given.strip()) if part)
