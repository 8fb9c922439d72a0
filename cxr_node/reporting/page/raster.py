"""Paints a page as an image: RGB, 1240 by 1754 pixels, dark text smoothed."""

from __future__ import annotations

from PIL import Image, ImageDraw

from cxr_node.reporting.page.fonts import raster_font
from cxr_node.reporting.page.marks import (
    PAGE_HEIGHT,
    PAGE_WIDTH,
    PAPER,
    Mark,
    Page,
    Picture,
    Rectangle,
    Text,
)


def paint(page: Page) -> Image.Image:
    """The page as an RGB image."""
    canvas = Image.new("RGB", (PAGE_WIDTH, PAGE_HEIGHT), PAPER)
    draw = ImageDraw.Draw(canvas)
    for mark in page.marks:
        _paint(mark, canvas, draw)
    return canvas


def _paint(mark: Mark, canvas: Image.Image, draw: ImageDraw.ImageDraw) -> None:
    if isinstance(mark, Text):
        font = raster_font(mark.face, mark.size)
        draw.text((mark.x, mark.y), mark.text, fill=mark.colour, font=font, anchor="ls")
    elif isinstance(mark, Rectangle):
        _rectangle(mark, draw)
    else:
        canvas.paste(scaled(mark), (mark.x, mark.y))


def scaled(picture: Picture) -> Image.Image:
    """The radiograph in the size it has on the page, grey."""
    whole = Image.frombytes("L", (picture.columns, picture.rows), picture.gray)
    return whole.resize((picture.width, picture.height), Image.Resampling.LANCZOS)


def _rectangle(mark: Rectangle, draw: ImageDraw.ImageDraw) -> None:
    """The outline lies outside the rectangle, so that it hides nothing of what it marks."""
    line = mark.line if mark.outline else 0
    corners = (
        round(mark.x) - line,
        round(mark.y) - line,
        round(mark.x + mark.width) - 1 + line,
        round(mark.y + mark.height) - 1 + line,
    )
    if corners[2] < corners[0] or corners[3] < corners[1]:
        return
    draw.rounded_rectangle(
        corners, radius=mark.radius, fill=mark.fill, outline=mark.outline, width=max(line, 1)
    )
