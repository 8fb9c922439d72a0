"""The cardiothoracic ratio and the two widths behind it (PS3.16 TID 1501).

The ratio needs no spacing; lengths are given only where the header says how large a pixel
is, and the algorithm's parameters say whether that is at the detector.
"""

from __future__ import annotations

from pydicom import Dataset

from cxr_node.domain.findings import Box, CardiothoracicRatio, ImageReference
from cxr_node.reporting import content_items as item
from cxr_node.reporting.algorithm import algorithm
from cxr_node.reporting.codes import CodeEntry
from cxr_node.reporting.pixel_spacing import Spacing
from cxr_node.reporting.report_context import ReportContext

_AT_DETECTOR = "lengths at the detector, not corrected for magnification"
_CORRECTED = "lengths by Pixel Spacing"


def ratio_group(context: ReportContext) -> item.Items:
    """The group; empty without a ratio, or where a shape wants lines and none can be drawn."""
    ratio = context.reading.ratio
    if ratio is None:
        return []
    heart = context.placed(ratio.heart)
    if heart is None and not context.grouped:
        return []
    image = heart[1] if heart else context.reading.images[0]
    lengths, note = _lengths(ratio, image, context)
    concepts = context.codes.concepts
    value = round(ratio.value, 3)
    rows = [
        *item.tracking(
            context.wording.markers.ratio, context.tracking_uid(image.sop_instance_uid, "ratio")
        ),
        item.site_item(context.codes.sites["heart"], context.codes),
        *algorithm(context, notes=note),
        _measurement(concepts.ratio, value, concepts.ratio_unit, heart),
        *lengths,
        item.source_of(image),
    ]
    return [item.group(rows, "1501")]


def ratio_is_grouped(context: ReportContext) -> bool:
    """Whether the ratio stands among the measurements, so that it is not said twice."""
    ratio = context.reading.ratio
    return ratio is not None and (context.grouped or context.placed(ratio.heart) is not None)


def _lengths(
    ratio: CardiothoracicRatio, image: ImageReference, context: ReportContext
) -> tuple[item.Items, list[str]]:
    """Widths in mm and a note on them; none without spacing or outside the image."""
    spacing = context.spacings.get(image.sop_instance_uid)
    heart, thorax = context.placed(ratio.heart), context.placed(ratio.thorax)
    if spacing is None or heart is None or thorax is None or thorax[1] != image:
        return [], []
    concepts = context.codes.concepts
    named = ((concepts.heart_width, heart), (concepts.thorax_width, thorax))
    found = [
        _measurement(name, _width(placed[0], spacing), concepts.millimeter, placed)
        for name, placed in named
    ]
    return found, [_CORRECTED if spacing.calibrated else _AT_DETECTOR]


def _width(box: Box, spacing: Spacing) -> float:
    return round((box.x1 - box.x0) * spacing.columns_mm, 1)


def _measurement(
    name: CodeEntry, value: float, unit: CodeEntry, placed: tuple[Box, ImageReference] | None
) -> Dataset:
    """A number with the width of the box as a line of two points."""
    found = item.number(name, value, unit)
    if placed is None:
        return found
    line = item.line(item.SOURCE, item.across(placed[0]), placed[1], "INFERRED FROM")
    return item.within(found, [line])
