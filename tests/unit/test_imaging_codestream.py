"""Sizes read from codestream headers, without decoding."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from cxr_node.domain.errors import NotReadable
from cxr_node.imaging.codestream import Codestream, Coding, check_rle, read_codestream
from tests.builders import radiograph


def siz(columns: int, rows: int, *, components: int = 1, depth: int = 11, left: int = 0) -> bytes:
    head = struct.pack(">HHHIIIIIIIIH", 0xFF51, 41, 0, columns + left, rows, left, 0, 64, 64, 0, 0,
                       components)  # fmt: skip
    return b"\xff\x4f" + head + bytes((depth, 1, 1)) * components + b"\0" * 64


def boxed(stream: bytes) -> bytes:
    signature = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
    file_type = struct.pack(">I4s4sI4s", 20, b"ftyp", b"jp2 ", 0, b"jp2 ")
    large = struct.pack(">I4sQ", 1, b"jp2h", 24) + b"\0" * 8
    return signature + file_type + large + struct.pack(">I4s", 0, b"jp2c") + stream


def sof(marker: int, columns: int, rows: int, *, before: bytes = b"") -> bytes:
    frame = struct.pack(">BBHBHHB", 0xFF, marker, 11, 12, rows, columns, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + before + frame + b"\xff\xda" + b"\0" * 16


APP1 = b"\xff\xe1" + struct.pack(">H", 30_000) + b"\xff\xc0" * 14_999


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (siz(30_000, 20_000), Codestream(Coding.JPEG_2000, 30_000, 20_000, 1, 12)),
        (siz(640, 480, left=7), Codestream(Coding.JPEG_2000, 640, 480, 1, 12)),
        (siz(64, 48, components=3, depth=7), Codestream(Coding.JPEG_2000, 64, 48, 3, 8)),
        (siz(64, 48, depth=0x80 | 15), Codestream(Coding.JPEG_2000, 64, 48, 1, 16)),
        (boxed(siz(64, 48)), Codestream(Coding.JPEG_2000, 64, 48, 1, 12)),
        (sof(0xC3, 500, 400), Codestream(Coding.JPEG, 500, 400, 1, 12)),
        (sof(0xC1, 500, 400, before=APP1), Codestream(Coding.JPEG, 500, 400, 1, 12)),
        (sof(0xC0, 9, 8, before=b"\xff" * 3), Codestream(Coding.JPEG, 9, 8, 1, 12)),
        (sof(0xF7, 500, 400), Codestream(Coding.JPEG_LS, 500, 400, 1, 12)),
    ],
)
def test_the_header_is_read(head: bytes, expected: Codestream) -> None:
    assert read_codestream(head) == expected


@pytest.mark.parametrize(
    ("syntax", "coding"),
    [(JPEG2000Lossless, Coding.JPEG_2000), (JPEGLSLossless, Coding.JPEG_LS)],
)
def test_what_encoders_write_is_read(syntax: str, coding: Coding) -> None:
    dataset = radiograph(rows=96, columns=80, bits=12, transfer_syntax=syntax)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    assert read_codestream(stream) == Codestream(coding, 80, 96, 1, 12)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GIF89a",
        b"\xff\xd8",
        b"\xff\xd8\xff\xda" + b"\0" * 20,
        b"\xff\xd8\x00\x00\x00\x00",
        siz(64, 48)[:30],
        siz(0, 48),
        siz(64, 48, components=0),
        boxed(b"")[:40],
        b"\x00\x00\x00\x0cjP  \r\n\x87\n" + struct.pack(">I4s", 3, b"free"),
    ],
)
def test_damage_is_refused(head: bytes) -> None:
    with pytest.raises(NotReadable) as refusal:
        read_codestream(head)
    assert refusal.value.reason == "decode"


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\xff\x4f\xff\x51"]))
def test_any_bytes_are_described_or_refused(tail: bytes, start: bytes) -> None:
    try:
        found = read_codestream(start + tail)
    except NotReadable:
        return
    assert found.columns >= 0
    assert found.rows >= 0


def rle(segments: int, *offsets: int, body: int = 100) -> bytes:
    return struct.pack("<16I", segments, *offsets, *[0] * (15 - len(offsets))) + b"\0" * body


def test_an_encoded_rle_frame_passes() -> None:
    dataset = radiograph(rows=96, columns=80, transfer_syntax=RLELossless)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    check_rle(frame, len(frame), frame_bytes=96 * 80 * 2, segments=2)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"\x02\0\0\0", "pixel-data-short"),
        (rle(3, 64, 80, 90), "codestream-mismatch"),
        (rle(2, 64, 100_000), "decode"),
        (rle(2, 80, 64), "decode"),
        (rle(2, 64, 80, body=20), "pixel-data-short"),
    ],
)
def test_rle_that_cannot_hold_the_frame(head: bytes, reason: str) -> None:
    with pytest.raises(NotReadable) as refusal:
        check_rle(head, len(head), frame_bytes=6000, segments=2)
    assert refusal.value.reason == reason
