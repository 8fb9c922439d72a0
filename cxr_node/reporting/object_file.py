"""An object as the bytes of a DICOM file (PS3.10): the same as pydicom's writer gives, sooner.

A report is some two thousand nested items, and writing each through a stream of its own takes
longer than making them. Sequences that were built here are therefore encoded directly, an
item that stands in several places once; everything else is left to the library.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from io import BytesIO

from pydicom import Dataset, dcmwrite
from pydicom.charset import convert_encodings, encode_string
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag
from pydicom.valuerep import VR

_UNICODE = ["utf8"]
_TEXT = frozenset({VR.LO, VR.LT, VR.SH, VR.ST, VR.UC, VR.UT})
_STRING = frozenset({VR.CS, VR.UI})
_LONG = frozenset({VR.UC, VR.UT})
"""Of those above, the ones with a length of four bytes (PS3.5 §7.1.2)."""
_LONGEST_SHORT = 0xFFFF
_CHARACTER_SET = BaseTag(0x00080005)
_ITEM = b"\xfe\xff\x00\xe0"
_LITTLE_EXPLICIT = (False, True)


def encode(made: Dataset) -> bytes:
    """A finished object as a file, Explicit VR Little Endian."""
    stream = BytesIO()
    dcmwrite(stream, _flat(made), enforce_file_format=True)
    return stream.getvalue()


def _flat(made: Dataset) -> Dataset:
    """The same object with its sequences encoded; itself, if its form is not yet settled."""
    sets = made.get("SpecificCharacterSet")
    encodings = convert_encodings(sets) if sets else None
    if made.original_encoding != _LITTLE_EXPLICIT or made.original_character_set != encodings:
        return made
    writer = _Writer(encodings)
    found = {element.tag: writer.settled(element) for element in made.elements()}
    flat = Dataset(found)
    flat.file_meta, flat.preamble = made.file_meta, getattr(made, "preamble", None)
    flat.set_original_encoding(*_LITTLE_EXPLICIT, made.original_character_set)
    return flat


class _Writer:
    """Encodes the items of one object in its character sets."""

    def __init__(self, encodings: list[str]) -> None:
        self._encodings = encodings
        self._known: dict[int, bytes] = {}

    def settled(self, element: DataElement | RawDataElement) -> DataElement | RawDataElement:
        """A sequence as its bytes; anything else as it is."""
        if not isinstance(element.value, Items):
            return element
        value = self._items(element.value)
        return RawDataElement(element.tag, VR.SQ, len(value), value, 0, *_LITTLE_EXPLICIT)

    def _items(self, items: Iterable[Dataset]) -> bytes:
        return b"".join([self._item(item) for item in items])

    def _item(self, item: Dataset) -> bytes:
        """Item tag, length and elements (PS3.5 §7.5)."""
        found = self._known.get(id(item))
        if found is None:
            value = self._elements(item)
            found = self._known[id(item)] = _ITEM + struct.pack("<L", len(value)) + value
        return found

    def _elements(self, item: Dataset) -> bytes:
        if _CHARACTER_SET in item or item.original_encoding != (None, None):
            return self._by_library(item)
        return b"".join([self._element(element) for element in item.elements()])

    def _element(self, element: DataElement | RawDataElement) -> bytes:
        vr, value = element.VR, element.value
        if isinstance(value, Items):
            return _explicit(element.tag, b"SQ", self._items(value), long=True)
        if isinstance(value, str):
            if vr in _TEXT:
                found = self._text(value)
                found += b" " * (len(found) % 2)
                if vr in _LONG or len(found) <= _LONGEST_SHORT:
                    return _explicit(element.tag, vr.encode(), found, long=vr in _LONG)
            elif vr in _STRING:
                found = value.encode("iso8859")
                found += (b"\0" if vr == VR.UI else b" ") * (len(found) % 2)
                return _explicit(element.tag, vr.encode(), found, long=False)
        return self._other(element)

    def _text(self, value: str) -> bytes:
        if self._encodings == _UNICODE:
            return value.encode("utf-8")
        return bytes(encode_string(value, self._encodings))

    def _other(self, element: DataElement | RawDataElement) -> bytes:
        stream = _stream()
        write_data_element(stream, element, self._encodings)
        return bytes(stream.getvalue())

    def _by_library(self, item: Dataset) -> bytes:
        stream = _stream()
        write_dataset(stream, item, self._encodings)
        return bytes(stream.getvalue())


def _explicit(tag: BaseTag, vr: bytes, value: bytes, *, long: bool) -> bytes:
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    form = "<2xL" if long else "<H"
    return head + struct.pack(form, len(value)) + value


def _stream() -> DicomBytesIO:
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    return stream
