"""The eight steps in two columns, four rows, set from the origin."""

from __future__ import annotations

from cxr_node.reporting.page.fonts import Face, width
from cxr_node.reporting.page.marks import CALM, PAPER, RULE, Mark, Rectangle
from cxr_node.reporting.page.steps import Step
from cxr_node.reporting.page.typesetting import Column, line_at

_FORMS = ((6, 21), (4, 21), (6, 19), (5, 18), (4, 18), (3, 18), (2, 18))
"""Lines below a step's name and their size: the first that leaves the picture its place."""
_BADGE = 26
_BETWEEN = 34
_ROWS = 4


def step_grid(
    steps: tuple[Step, ...], title: str, x: float, room: float, free: float
) -> tuple[list[Mark], float]:
    """Marks with their top at zero, and their height: within ``free`` pixels if possible."""
    for lines, size in _FORMS:
        marks, height = _set(steps, title, x, room, lines, size)
        if height <= free:
            break
    return marks, height


def _set(
    steps: tuple[Step, ...], title: str, x: float, room: float, lines: int, size: int
) -> tuple[list[Mark], float]:
    head = Column(x, 12, room)
    head.write(title, 17, face=Face.BOLD, colour=CALM)
    marks: list[Mark] = [Rectangle(x, 0, room, 2, fill=RULE), *head.marks]
    half = (room - _BETWEEN) / 2
    tops = [head.y + 6] * 2
    for place, step in enumerate(steps):
        side = place // _ROWS
        column = Column(x + side * (half + _BETWEEN) + _BADGE + 10, tops[side], half - _BADGE - 10)
        _cell(step, column, marks, lines, size)
        tops[side] = column.y + size // 2
    return marks, max(tops)


def _cell(step: Step, column: Column, marks: list[Mark], lines: int, size: int) -> None:
    badge, number = column.x - _BADGE - 10, str(step.number)
    marks.append(Rectangle(badge, column.y + 1, _BADGE, _BADGE, fill=CALM, radius=_BADGE // 2))
    start = badge + (_BADGE - width(number, Face.BOLD, 16)) / 2
    marks.append(line_at(start, column.y + 20, number, 16, Face.BOLD, PAPER))
    column.write(step.name, size, face=Face.SEMIBOLD)
    own = lines // 2 if step.generated else lines
    left = lines - (column.write(step.text, size, most=own) if step.text else 0)
    if step.generated:
        column.write(step.generated, size, face=Face.ITALIC, most=left)
    marks += column.marks
