"""Where everything stands on the page.

Head, conclusion and warnings take the height they need within limits, the steps and the foot
are measured, and the picture with the findings beside it gets what is left.
"""

from __future__ import annotations

from cxr_node.reporting.page.content import PageContent
from cxr_node.reporting.page.fonts import Face, width
from cxr_node.reporting.page.marks import (
    ALARM,
    CALM,
    CARE,
    CARE_PANEL,
    INK,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    PANEL,
    PAPER,
    RULE,
    SOFT,
    Mark,
    Page,
    Rectangle,
)
from cxr_node.reporting.page.picture import picture_panel, wanted_height
from cxr_node.reporting.page.step_grid import step_grid
from cxr_node.reporting.page.table import finding_table, least_height
from cxr_node.reporting.page.typesetting import Column, cut, line_at, shifted, tidy

MARGIN = 52
_ROOM = PAGE_WIDTH - 2 * MARGIN
_GUTTER = 30
_PICTURE = 620
_INSET = 20
_WARNINGS = 5
_TITLE, _NAME = (34, 30, 26, 22), (28, 24, 20, 16)
_PILL, _LONGEST_PILL = 18, 400


def lay_out(content: PageContent) -> Page:
    """The finished page: no text reaches beyond its place, whatever it says."""
    marks: list[Mark] = [Rectangle(0, 0, PAGE_WIDTH, PAGE_HEIGHT, fill=PAPER)]
    y = _head(content, marks)
    y = _conclusion(content, marks, y + 16)
    y = _warnings(content, marks, y + 14)
    foot = _foot(content, marks)
    x = MARGIN + _PICTURE + _GUTTER
    beside = PAGE_WIDTH - MARGIN - x
    body = max(wanted_height(content, _PICTURE), least_height(content, beside))
    free = foot - 18 - y - 20 - 16 - body
    below, height = step_grid(content.steps, content.words.steps, MARGIN, _ROOM, free)
    top = foot - 18 - height
    marks += shifted(below, top)
    bottom = top - 16
    marks += picture_panel(content, MARGIN, y + 20, _PICTURE, bottom)
    marks += finding_table(content, x, y + 20, beside, bottom)
    return Page(content.words.title, content.status, tuple(marks))


def _head(content: PageContent, marks: list[Mark]) -> float:
    left = _pills(content, marks)
    title = Column(MARGIN, 34, left - MARGIN - _INSET)
    title.write(
        content.words.title, _largest(content.words.title, _TITLE, title.room), face=Face.BOLD
    )
    marks += title.marks
    panel = Column(MARGIN + _INSET, 104, _ROOM - 2 * _INSET)
    _name(content, panel)
    panel.write(" · ".join(content.identity.patient), 21, most=2)
    study = [*content.identity.study, content.prior, content.revision]
    panel.write(" · ".join(part for part in study if part), 21, colour=SOFT, most=2)
    marks.append(Rectangle(MARGIN, 92, _ROOM, panel.y - 92 + 10, fill=PANEL, radius=8))
    marks += panel.marks
    return panel.y + 10


def _name(content: PageContent, panel: Column) -> None:
    """A name is shown smaller rather than cut."""
    name = tidy(content.identity.name)
    panel.write(name, _largest(name, _NAME, panel.room), face=Face.BOLD, most=2)


def _largest(text: str, sizes: tuple[int, ...], room: float) -> int:
    """The first of the sizes in which the text fits on one line, else the last."""
    return next((size for size in sizes if width(tidy(text), Face.BOLD, size) <= room), sizes[-1])


def _pills(content: PageContent, marks: list[Mark]) -> float:
    """What must be seen first, at the right end of the title; returns their left edge."""
    right = float(PAGE_WIDTH - MARGIN)
    told = [(content.status, CALM if content.verified else CARE)] + [
        (content.priority, ALARM)
    ] * bool(content.priority)
    for text, colour in told:
        shown = cut(tidy(text), Face.BOLD, _PILL, _LONGEST_PILL)
        room = width(shown, Face.BOLD, _PILL) + 2 * 14
        marks.append(Rectangle(right - room, 36, room, 36, fill=colour, radius=18))
        marks.append(line_at(right - room + 14, 61, shown, _PILL, Face.BOLD, PAPER))
        right -= room + 10
    return right


def _conclusion(content: PageContent, marks: list[Mark], top: float) -> float:
    tone = ALARM if content.flagged else CALM
    column = Column(MARGIN + _INSET, top + 4, _ROOM - _INSET)
    column.write(content.words.conclusion, 17, face=Face.BOLD, colour=tone)
    column.write(content.headline, 28, face=Face.SEMIBOLD, most=4, leading=1.28)
    column.skip(4)
    column.write(content.proposal, 20, colour=INK, most=3)
    marks.append(Rectangle(MARGIN, top, 6, column.y - top + 2, fill=tone))
    marks += column.marks
    return column.y + 2


def _warnings(content: PageContent, marks: list[Mark], top: float) -> float:
    if not content.warnings:
        return top
    column = Column(MARGIN + _INSET, top + 10, _ROOM - 2 * _INSET)
    column.write(content.words.warnings, 17, face=Face.BOLD, colour=CARE)
    shown = content.warnings[:_WARNINGS]
    for text in shown:
        column.marks.append(Rectangle(column.x + 2, column.y + 10, 7, 7, fill=CARE, radius=3))
        column.write(text, 19, most=2, indent=20)
    if left := len(content.warnings) - len(shown):
        column.write(content.words.more.format(count=left), 19, indent=20)
    bottom = column.y + 10
    marks.append(Rectangle(MARGIN, top, _ROOM, bottom - top, fill=CARE_PANEL, radius=8))
    marks += column.marks
    return bottom


def _foot(content: PageContent, marks: list[Mark]) -> float:
    """Set from the bottom; returns the top of the foot."""
    column = Column(MARGIN, 8, _ROOM)
    for number, text in enumerate(content.footer):
        first = number == 0
        face, colour = (Face.SEMIBOLD, INK) if first else (Face.REGULAR, SOFT)
        column.write(text, 17, face=face, colour=colour, most=2 if first else 1)
    top = PAGE_HEIGHT - 28 - column.y
    marks.append(Rectangle(MARGIN, top, _ROOM, 2, fill=RULE))
    marks += shifted(column.marks, top)
    return top
