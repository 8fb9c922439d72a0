"""Sets text into bounded places: breaks it into lines and cuts, with dots, what does not fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cxr_node.reporting.page.fonts import Face, replaced, width
from cxr_node.reporting.page.marks import INK, Colour, Mark, Text
from cxr_node.reporting.text import clean_line

DOTS = "…"
LONGEST = 2_000
"""More characters than fit on any part of the page."""


def tidy(text: str) -> str:
    """Visible characters of the typeface only, on one line.

    Cut before it is cleaned: cleaning a megabyte would take longer than the whole page.
    """
    shown = replaced(clean_line(text[: 2 * LONGEST], LONGEST))
    return shown.replace(" %", "\N{NO-BREAK SPACE}%")


def cut(text: str, face: Face, size: int, room: float) -> str:
    """``text`` if it fits into ``room`` pixels, else its beginning and dots."""
    if width(text, face, size) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + DOTS, face, size) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + DOTS if low else ""


def broken(text: str, face: Face, size: int, room: float, most: int) -> list[str]:
    """At most ``most`` lines no wider than ``room``; the last ends in dots where text is left."""
    lines: list[str] = []
    words = text.split(" ")
    while words and len(lines) < most:
        if len(lines) == most - 1:
            lines.append(cut(" ".join(words), face, size, room))
            break
        lines.append(_line(words, face, size, room))
    return [line for line in lines if line]


def _line(words: list[str], face: Face, size: int, room: float) -> str:
    """Take words for one line off the front of ``words``; a word too long is divided."""
    line = words.pop(0)
    if width(line, face, size) > room:
        keep = _fitting(line, face, size, room)
        words.insert(0, line[keep:])
        return line[:keep]
    while words and width(f"{line} {words[0]}", face, size) <= room:
        line = f"{line} {words.pop(0)}"
    return line


def _fitting(word: str, face: Face, size: int, room: float) -> int:
    """How many characters of ``word`` fit, at least one."""
    keep = 1
    while keep < len(word) and width(word[: keep + 1], face, size) <= room:
        keep += 1
    return keep


class Column:
    """A place of a given width that is filled from the top."""

    def __init__(self, x: float, y: float, room: float) -> None:
        self.x = x
        self.y = y
        self.room = room
        self.marks: list[Mark] = []

    def skip(self, height: float) -> None:
        """Leave ``height`` pixels free."""
        self.y += height

    def write(
        self,
        text: str,
        size: int,
        *,
        face: Face = Face.REGULAR,
        colour: Colour = INK,
        most: int = 1,
        leading: float = 1.34,
        indent: float = 0.0,
    ) -> int:
        """Set ``text`` in at most ``most`` lines; returns how many were needed."""
        lines = broken(tidy(text), face, size, self.room - indent, most)
        for line in lines:
            self.marks.append(line_at(self.x + indent, self.y + size, line, size, face, colour))
            self.y += round(size * leading)
        return len(lines)


def line_at(
    x: float, y: float, text: str, size: int, face: Face = Face.REGULAR, colour: Colour = INK
) -> Text:
    """A line whose text is already tidy and known to fit."""
    return Text(x, y, text, face, size, colour, width(text, face, size))


def shifted(marks: Iterable[Mark], down: float) -> list[Mark]:
    """The same marks ``down`` pixels lower."""
    return [replace(mark, y=round(mark.y + down)) for mark in marks]
