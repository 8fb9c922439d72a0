"""Boxes inside the answers of dialogue records: percent of the picture, two decimals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cxr_node.reasoning.boxes import PercentBox

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_POINT = rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)"
_BOX = rf"<\|box\|>\s*{_POINT}\s*,\s*{_POINT}\s*<\|/box\|>"
_NAMED = re.compile(rf"(?:<\|ref\|>(.*?)<\|/ref\|>\s*)?{_BOX}", re.DOTALL)
_MARK = re.compile(r"<\|/?box\|>")


@dataclass(frozen=True, slots=True)
class NamedBox:
    """A box in percent of the picture and what it holds; ``name`` is empty where none stands."""

    name: str
    box: PercentBox

    @property
    def sound(self) -> bool:
        """Whether it lies in the picture, corners in order, and encloses something."""
        x0, y0, x1, y1 = self.box
        return 0 <= x0 < x1 <= 100 and 0 <= y0 < y1 <= 100


def boxes_in(answer: str) -> tuple[NamedBox, ...]:
    """Every box in an answer, as written; text that is no box is left out."""
    return tuple(
        NamedBox((name or "").strip(), (float(x0), float(y0), float(x1), float(y1)))
        for name, x0, y0, x1, y1 in _NAMED.findall(answer)
    )


def unread_boxes(answer: str) -> bool:
    """Whether box marks stand in ``answer`` that hold no box of the format."""
    return len(_MARK.findall(answer)) != 2 * len(boxes_in(answer))


def box_answer(name: str, box: Sequence[float]) -> str:
    """``name`` and its box in percent, as an answer; :func:`boxes_in` reads it back."""
    x0, y0, x1, y1 = box
    corners = f"({x0:.2f}, {y0:.2f}), ({x1:.2f}, {y1:.2f})"
    return f"<|ref|> {name} <|/ref|><|box|>{corners}<|/box|>"


def overlap(one: PercentBox, other: PercentBox) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def _area(box: PercentBox) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
