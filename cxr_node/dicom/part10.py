"""The frame of a Part 10 file: preamble, file meta information and where the data set starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from pydicom.uid import UID

from cxr_node.dicom.elements import Caps, Encoding, Walker
from cxr_node.domain.errors import MalformedUid, Unreadable
from cxr_node.domain.identifiers import Uid

_TRANSFER_SYNTAX = 0x00020010
_LONGEST_UID = 64


@dataclass(frozen=True, slots=True)
class Frame:
    """A Part 10 file without its data set."""

    transfer_syntax: Uid
    encoding: Encoding
    start: int
    end: int


def read_frame(stream: BinaryIO) -> Frame:
    """Read preamble and file meta (PS3.10 §7.1).

    Raises :class:`Unreadable` if either is missing, or if the data set is deflated.
    """
    end = stream.seek(0, 2)
    stream.seek(0)
    if stream.read(132)[128:] != b"DICM":
        raise Unreadable("not a DICOM Part 10 file")
    walker = Walker(stream, 132, end, Encoding(), Caps(elements=200, depth=1))
    start, text = 132, ""
    for element in walker.top_level():
        if element.tag >> 16 != 2:
            break
        start = element.offset + element.length
        if element.tag == _TRANSFER_SYNTAX and element.length <= _LONGEST_UID:
            stream.seek(element.offset)
            text = stream.read(element.length).decode("ascii", "replace").rstrip("\0 ")
            stream.seek(start)
        if _next_group(stream, start) != 2:
            break
    return _frame(text, start, end)


def _next_group(stream: BinaryIO, at: int) -> int:
    stream.seek(at)
    group = int.from_bytes(stream.read(2), "little")
    stream.seek(at)
    return group


def _frame(text: str, start: int, end: int) -> Frame:
    try:
        syntax = Uid(text)
    except MalformedUid as error:
        raise Unreadable("the file names no usable transfer syntax") from error
    known = UID(text)
    if not known.is_transfer_syntax or known.is_deflated:
        raise Unreadable("the transfer syntax is unknown or deflated")
    encoding = Encoding(explicit=not known.is_implicit_VR, little=known.is_little_endian)
    return Frame(syntax, encoding, start, end)
