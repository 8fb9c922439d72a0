"""The page's typeface: Open Sans, which has Latin, Greek and Cyrillic letters.

The package ``ttf-opensans`` carries the files, so that a page looks alike on every machine.
What the typeface lacks is never drawn as an empty box: it is replaced, and a name is left out
and said to be (:mod:`cxr_node.reporting.page.identity`).
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path

import ttf_opensans
from PIL import ImageFont
from reportlab.pdfbase.ttfonts import TTFontFile

MISSING = "[?]"
"""Stands for a run of characters that cannot be drawn."""


class Face(StrEnum):
    """The four cuts that the page uses."""

    REGULAR = "OpenSans-Regular"
    SEMIBOLD = "OpenSans-SemiBold"
    BOLD = "OpenSans-Bold"
    ITALIC = "OpenSans-Italic"

    @property
    def path(self) -> Path:
        """The TrueType file."""
        return Path(ttf_opensans.__file__).parent / "ttf" / f"{self.value}.ttf"


@cache
def raster_font(face: Face, size: int) -> ImageFont.FreeTypeFont:
    """The font at ``size`` pixels an em."""
    return ImageFont.truetype(str(face.path), size, layout_engine=ImageFont.Layout.BASIC)


def width(text: str, face: Face, size: int) -> float:
    """Advance width in pixels."""
    return float(raster_font(face, size).getlength(text))


@cache
def _characters() -> frozenset[int]:
    """Code points that all four cuts can draw."""
    found = [frozenset(TTFontFile(str(face.path)).charToGlyph) for face in Face]
    return frozenset.intersection(*found)


def drawable(text: str) -> bool:
    """Whether every character has a glyph."""
    return all(ord(character) in _characters() for character in text)


def replaced(text: str) -> str:
    """The text with each run of characters that have no glyph replaced by a mark."""
    known = _characters()
    if all(ord(character) in known for character in text):
        return text
    parts: list[str] = []
    for character in text:
        if ord(character) in known:
            parts.append(character)
        elif not parts or parts[-1] != MISSING:
            parts.append(MISSING)
    return "".join(parts)
