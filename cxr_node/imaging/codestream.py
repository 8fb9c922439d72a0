"""Reads the size of a compressed image from its own header, without decoding anything.

A data set's Rows and Columns are only the sender's word; the decoder allocates what the
codestream says. Knows JPEG and JPEG-LS (ITU-T T.81, T.87: SOF), JPEG 2000 and HTJ2K
(T.800, T.814: SIZ, also inside JP2 boxes) and DICOM RLE (PS3.5 Annex G).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.errors import NotReadable


class Coding(StrEnum):
    """Family of a codestream, recognised by its first bytes."""

    JPEG = "jpeg"
    JPEG_LS = "jpeg-ls"
    JPEG_2000 = "jpeg-2000"


@dataclass(frozen=True, slots=True)
class Codestream:
    """What a compressed image says of itself: pixels, samples per pixel, bits per sample."""

    coding: Coding
    columns: int
    rows: int
    components: int
    bits: int


_SOI = b"\xff\xd8"
_SOC_SIZ = b"\xff\x4f\xff\x51"
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SOF_JPEG_LS = 0xF7
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {_SOF_JPEG_LS}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def read_codestream(head: bytes) -> Codestream:
    """Describe the codestream that starts with ``head``.

    Raises :class:`NotReadable` (decode) when no size can be found in it.
    """
    try:
        if head.startswith(_SOI):
            return _jpeg(head)
        if head.startswith(_SOC_SIZ):
            return _jpeg_2000(head, 0)
        if head.startswith(_JP2_SIGNATURE):
            return _jpeg_2000(head, _contiguous_codestream(head))
    except (struct.error, IndexError) as error:
        raise NotReadable(Reason.DECODE, "the codestream header is cut") from error
    raise NotReadable(Reason.DECODE, "no known codestream")


def _jpeg(head: bytes) -> Codestream:
    position = 2
    while True:
        if head[position] != 0xFF:
            raise NotReadable(Reason.DECODE, "the codestream header is damaged")
        marker = head[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _SOF:
            bits, rows, columns, components = struct.unpack_from(">BHHB", head, position + 4)
            coding = Coding.JPEG_LS if marker == _SOF_JPEG_LS else Coding.JPEG
            return Codestream(coding, columns, rows, components, bits)
        if marker in _WITHOUT_LENGTH:
            position += 2
            continue
        if marker in (0xD9, 0xDA):  # end of image or start of scan before any frame header
            raise NotReadable(Reason.DECODE, "the codestream has no frame header")
        (length,) = struct.unpack_from(">H", head, position + 2)
        position += 2 + max(length, 2)


def _contiguous_codestream(head: bytes) -> int:
    """Offset of the codestream inside JP2 boxes (T.800 Annex I)."""
    position = 0
    while True:
        length, kind = struct.unpack_from(">I4s", head, position)
        header = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, position + 8)
            header = 16
        if kind == b"jp2c":
            return position + header
        if length < header:
            raise NotReadable(Reason.DECODE, "the codestream boxes are damaged")
        position += length


def _jpeg_2000(head: bytes, start: int) -> Codestream:
    if head[start : start + 4] != _SOC_SIZ:
        raise NotReadable(Reason.DECODE, "the codestream header is damaged")
    right, bottom, left, top = struct.unpack_from(">4I", head, start + 8)
    (components,) = struct.unpack_from(">H", head, start + 40)
    depths = [head[start + 42 + 3 * index] for index in range(min(components, 4))]
    if right <= left or bottom <= top or not depths:
        raise NotReadable(Reason.DECODE, "the codestream header is damaged")
    bits = max((depth & 0x7F) + 1 for depth in depths)
    return Codestream(Coding.JPEG_2000, right - left, bottom - top, components, bits)


_RLE_LONGEST_RUN = 64
"""Two coded bytes become at most 128 (PS3.5 G.3.1)."""


def check_rle(head: bytes, length: int, *, frame_bytes: int, segments: int) -> None:
    """Check an RLE header (PS3.5 G.5) against the frame it promises to hold.

    Raises :class:`NotReadable`: codestream-mismatch for another number of byte planes,
    pixel-data-short when the coded bytes cannot make the frame, decode when damaged.
    """
    if length < 64 or len(head) < 64:
        raise NotReadable(Reason.PIXEL_DATA_SHORT, "the RLE header is cut")
    count, *offsets = struct.unpack_from("<16I", head)
    if count != segments:
        raise NotReadable(Reason.CODESTREAM_MISMATCH, "another number of RLE segments")
    used = offsets[:count]
    if used[0] != 64 or used != sorted(used) or used[-1] >= length:
        raise NotReadable(Reason.DECODE, "the RLE header is damaged")
    if (length - 64) * _RLE_LONGEST_RUN < frame_bytes:
        raise NotReadable(Reason.PIXEL_DATA_SHORT, "too few RLE bytes for the frame")
