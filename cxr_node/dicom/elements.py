"""Walks the elements of a data set without recursion and without believing any length.

pydicom accepts data sets that end inside an element, and recurses as deep as the sender
nests. This walk runs first and refuses both (PS3.5 §7), so that the parse that follows
meets only well-formed bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.datadict import dictionary_VR

from cxr_node.domain.errors import Unreadable

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ"}) | frozenset(
    {b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_SHORT = frozenset({b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS"}) | (
    frozenset({b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"})
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written (PS3.5 §7.1.2, §7.1.3)."""

    explicit: bool = True
    little: bool = True


@dataclass(frozen=True, slots=True)
class Caps:
    """The most elements and the deepest nesting of sequences that are read."""

    elements: int = 100_000
    depth: int = 32


@dataclass(frozen=True, slots=True)
class Element:
    """A top-level element; ``length`` is UNDEFINED where the data set says so."""

    tag: int
    vr: str
    offset: int
    length: int


@dataclass(slots=True)
class _Open:
    """Something begun and not yet ended; ``end`` is None where a delimiter ends it."""

    kind: str  # "dataset", "sequence" or "fragments"
    end: int | None
    encoding: Encoding


class Walker:
    """One pass over a data set that starts at ``start`` and ends at ``end``.

    Raises :class:`Unreadable` for an element that is cut or longer than what holds it,
    a missing delimiter, or too many or too deeply nested elements.
    """

    def __init__(
        self, stream: BinaryIO, start: int, end: int, encoding: Encoding, caps: Caps | None = None
    ) -> None:
        self._stream = stream
        self._end = end
        self._at = start
        self._caps = caps or Caps()
        self._seen = 0
        self._stack = [_Open("dataset", end, encoding)]
        stream.seek(start)

    def top_level(self) -> Iterator[Element]:
        """Yield the outermost elements in order.

        Pixel data may be cut or lack its delimiter, which the imaging layer judges: where
        it is encapsulated or longer than the file, it is the last element yielded.
        """
        while self._stack:
            top = self._stack[-1]
            if top.end is not None and self._at >= top.end:
                self._leave(top)
                continue
            outermost = len(self._stack) == 1
            found = self._next(top, outermost=outermost)
            if found is not None and outermost:
                yield found
                if found.tag in PIXEL_TAGS and not self._passed(found):
                    return

    def _passed(self, pixels: Element) -> bool:
        """Move past native pixel data that is whole."""
        if pixels.length == UNDEFINED or self._at + pixels.length > self._end:
            return False
        self._skip(pixels.length)
        return True

    def _leave(self, top: _Open) -> None:
        if top.end is not None and self._at > top.end:
            raise Unreadable("an element is longer than the item that holds it")
        self._stack.pop()

    def _next(self, top: _Open, *, outermost: bool) -> Element | None:
        self._seen += 1
        if self._seen > self._caps.elements:
            raise Unreadable("too many elements")
        tag, vr, length = self._header(top.encoding)
        if tag >> 16 == 0xFFFE:
            self._delimiter(top, tag, length)
            return None
        if top.kind != "dataset":
            raise Unreadable("an element stands where an item must")
        element = Element(tag, vr, self._at, length)
        if outermost and tag in PIXEL_TAGS:
            return element
        self._enter_or_skip(element, top.encoding)
        return element

    def _delimiter(self, top: _Open, tag: int, length: int) -> None:
        """An item begins, or an item or a sequence of undefined length ends."""
        if tag == ITEM and top.kind == "fragments":
            self._skip(length)
        elif tag == ITEM and top.kind == "sequence":
            end = None if length == UNDEFINED else self._within(length)
            self._stack.append(_Open("dataset", end, top.encoding))
        elif (tag == ITEM_END and top.kind == "dataset" and len(self._stack) > 1) or (
            tag == SEQUENCE_END and top.kind != "dataset"
        ):
            if top.end is not None:
                raise Unreadable("a delimiter ends something of defined length")
            self._stack.pop()
        else:
            raise Unreadable("a delimiter or an item stands where none may")

    def _enter_or_skip(self, element: Element, encoding: Encoding) -> None:
        vr, length = element.vr, element.length
        if length == UNDEFINED:
            self._enter_undefined(element, encoding)
        elif vr == "SQ":
            self._push(_Open("sequence", self._within(length), encoding))
        elif vr == "UN" and _dictionary_vr(element.tag) == "SQ":
            inside = Encoding(explicit=False, little=encoding.little)
            self._push(_Open("sequence", self._within(length), inside))
        else:
            self._skip(length)

    def _enter_undefined(self, element: Element, encoding: Encoding) -> None:
        """PS3.5 §7.5, §A.4 and, for UN, §6.2.2 note 3: implicit VR inside."""
        if element.vr in ("SQ", ""):
            self._push(_Open("sequence", None, encoding))
        elif element.vr == "UN":
            self._push(_Open("sequence", None, Encoding(explicit=False)))
        elif element.tag in PIXEL_TAGS and element.vr in ("OB", "OW"):
            self._push(_Open("fragments", None, encoding))
        else:
            raise Unreadable("undefined length where none is allowed")

    def _push(self, opened: _Open) -> None:
        self._stack.append(opened)
        if len(self._stack) // 2 > self._caps.depth:
            raise Unreadable("sequences are nested too deeply")

    def _within(self, length: int) -> int:
        """End of something ``length`` long that starts here and must fit its surroundings."""
        limit = next(o.end for o in reversed(self._stack) if o.end is not None)
        if length == UNDEFINED or self._at + length > limit:
            raise Unreadable("an element is longer than the rest of the data set")
        return self._at + length

    def _skip(self, length: int) -> None:
        self._at = self._within(length)
        self._stream.seek(self._at)

    def _header(self, encoding: Encoding) -> tuple[int, str, int]:
        """Tag, VR ("" where implicit and unknown) and length; moves past them."""
        order = "<" if encoding.little else ">"
        group, number = struct.unpack(f"{order}HH", self._take(4))
        tag = group << 16 | number
        if group == 0xFFFE or not encoding.explicit:
            (length,) = struct.unpack(f"{order}L", self._take(4))
            return tag, "" if group == 0xFFFE else _dictionary_vr(tag), length
        raw = self._take(4)
        vr = raw[:2]
        if vr in _SHORT:
            (length,) = struct.unpack(f"{order}H", raw[2:])
        elif vr in _LONG:
            (length,) = struct.unpack(f"{order}L", self._take(4))
        else:
            raise Unreadable("an element has no known value representation")
        return tag, vr.decode("ascii"), length

    def _take(self, count: int) -> bytes:
        data = self._stream.read(count)
        self._at += count
        if len(data) != count or self._at > self._end:
            raise Unreadable("the data set ends inside an element")
        return data


def _dictionary_vr(tag: int) -> str:
    """VR of a public tag; "" for private and unknown ones, which stay opaque."""
    if tag >> 16 & 1:
        return ""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""
