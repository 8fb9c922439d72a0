"""What a page consists of before it is painted: texts, rectangles and one picture.

Both painters draw the same marks, so the image and the PDF are the same page. Positions are
pixels of an A4 sheet at 150 dots an inch, origin at the top left.
"""

from __future__ import annotations

from dataclasses import dataclass

from cxr_node.reporting.page.fonts import Face

PAGE_WIDTH, PAGE_HEIGHT = 1240, 1754
DOTS_PER_INCH = 150

Colour = tuple[int, int, int]

INK: Colour = (26, 32, 44)
SOFT: Colour = (92, 102, 117)
RULE: Colour = (214, 219, 227)
PANEL: Colour = (243, 245, 248)
PAPER: Colour = (255, 255, 255)
ALARM: Colour = (176, 28, 36)
CALM: Colour = (32, 86, 140)
CARE: Colour = (138, 84, 0)
CARE_PANEL: Colour = (255, 246, 224)
FINDING: Colour = (255, 209, 63)
DEVICE: Colour = (98, 211, 255)
BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Text:
    """One line; ``x`` and ``y`` are the left end of its baseline, ``width`` what it takes."""

    x: float
    y: float
    text: str
    face: Face
    size: int
    colour: Colour
    width: float


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A filled or outlined rectangle; ``line`` is the outline's width in pixels."""

    x: float
    y: float
    width: float
    height: float
    fill: Colour | None = None
    outline: Colour | None = None
    line: int = 0
    radius: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """The radiograph: grey values row by row, as many as ``columns`` times ``rows``."""

    x: int
    y: int
    width: int
    height: int
    gray: bytes
    columns: int
    rows: int


Mark = Text | Rectangle | Picture


@dataclass(frozen=True, slots=True)
class Page:
    """A finished layout: marks in the order of painting."""

    title: str
    subject: str
    marks: tuple[Mark, ...]
