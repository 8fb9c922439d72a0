"""The radiograph with its boxes, and below it what is known of the image."""

from __future__ import annotations

from cxr_node.domain.ports import PreparedImage
from cxr_node.reporting.page.content import BoxLabel, PageContent
from cxr_node.reporting.page.fonts import Face, width
from cxr_node.reporting.page.marks import (
    BLACK,
    DEVICE,
    FINDING,
    PANEL,
    RULE,
    SOFT,
    Mark,
    Picture,
    Rectangle,
)
from cxr_node.reporting.page.typesetting import Column, cut, line_at, shifted, tidy

_LABEL = 18
_PADDING = 6
_HEIGHT = 26
_LINE = 3
_LEAST = 300.0
_Place = tuple[float, float, float, float]


def picture_panel(
    content: PageContent, x: float, top: float, room: float, bottom: float
) -> list[Mark]:
    """As large as the place between ``top`` and ``bottom`` allows, its aspect kept."""
    caption = _caption(content, x, room)
    height = bottom - top - caption.y - 8
    if content.image is None or height < 40:
        marks: list[Mark] = [
            Rectangle(x, top, room, max(height, 0), fill=PANEL, outline=RULE, line=1)
        ]
        return marks + shifted(caption.marks, top + max(height, 0) + 8)
    picture = _placed(content.image, x, top, room, height)
    marks = [picture]
    scale = picture.width / content.image.content_width
    taken: list[_Place] = []
    for box in content.boxes:
        marks.append(_outline(box, picture, scale))
    for box in content.boxes:
        marks += _label(box, picture, scale, taken)
    return marks + shifted(caption.marks, picture.y + picture.height + 8)


def wanted_height(content: PageContent, room: float) -> float:
    """Height of the panel if the picture were as wide as its column."""
    image = content.image
    if image is None:
        return _LEAST
    return room * image.content_height / image.content_width + _caption(content, 0, room).y + 8


def _placed(image: PreparedImage, x: float, top: float, room: float, height: float) -> Picture:
    scale = min(room / image.content_width, height / image.content_height)
    shown = (
        max(1, round(image.content_width * scale)),
        max(1, round(image.content_height * scale)),
    )
    left = round(x + (room - shown[0]) / 2)
    return Picture(
        left, round(top), *shown, _content(image), image.content_width, image.content_height
    )


def _content(image: PreparedImage) -> bytes:
    """The grey values without the padding around them."""
    if (image.content_width, image.content_height) == (image.width, image.height):
        return image.gray
    start = image.top * image.width + image.left
    return b"".join(
        image.gray[start + row * image.width :][: image.content_width]
        for row in range(image.content_height)
    )


def _outline(box: BoxLabel, picture: Picture, scale: float) -> Rectangle:
    """Drawn around the box, and within the picture where the box reaches its edge."""
    x0, y0, x1, y1 = (corner * scale for corner in box.corners)
    left, top = max(x0, _LINE), max(y0, _LINE)
    right, bottom = min(x1, picture.width - _LINE), min(y1, picture.height - _LINE)
    return Rectangle(
        picture.x + left,
        picture.y + top,
        max(right - left, 2.0),
        max(bottom - top, 2.0),
        outline=DEVICE if box.device else FINDING,
        line=_LINE,
    )


def _label(box: BoxLabel, picture: Picture, scale: float, taken: list[_Place]) -> list[Mark]:
    """Beside the box where nothing else stands; the number alone where no name fits."""
    colour = DEVICE if box.device else FINDING
    for text in (f"{box.number} {tidy(box.text)}", str(box.number)):
        shown = cut(text, Face.SEMIBOLD, _LABEL, picture.width - 2 * _PADDING)
        size = width(shown, Face.SEMIBOLD, _LABEL) + 2 * _PADDING
        for x, y in _candidates(box, picture, scale, size):
            place = (x, y, x + size, y + _HEIGHT)
            if not any(_overlap(place, other) for other in taken):
                taken.append(place)
                return [
                    Rectangle(x, y, size, _HEIGHT, fill=colour),
                    line_at(x + _PADDING, y + 19, shown, _LABEL, Face.SEMIBOLD, BLACK),
                ]
    return []


def _candidates(
    box: BoxLabel, picture: Picture, scale: float, size: float
) -> list[tuple[float, float]]:
    """Above, below, inside at the top and at the bottom; all within the picture."""
    x0, y0, x1, y1 = box.corners
    left, right = picture.x + x0 * scale, picture.x + x1 * scale
    top, bottom = picture.y + y0 * scale, picture.y + y1 * scale
    edge, floor = picture.x + picture.width - size, picture.y + picture.height - _HEIGHT
    heights = (top - _HEIGHT, bottom, top, bottom - _HEIGHT)
    return [
        (min(max(x, picture.x), max(edge, picture.x)), y)
        for y in heights
        if picture.y <= y <= floor
        for x in (left, right - size)
    ]


def _overlap(one: _Place, other: _Place) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _caption(content: PageContent, x: float, room: float) -> Column:
    column = Column(x, 0, room)
    for text in content.caption:
        column.write(text, 17, colour=SOFT, most=2)
    return column
