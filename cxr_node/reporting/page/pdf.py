"""Paints the same page as a PDF: text that can be searched and copied, fonts embedded."""

from __future__ import annotations

from functools import cache
from io import BytesIO

from reportlab import rl_config
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from cxr_node.reporting.equipment import MODEL_NAME
from cxr_node.reporting.page.fonts import Face
from cxr_node.reporting.page.marks import (
    DOTS_PER_INCH,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    Colour,
    Mark,
    Page,
    Picture,
    Rectangle,
    Text,
)
from cxr_node.reporting.page.raster import scaled

_POINT = 72 / DOTS_PER_INCH
_QUALITY = 92
"""JPEG quality of the radiograph: to recognise it by, not to read it."""


def paint_pdf(page: Page) -> bytes:
    """A PDF file of one A4 page; the same page gives the same bytes."""
    _register()
    stream = BytesIO()
    size = (PAGE_WIDTH * _POINT, PAGE_HEIGHT * _POINT)
    canvas = Canvas(stream, pagesize=size, invariant=1, pageCompression=1)
    canvas.setTitle(page.title)
    canvas.setAuthor(MODEL_NAME)
    canvas.setCreator(MODEL_NAME)
    canvas.setSubject(page.subject)
    canvas.scale(_POINT, _POINT)
    for mark in page.marks:
        _paint(mark, canvas)
    canvas.showPage()
    canvas.save()
    return stream.getvalue()


@cache
def _register() -> None:
    rl_config.useA85 = 0  # PDF is binary; as text it would be larger and take twice as long
    for face in Face:
        registerFont(TTFont(face.value, str(face.path)))


def _paint(mark: Mark, canvas: Canvas) -> None:
    if isinstance(mark, Text):
        _text(mark, canvas)
    elif isinstance(mark, Rectangle):
        _rectangle(mark, canvas)
    else:
        _picture(mark, canvas)


def _text(mark: Text, canvas: Canvas) -> None:
    """In the width that was measured for the image, so that nothing overflows here either."""
    line = canvas.beginText(mark.x, PAGE_HEIGHT - mark.y)
    line.setFont(mark.face.value, mark.size)
    line.setFillColorRGB(*_fractions(mark.colour))
    natural = stringWidth(mark.text, mark.face.value, mark.size)
    if natural > mark.width > 0:
        line.setHorizScale(100 * mark.width / natural)
    line.textOut(mark.text)
    canvas.drawText(line)


def _rectangle(mark: Rectangle, canvas: Canvas) -> None:
    if mark.fill:
        canvas.setFillColorRGB(*_fractions(mark.fill))
    outside = mark.line / 2
    if mark.outline:
        canvas.setStrokeColorRGB(*_fractions(mark.outline))
        canvas.setLineWidth(mark.line)
    canvas.roundRect(
        mark.x - outside,
        PAGE_HEIGHT - mark.y - mark.height - outside,
        mark.width + 2 * outside,
        mark.height + 2 * outside,
        min(mark.radius, mark.width / 2, mark.height / 2),
        stroke=int(bool(mark.outline)),
        fill=int(bool(mark.fill)),
    )


def _picture(mark: Picture, canvas: Canvas) -> None:
    stream = BytesIO()
    scaled(mark).save(stream, "JPEG", quality=_QUALITY)
    stream.seek(0)
    y = PAGE_HEIGHT - mark.y - mark.height
    canvas.drawImage(ImageReader(stream), mark.x, y, mark.width, mark.height)


def _fractions(colour: Colour) -> tuple[float, ...]:
    return tuple(part / 255 for part in colour)
