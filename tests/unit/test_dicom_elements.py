"""The element walker against hand-made bytes."""

from __future__ import annotations

import io
import struct
import time

import pytest

from cxr_node.dicom.elements import Caps, Encoding, Walker
from cxr_node.domain.errors import Unreadable

EXPLICIT, IMPLICIT = Encoding(), Encoding(explicit=False)
ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def long_form(tag: tuple[int, int], vr: bytes, length: int, value: bytes = b"") -> bytes:
    return struct.pack("<HH", *tag) + vr + struct.pack("<HL", 0, length) + value


def short_form(tag: tuple[int, int], vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH", *tag) + vr + struct.pack("<H", len(value)) + value


def implicit(tag: tuple[int, int], value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", *tag, len(value) if length is None else length) + value


def tags(data: bytes, encoding: Encoding = EXPLICIT, caps: Caps | None = None) -> list[int]:
    walker = Walker(io.BytesIO(data), 0, len(data), encoding, caps)
    return [element.tag for element in walker.top_level()]


LEAF = short_form((0x0010, 0x0020), b"LO", b"ID")


@pytest.mark.parametrize(
    "data",
    [
        long_form((8, 0x1140), b"SQ", 0xFFFFFFFF, ITEM + LEAF + ITEM_END + END),
        long_form((8, 0x1140), b"SQ", 0xFFFFFFFF, END),
        long_form((8, 0x1140), b"SQ", 0),
        long_form((8, 0x1140), b"SQ", 8 + len(LEAF), implicit((0xFFFE, 0xE000), LEAF)),
        long_form((9, 0x1001), b"UN", 0xFFFFFFFF, ITEM + implicit((8, 5), b"XY") + ITEM_END + END),
        long_form((8, 0x1140), b"UN", 16, ITEM[:4] + struct.pack("<L", 8) + implicit((8, 5), b"")),
    ],
    ids=["undefined", "empty undefined", "empty", "defined", "UN undefined", "UN known sequence"],
)
def test_sequences_are_walked_as_one_element(data: bytes) -> None:
    assert tags(data + LEAF) == [int.from_bytes(data[:2], "little") << 16 | _number(data), 0x100020]


def _number(data: bytes) -> int:
    return int.from_bytes(data[2:4], "little")


def test_implicit_sequences_are_known_from_the_dictionary() -> None:
    inner = implicit((0xFFFE, 0xE000), implicit((8, 0x1150), b"1.2\0"))
    assert tags(implicit((8, 0x1140), inner), IMPLICIT) == [0x00081140]
    broken = implicit((0xFFFE, 0xE000), implicit((8, 0x1150), b"1.2\0", length=400))
    with pytest.raises(Unreadable):
        tags(implicit((8, 0x1140), broken), IMPLICIT)


@pytest.mark.parametrize(
    "data",
    [
        LEAF[:-1],
        LEAF[:6],
        LEAF + b"\0",
        long_form((0x10, 0x4000), b"UT", 0xFFFFFFF0, b"abc"),
        long_form((0x10, 0x4000), b"UT", 0xFFFFFFFF, b"abc"),
        long_form((8, 0x1140), b"SQ", 0xFFFFFFFF, ITEM + LEAF),
        long_form((8, 0x1140), b"SQ", 0xFFFFFFFF, ITEM + LEAF + ITEM_END),
        long_form((8, 0x1140), b"SQ", 0xFFFFFFFF, LEAF + END),
        long_form((8, 0x1140), b"SQ", 8, ITEM),
        long_form((8, 0x1140), b"SQ", 12, implicit((0xFFFE, 0xE000), LEAF)),
        ITEM_END,
        END,
        short_form((0x10, 0x20), b"zz", b"ID"),
        short_form((0x10, 0x20), b"ZZ", b"ID"),
    ],
)
def test_malformed_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        tags(data)


@pytest.mark.parametrize(
    "pixels",
    [
        long_form((0x7FE0, 0x10), b"OW", 4, b"\0" * 4),
        long_form((0x7FE0, 0x10), b"OW", 4000, b"\0" * 4),
        long_form((0x7FE0, 0x10), b"OB", 0xFFFFFFFF, implicit((0xFFFE, 0xE000), b"") + b"\0" * 9),
    ],
    ids=["whole", "cut", "no delimiter"],
)
def test_pixel_data_may_be_cut(pixels: bytes) -> None:
    assert tags(LEAF + pixels) == [0x100020, 0x7FE00010]


def test_what_follows_whole_pixel_data_is_checked() -> None:
    with pytest.raises(Unreadable):
        tags(long_form((0x7FE0, 0x10), b"OW", 4, b"\0" * 4) + LEAF[:-1])


def test_an_encapsulated_icon_is_skipped() -> None:
    fragment = implicit((0xFFFE, 0xE000), b"") + implicit((0xFFFE, 0xE000), b"\xff\xd8\xff\xd9")
    icon = long_form((0x7FE0, 0x10), b"OB", 0xFFFFFFFF, fragment + END)
    data = long_form((0x88, 0x200), b"SQ", 0xFFFFFFFF, ITEM + icon + ITEM_END + END)
    assert tags(data + LEAF) == [0x00880200, 0x00100020]


def test_depth_is_counted_not_recursed() -> None:
    opened = struct.pack("<HHL", 8, 0x1140, 0xFFFFFFFF) + ITEM

    def nested(depth: int) -> bytes:
        return opened * depth + (ITEM_END + END) * depth

    assert tags(nested(32), IMPLICIT) == [0x00081140]
    with pytest.raises(Unreadable):
        tags(nested(33), IMPLICIT)
    with pytest.raises(Unreadable):
        tags(nested(100_000), IMPLICIT)


def test_elements_are_counted_also_inside_items() -> None:
    many = implicit((9, 0x1001), b"") * 1000
    assert len(tags(many, IMPLICIT, Caps(elements=1000))) == 1000
    with pytest.raises(Unreadable):
        tags(many + implicit((9, 0x1001), b""), IMPLICIT, Caps(elements=1000))
    begun = time.monotonic()
    with pytest.raises(Unreadable):
        tags(implicit((9, 0x1001), b"") * 500_000, IMPLICIT)
    assert time.monotonic() - begun < 5.0
