"""Boxes as models write them, checked and brought to one unit: percent of the picture.

What cannot be parsed is refused, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.ports import PreparedImage
from cxr_node.reasoning import prompts
from cxr_node.reasoning.profiles import BoxFormat, Profile
from cxr_node.reasoning.prompts import Wording

PercentBox = tuple[float, float, float, float]
"""x0, y0, x1, y1 in percent of the picture's width and height, 0 to 100, ordered."""

_MARKUP = re.compile(r"<\|/?[A-Za-z_]+\|>")
_REFERENCE = re.compile(r"<\|ref\|>.*?<\|/ref\|>", re.DOTALL)
_NUMBER = r"(-?\d{1,4}(?:\.\d{1,6})?)"
_POINT = rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)"
_BOX = re.compile(rf"{_POINT}\s*,?\s*{_POINT}")

_SLACK = 10.0  # percent outside the picture that is clipped; farther out is another unit
_LEAST_SIDE = 0.5  # percent; a narrower box shows nothing


@dataclass(frozen=True, slots=True)
class Boxes:
    """Reads and writes boxes on a picture of ``width`` × ``height`` pixels as one family does."""

    format: BoxFormat
    width: int
    height: int
    brief: bool = False
    """Written in single-token numbers, as the embedded model is taught."""

    @classmethod
    def of(cls, profile: Profile, image: PreparedImage) -> Boxes:
        brief = profile.wording is Wording.BRIEF
        return cls(profile.boxes, image.width, image.height, brief)

    def box(self, raw: str) -> PercentBox:
        """The one box in an answer. Raises :class:`AnswerRefused` for none, several or nonsense."""
        return box(raw)

    def words(self, corners: PercentBox) -> str:
        """A checked box as the family itself would write it."""
        return prompts.box_words(*corners) if self.brief else box_text(corners)


def box(raw: str) -> PercentBox:
    """The one box in an answer: clipped to the picture, corners ordered, two decimals.

    Raises :class:`AnswerRefused` for none, several, or one that encloses nothing.
    """
    found = _BOX.findall(_MARKUP.sub(" ", _REFERENCE.sub(" ", raw)))
    if len(found) != 1:
        raise AnswerRefused("the answer does not hold exactly one box")
    values = [float(number) for number in found[0]]
    if any(not -_SLACK <= value <= 100.0 + _SLACK for value in values):
        raise AnswerRefused("the box is not in percent of the picture")
    xa, ya, xb, yb = (round(min(max(value, 0.0), 100.0), 2) for value in values)
    x0, x1 = sorted((xa, xb))
    y0, y1 = sorted((ya, yb))
    if x1 - x0 < _LEAST_SIDE or y1 - y0 < _LEAST_SIDE:
        raise AnswerRefused("the box encloses nothing")
    return x0, y0, x1, y1


def box_text(corners: PercentBox) -> str:
    """A checked box as it is recorded and read back, in percent."""
    x0, y0, x1, y1 = (f"{value:g}" for value in corners)
    return f"({x0}, {y0}), ({x1}, {y1})"
