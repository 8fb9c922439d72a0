"""The findings: name, place, and a bar with the operating point, one row each."""

from __future__ import annotations

from cxr_node.reporting.narrative import percent
from cxr_node.reporting.page.content import PageContent, Row
from cxr_node.reporting.page.fonts import Face, width
from cxr_node.reporting.page.marks import (
    ALARM,
    CALM,
    DEVICE,
    FINDING,
    INK,
    RULE,
    SOFT,
    Mark,
    Rectangle,
)
from cxr_node.reporting.page.typesetting import Column, cut, line_at, shifted, tidy

_BADGE = 30
_BAR, _SHORT_BAR = 112, 84
_PERCENT = 64
_HEAD = 40
_TALL, _LOW = 62, 30
"""Heights of a row with its attributes below the name, and beside it."""


def least_height(content: PageContent, room: float) -> float:
    """What the table needs to show every row."""
    return _HEAD + _below(content, 0, room).y + _LOW * len(content.rows)


def finding_table(
    content: PageContent, x: float, top: float, room: float, bottom: float
) -> list[Mark]:
    """Fill the place between ``top`` and ``bottom``; what does not fit is counted."""
    below = _below(content, x, room)
    free = bottom - top - _HEAD - below.y
    column = Column(x, top, room)
    column.write(content.words.findings, 17, face=Face.BOLD, colour=CALM)
    column.skip(7)
    rows, left = _that_fit(content.rows, free)
    height = min(_TALL, max(_LOW, int(free // max(len(rows) + bool(left), 1))))
    for row in rows:
        _row(row, column, height)
    if left:
        column.write(content.words.more.format(count=left), 18, face=Face.SEMIBOLD, colour=ALARM)
    if not content.rows:
        column.write(content.words.no_rows, 20, most=3)
    return [*column.marks, *shifted(below.marks, column.y + 8)]


def _that_fit(rows: tuple[Row, ...], free: float) -> tuple[tuple[Row, ...], int]:
    most = max(0, int(free // _LOW))
    if len(rows) <= most:
        return rows, 0
    shown = rows[: max(0, most - 1)]
    return shown, len(rows) - len(shown)


def _row(row: Row, column: Column, height: int) -> None:
    top, x, room = column.y, column.x, column.room
    text, end = x + _BADGE + 12, x + room - _PERCENT
    if height >= _TALL - 10:
        _badge(row, column, top + height / 2)
        _words(row.name, column, text, top + 26, end - text - 12, 21, Face.SEMIBOLD)
        space = room - _BADGE - 12 - _BAR - 14
        _words(row.attributes, column, text, top + 49, space, 17, Face.REGULAR)
        _bar(row, column, x + room - _BAR, top + 43, top + 26)
    else:
        middle = top + height / 2
        _badge(row, column, middle)
        bar = end - _SHORT_BAR
        used = _words(row.name, column, text, middle + 6, bar - text - 12, 18, Face.SEMIBOLD)
        start = text + used + 10
        _words(row.attributes, column, start, middle + 6, bar - start - 12, 16, Face.REGULAR)
        _bar(row, column, bar, middle, middle + 6, _SHORT_BAR)
    column.marks.append(Rectangle(x, top + height - 1, room, 1, fill=RULE))
    column.y = top + height


def _words(
    text: str, column: Column, x: float, base: float, room: float, size: int, face: Face
) -> float:
    """One line of a row, cut to its room; returns the width it takes."""
    shown = cut(tidy(text), face, size, room) if room > 0 else ""
    if not shown:
        return 0.0
    line = line_at(x, base, shown, size, face, INK if face is Face.SEMIBOLD else SOFT)
    column.marks.append(line)
    return line.width


def _badge(row: Row, column: Column, middle: float) -> None:
    """The number that is also beside the box."""
    if not row.number:
        return
    size = min(_BADGE, 26)
    colour = DEVICE if row.device else FINDING
    column.marks.append(Rectangle(column.x, middle - size / 2, _BADGE, size, fill=colour, radius=6))
    text = str(row.number)
    start = column.x + (_BADGE - width(text, Face.BOLD, 17)) / 2
    column.marks.append(line_at(start, middle + 6, text, 17, Face.BOLD))


def _bar(row: Row, column: Column, x: float, middle: float, base: float, long: int = _BAR) -> None:
    """The bar with its mark, and the number at the right end of the row."""
    if row.probability is None:
        return
    probability = min(max(row.probability, 0.0), 1.0)
    place = min(max(row.threshold, 0.0), 1.0)
    column.marks += [
        Rectangle(x, middle - 5, long, 10, fill=RULE, radius=5),
        Rectangle(
            x,
            middle - 5,
            max(10.0, long * probability),
            10,
            fill=SOFT if row.uncertain else CALM,
            radius=5,
        ),
        Rectangle(x + long * place - 1.5, middle - 9, 3, 18, fill=INK),
    ]
    shown = percent(probability)
    start = column.x + column.room - width(shown, Face.SEMIBOLD, 19)
    column.marks.append(line_at(start, base, shown, 19, Face.SEMIBOLD))


def _below(content: PageContent, x: float, room: float) -> Column:
    """What is held absent, and how to read the bars; set from zero to learn its height."""
    column = Column(x, 0, room)
    column.write(content.legend, 16, colour=SOFT, most=2)
    column.skip(6)
    column.write(content.absent, 17, most=7)
    return column
