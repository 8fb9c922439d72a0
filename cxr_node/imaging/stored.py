"""Finds the pixel data of a Part 10 file without reading it, with or without file meta.

Runs in the decoder's child process: pydicom parses text a stranger wrote.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.errors import NotReadable

_UNDEFINED = 0xFFFFFFFF
_ITEM = b"\xfe\xff\x00\xe0"
_HEAD_BYTES = 1 << 20
"""How much of a codestream is searched for its header: application segments may precede it."""
_MOST_FRAGMENTS = 100_000


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """A header and where its pixels lie.

    ``head`` holds the first bytes of an encapsulated frame (empty for native pixels),
    ``length`` the number of pixel bytes that are really in the file.
    """

    header: Dataset
    syntax: UID
    encapsulated: bool
    head: bytes
    length: int


def read_stored(path: Path) -> StoredPixels:
    """Read the header and look at the pixel element.

    Raises :class:`NotReadable`: decode for a deflated data set (never inflated) or broken
    encapsulation, no-pixels without Pixel Data. Other errors of a broken header pass
    through; the child process answers them.
    """
    if _named_syntax(path) == DeflatedExplicitVRLittleEndian:
        raise NotReadable(Reason.DECODE, "deflated data sets are not inflated")
    with path.open("rb") as file:
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        syntax = _syntax(header)
        promised = _enter_pixel_data(file, header)
        available = path.stat().st_size - file.tell()
        if promised != _UNDEFINED:
            return StoredPixels(header, syntax, False, b"", min(promised, available))
        head, length = _fragments(file)
        return StoredPixels(header, syntax, True, head, length)


def _named_syntax(path: Path) -> str:
    try:
        return str(read_file_meta_info(path).get("TransferSyntaxUID", ""))
    except InvalidDicomError:
        return ""


def _syntax(header: Dataset) -> UID:
    """The transfer syntax named, or the one the header turned out to be written in."""
    named = getattr(header, "file_meta", Dataset()).get("TransferSyntaxUID")
    if named:
        return UID(str(named))
    implicit, little_endian = header.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian


def _enter_pixel_data(file: BinaryIO, header: Dataset) -> int:
    """Step over the Pixel Data element's header and return its length field."""
    implicit, little_endian = header.original_encoding
    order = "<" if little_endian else ">"
    start = file.read(8)
    if len(start) < 8 or struct.unpack(f"{order}HH", start[:4]) != (0x7FE0, 0x0010):
        raise NotReadable(Reason.NO_PIXELS)
    field = start[4:] if implicit else file.read(4)
    if len(field) < 4:
        raise NotReadable(Reason.NO_PIXELS)
    return cast(int, struct.unpack(f"{order}I", field)[0])


def _fragments(file: BinaryIO) -> tuple[bytes, int]:
    """First bytes and whole length of all fragments after the offset table (PS3.5 A.4)."""
    head, length = bytearray(), 0
    for index in range(_MOST_FRAGMENTS):
        start = file.read(8)
        if len(start) < 8 or start[:4] != _ITEM:
            break
        (size,) = struct.unpack("<I", start[4:])
        if index == 0:  # the basic offset table
            file.seek(size, 1)
            continue
        part = file.read(min(size, max(_HEAD_BYTES - len(head), 0)))
        head += part
        length += size
        file.seek(size - len(part), 1)
    if not head:
        raise NotReadable(Reason.PIXEL_DATA_SHORT, "no fragment holds pixel bytes")
    return bytes(head), length
