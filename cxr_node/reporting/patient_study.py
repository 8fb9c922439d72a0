"""Patient and study values of the source image, carried into a result unchanged.

A result belongs to its study only if the archive finds the same patient and the same
study in it, so identifying values keep their very bytes. Other values that break the
standard are left out: a result must not inherit a sender's mistakes.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.charset import convert_encodings
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.sequence import Sequence
from pydicom.sr.coding import Code
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import VR, validate_value

from cxr_node.reporting.text import clean_name

UNICODE = "ISO_IR 192"

# Kept byte for byte, whatever they hold.
_IDENTIFYING = ("PatientName", "PatientID", "AccessionNumber", "StudyID")
# Kept if they conform; these must be present, if need be empty (type 2).
_EXPECTED = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
# Kept if they conform, left out otherwise (type 3).
_OPTIONAL = (
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientNames",
    "PatientBirthTime",
    "EthnicGroup",
    "QualityControlSubject",
    "StudyDescription",
    "IssuerOfAccessionNumberSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "TimezoneOffsetFromUTC",
)
_KEYWORDS = (*_IDENTIFYING, *_EXPECTED, *_OPTIONAL)
_ALSO_READ = (
    "SpecificCharacterSet",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "Modality",
    "PatientOrientation",
    "ImagerPixelSpacing",
    "PixelSpacing",
    "PixelSpacingCalibrationType",
    "ProcedureCodeSequence",
)
_DATE = re.compile(r"([0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01]))?")
_TIME = re.compile(r"(([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9](\.[0-9]{1,6})?)?)?)?")
_PATTERNS = {
    "StudyDate": _DATE,
    "PatientBirthDate": _DATE,
    "StudyTime": _TIME,
    "PatientBirthTime": _TIME,
    "PatientSex": re.compile(r"[MFO]?"),
    "QualityControlSubject": re.compile(r"YES|NO"),
    "TypeOfPatientID": re.compile(r"TEXT|RFID|BARCODE"),
    "TimezoneOffsetFromUTC": re.compile(r"[+-](0[0-9]|1[0-4])[0-5][0-9]"),
}


def read_header(path: Path) -> Dataset:
    """The header values a result needs; raw, so that bytes survive."""
    wanted = [*_KEYWORDS, *_ALSO_READ]
    return dcmread(path, stop_before_pixels=True, force=True, specific_tags=wanted)


def character_sets(source: Dataset) -> tuple[str, ...]:
    """The Specific Character Set a result takes: the source's own, or Unicode.

    Where the carried bytes are plain ASCII in every character set, Unicode loses nothing
    and lets the result say more.
    """
    if all(_plain(_bytes_of(source, keyword)) for keyword in _KEYWORDS):
        return (UNICODE,)
    declared = source.get("SpecificCharacterSet") or ()
    return (declared,) if isinstance(declared, str) else tuple(str(name) for name in declared)


def carry(source: Dataset, target: Dataset, sets: tuple[str, ...]) -> None:
    """Copy the Patient, General Study and Patient Study values into ``target``.

    ``target`` is then ready to be written in Explicit VR Little Endian and the character
    sets ``sets``, with the bytes of the identifying values as they were received.
    """
    _declare(target, sets)
    for keyword in _IDENTIFYING:
        _set(target, keyword, _element(source, keyword))
    for keyword in _EXPECTED:
        element = _element(source, keyword)
        _set(target, keyword, element if _conforms(source, keyword) else None)
    for keyword in _OPTIONAL:
        if keyword in source and _conforms(source, keyword):
            target[_tag(keyword)] = _element(source, keyword) or source[keyword]


def _declare(target: Dataset, sets: tuple[str, ...]) -> None:
    if sets:
        target.SpecificCharacterSet = list(sets)
    elif "SpecificCharacterSet" in target:
        del target.SpecificCharacterSet
    # Otherwise raw bytes are decoded and encoded again, which loses trailing delimiters.
    target.set_original_encoding(False, True, convert_encodings(list(sets)))


def _set(target: Dataset, keyword: str, element: DataElement | RawDataElement | None) -> None:
    if element is None:
        setattr(target, keyword, "")
    else:
        target[_tag(keyword)] = element


def _tag(keyword: str) -> BaseTag:
    found = tag_for_keyword(keyword)
    assert found is not None, keyword
    return Tag(found)


def _element(source: Dataset, keyword: str) -> DataElement | RawDataElement | None:
    """The element with its bytes as received; its VR is the dictionary's."""
    if keyword not in source:
        return None
    element = source.get_item(keyword)
    if not isinstance(element, RawDataElement) or dictionary_VR(_tag(keyword)) == VR.SQ:
        return source[keyword]
    return element._replace(VR=dictionary_VR(_tag(keyword)), is_implicit_VR=False)


def _bytes_of(source: Dataset, keyword: str) -> bytes:
    element = source.get_item(keyword) if keyword in source else None
    if isinstance(element, RawDataElement):
        return element.value or b""
    return b"" if element is None else str(element.value).encode("utf-8", "replace")


def _plain(content: bytes) -> bool:
    # Backslash and tilde are other characters in ISO_IR 13.
    return all(0x20 <= byte < 0x7E or byte == 0 for byte in content) and b"\\" not in content


def _conforms(source: Dataset, keyword: str) -> bool:
    if keyword not in source:
        return False
    try:
        return _element_conforms(source[keyword], keyword)
    except (ValueError, TypeError, LookupError, NotImplementedError):
        return False


def _element_conforms(element: DataElement, keyword: str) -> bool:
    """Judged by the standard's VR, whatever VR the sender wrote."""
    if isinstance(element.value, Sequence):
        return all(
            _element_conforms(inner, inner.keyword) for item in element.value for inner in item
        )
    if element.VM > 1:
        return False
    value = str(element.value or "")
    validate_value(dictionary_VR(_tag(keyword)), value, RAISE)
    pattern = _PATTERNS.get(keyword)
    return pattern is None or pattern.fullmatch(value) is not None


def procedures(source: Dataset) -> list[Code]:
    """The study's own procedure codes (0008,1032), those that are whole."""
    found = []
    for item in source.get("ProcedureCodeSequence") or ():
        value, scheme, meaning = (
            clean_name(str(item.get(keyword) or ""))
            for keyword in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
        )
        if value and scheme and meaning and len(value) <= 16 and len(scheme) <= 16:
            found.append(Code(value, scheme, meaning))
    return found


def recorded_at(source: Dataset, moment: datetime) -> datetime:
    """The moment in the zone the source's own times are in, else in the machine's."""
    if _conforms(source, "TimezoneOffsetFromUTC"):
        return moment.astimezone(datetime.strptime(source.TimezoneOffsetFromUTC, "%z").tzinfo)
    return moment.astimezone()
