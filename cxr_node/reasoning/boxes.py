"""Boxes as models write them, checked and brought to one unit: percent of the picture.

A family has a unit of its own and one or two ways to write a box in it. Only those are
read; numbers of another shape may mean another unit, so they are refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.ports import PreparedImage
from cxr_node.reasoning import prompts
from cxr_node.reasoning.profiles import BoxFormat, Profile
from cxr_node.reasoning.prompts import Wording

PercentBox = tuple[float, float, float, float]
"""x0, y0, x1, y1 in percent of the picture's width and height, 0 to 100, ordered."""

_REFERENCE = re.compile(
    r"<\|ref\|>.*?<\|/ref\|>|<\|object_ref_start\|>.*?<\|object_ref_end\|>", re.DOTALL
)
_PLAIN_MARKS = re.compile(r"<\|/?(?:box|end)\|>|<\|im_end\|>")
_QWEN_MARKS = re.compile(r"<\|box_(?:start|end)\|>")
_NUMBER = r"(-?\d{1,5}(?:\.\d{1,6})?)"
_COMMA = r"\s*,\s*"
_POINT = rf"\(\s*{_NUMBER}{_COMMA}{_NUMBER}\s*\)"
_POINTS = re.compile(rf"{_POINT}\s*,?\s*{_POINT}")
_LIST = re.compile(rf"\[\s*{_COMMA.join([_NUMBER] * 4)}\s*\]")
_KEY = re.compile(r'"bbox_2d"')
_MORE = re.compile(r"[(\[{]\s*\[*\s*[-+]?(?:\d|nan|inf)", re.IGNORECASE)
"""The beginning of further coordinates, finished or not."""

_SLACK = 0.1  # share of a side outside the picture that is clipped; farther out is another unit
_LEAST_SIDE = 0.5  # percent; a narrower box shows nothing


@dataclass(frozen=True, slots=True)
class _Habit:
    """How a unit is written: as two points, as a list of four, with Qwen's box marks."""

    points: bool = True
    lists: bool = False
    marks: bool = False


_HABITS: Mapping[BoxFormat, _Habit] = MappingProxyType(
    {
        BoxFormat.PERCENT: _Habit(),
        BoxFormat.THOUSANDTHS: _Habit(lists=True, marks=True),
        BoxFormat.PIXELS: _Habit(lists=True),
    }
)


@dataclass(frozen=True, slots=True)
class Boxes:
    """Reads and writes boxes on a picture of ``width`` × ``height`` pixels as one family does.

    THOUSANDTHS come as ``(x1,y1),(x2,y2)`` with or without box marks (arXiv 2409.12191) or as
    JSON with ``bbox_2d``; PIXELS as such JSON or a bare list (arXiv 2502.13923), or as the
    points that the question asks for; PERCENT as points.
    """

    format: BoxFormat
    width: int
    height: int
    brief: bool = False
    """Written in single-token numbers, as the embedded model is taught."""

    @classmethod
    def of(cls, profile: Profile, image: PreparedImage) -> Boxes:
        brief = profile.wording is Wording.BRIEF
        return cls(profile.boxes, image.width, image.height, brief)

    @property
    def _full(self) -> tuple[float, float]:
        """Right and bottom edge of the picture in the family's unit."""
        if self.format is BoxFormat.PIXELS:
            return float(self.width), float(self.height)
        return (1000.0, 1000.0) if self.format is BoxFormat.THOUSANDTHS else (100.0, 100.0)

    def box(self, raw: str) -> PercentBox:
        """The one box in an answer: clipped to the picture, corners ordered, two decimals.

        Raises :class:`AnswerRefused` for none, several, one in another unit, or one that
        encloses nothing.
        """
        values = _corners(raw, _HABITS[self.format])
        if max(values) <= 1.0:
            raise AnswerRefused("the box is in fractions of the picture, not in its unit")
        shares = [value / full for value, full in zip(values, self._full * 2, strict=True)]
        if any(not -_SLACK <= share <= 1.0 + _SLACK for share in shares):
            raise AnswerRefused(f"the box is not in {self.format} of the picture")
        xa, ya, xb, yb = (round(100 * min(max(share, 0.0), 1.0), 2) for share in shares)
        x0, x1 = sorted((xa, xb))
        y0, y1 = sorted((ya, yb))
        if x1 - x0 < _LEAST_SIDE or y1 - y0 < _LEAST_SIDE:
            raise AnswerRefused("the box encloses nothing")
        return x0, y0, x1, y1

    def words(self, corners: PercentBox, like: str = "") -> str:
        """A checked box as the family itself writes it; ``like`` is the answer it came from.

        Reading the words gives the box again, to half a step of the unit.
        """
        if self.brief:
            return prompts.box_words(*corners)
        if self.format is BoxFormat.PERCENT:
            return box_text(corners)
        x0, y0, x1, y1 = (
            round(edge * full / 100) for edge, full in zip(corners, self._full * 2, strict=True)
        )
        if _KEY.search(like) or (self.format is BoxFormat.PIXELS and not _POINTS.search(like)):
            return f'[{{"bbox_2d": [{x0}, {y0}, {x1}, {y1}]}}]'
        if self.format is BoxFormat.PIXELS:
            return f"({x0}, {y0}), ({x1}, {y1})"
        return f"<|box_start|>({x0},{y0}),({x1},{y1})<|box_end|>"


def _corners(raw: str, habit: _Habit) -> list[float]:
    """The four numbers of the one box in ``raw``, as written."""
    said = _PLAIN_MARKS.sub(" ", _REFERENCE.sub(" ", raw))
    if habit.marks:
        said = _QWEN_MARKS.sub(" ", said)
    if _QWEN_MARKS.search(said):
        raise AnswerRefused("the box is marked as one in another unit")
    found = [m for shape in _shapes(habit) for m in shape.finditer(said)]
    if len(found) != 1 or len(_KEY.findall(said)) > 1:
        raise AnswerRefused("the answer does not hold exactly one box")
    before, after = said[: found[0].start()], said[found[0].end() :]
    if _MORE.search(before) or _MORE.search(after) or "{" in after:
        raise AnswerRefused("the answer holds more numbers than one box has")
    return [float(number) for number in found[0].groups()]


def _shapes(habit: _Habit) -> list[re.Pattern[str]]:
    return [_POINTS] * habit.points + [_LIST] * habit.lists


def box(recorded: str) -> PercentBox:
    """Read what :func:`box_text` wrote. Raises :class:`AnswerRefused` for anything else."""
    return Boxes(BoxFormat.PERCENT, 100, 100).box(recorded)


def box_text(corners: PercentBox) -> str:
    """A checked box as it is recorded and read back, in percent."""
    x0, y0, x1, y1 = (f"{round(value, 2):g}" for value in corners)
    return f"({x0}, {y0}), ({x1}, {y1})"
