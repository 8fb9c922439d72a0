"""Arranges the pictures of a study with their boxes, in original pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.findings import Box, Finding, Reading
from cxr_node.web import words
from cxr_node.web.source import StoredImage, StudyPage

_MOST_PICTURES = 8
_LETTER = 0.024
"""Height of a label as a part of the longer side of the image."""
# Declined for what they show, not because their pixels cannot be trusted.
_SHOWABLE = frozenset(
    {None, Reason.VIEW, Reason.AGE, Reason.AGE_UNKNOWN, Reason.BODY_PART, Reason.MODALITY}
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A box to draw; ``key`` joins it to its line in the findings table."""

    key: str
    label: str
    kind: str
    """"finding" or "anatomy": the style of the box."""
    x: float
    y: float
    width: float
    height: float
    text_x: float
    text_y: float
    anchor: str
    """"start" or "end": which end of the label lies at ``text_x``."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image with its boxes; ``letter`` is the height of labels in original pixels."""

    uid: str
    view: str
    columns: int
    rows: int
    letter: float
    marks: tuple[Mark, ...]


def pictures(page: StudyPage) -> tuple[Picture, ...]:
    """The images worth showing, those that were read first, each with its own boxes."""
    candidates = [image for image in page.images if _showable(image)]
    candidates.sort(key=lambda image: (image.reason is not None, image.view not in ("PA", "AP")))
    return tuple(_picture(image, page.reading) for image in candidates[:_MOST_PICTURES])


def _showable(image: StoredImage) -> bool:
    return bool(image.is_image and image.rows and image.columns and image.reason in _SHOWABLE)


def _picture(image: StoredImage, reading: Reading | None) -> Picture:
    rows, columns = image.rows or 1, image.columns or 1
    letter = max(rows, columns) * _LETTER
    marks = tuple(
        _mark(key, label, box, columns, letter)
        for key, label, box in (_boxes(reading) if reading else ())
        if box.sop_instance_uid == image.sop_instance_uid
    )
    return Picture(image.sop_instance_uid.text, image.view, columns, rows, letter, marks)


def _boxes(reading: Reading) -> Iterator[tuple[str, str, Box]]:
    if reading.ratio:
        yield "heart", "heart width", reading.ratio.heart
        yield "thorax", "thorax width", reading.ratio.thorax
    for finding in reading.present:
        if finding.box:
            yield finding.kind.value, _label(finding), finding.box


def _label(finding: Finding) -> str:
    name = words.finding_name(finding.kind.value)
    return name if finding.probability is None else f"{name} {100 * finding.probability:.0f} %"


def _mark(key: str, label: str, box: Box, columns: int, letter: float) -> Mark:
    left, right = sorted((box.x0, box.x1))
    top, bottom = sorted((box.y0, box.y1))
    leftward = left + right > columns
    above = top > letter * 1.4
    return Mark(
        key=key,
        label=label,
        kind="anatomy" if key in ("heart", "thorax") else "finding",
        x=left,
        y=top,
        width=right - left,
        height=bottom - top,
        text_x=right if leftward else left,
        text_y=top - letter * 0.35 if above else bottom + letter * 1.05,
        anchor="end" if leftward else "start",
    )
