"""Grayscale Softcopy Presentation State (PS3.3 A.33.1): boxes and labels over the original.

The picture must look as it did without it, so the image's own modality and VOI transforms
are repeated; low values of a MONOCHROME1 image stay bright. Where the header names no
window there is none here either, and a viewer shows the full range (PS3.4 N.2).
"""

from __future__ import annotations

import highdicom as hd
import numpy as np
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    TextObject,
)
from pydicom import Dataset

from cxr_node.domain.findings import Box, Finding, ImageReference
from cxr_node.reporting.narrative import tracking_name
from cxr_node.reporting.page.status import signed
from cxr_node.reporting.result_series import ResultSeries
from cxr_node.reporting.softcopy_gray import (
    display_header,
    is_gray,
    low_is_bright,
    unequal_spacing,
    write_transforms,
)
from cxr_node.reporting.text import clean_name

_LAYER = "AI_BOXES"
_LABEL = "AI_BOXES"
_TEXT_HEIGHT, _TEXT_WIDTH = 0.035, 0.3
"""Of the label's place, as a share of the image's rows and columns."""


def presentation_states(series: ResultSeries) -> list[Dataset]:
    """One for each grey image that has a box on it."""
    found: list[Dataset] = []
    request = series.request
    numbered = list(enumerate(request.reading.present, 1))
    for path, image in zip(request.sources, request.reading.images, strict=True):
        boxed = [
            (number, finding, finding.box)
            for number, finding in numbered
            if finding.box is not None and finding.box.sop_instance_uid == image.sop_instance_uid
        ]
        header = display_header(path)
        if boxed and is_gray(header):
            found.append(_state(series, image, header, boxed, len(found) + 1))
    return found


def _state(
    series: ResultSeries,
    image: ImageReference,
    header: Dataset,
    boxed: list[tuple[int, Finding, Box]],
    number: int,
) -> Dataset:
    wording = series.request.templates.wording
    shown = series.evidence(image)
    shown.SamplesPerPixel = 1
    graphics, texts = [], []
    for count, finding, box in boxed:
        graphics.append(_outline(box, image))
        texts.append(_text(tracking_name(count, finding, wording), box, image))
    layer = GraphicLayer(layer_name=_LAYER, order=1, description=series.description)
    annotation = GraphicAnnotation(
        referenced_images=[shown],
        graphic_layer=layer,
        graphic_objects=graphics,
        text_objects=texts,
    )
    made: Dataset = hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[shown],
        content_label=_LABEL,
        content_description=clean_name(signed(series.request.reading, wording)),
        graphic_annotations=[annotation],
        graphic_layers=[layer],
        presentation_lut_transformation=hd.PresentationLUTTransformation(
            presentation_lut_shape="INVERSE" if low_is_bright(header) else "IDENTITY"
        ),
        **series.arguments(number, image.sop_instance_uid.text),
        **series.equipment(),
    )
    write_transforms(header, made)
    _aspect(header, made)
    # Type 2C: the image may be of either kind of body part, and mostly does not say.
    made.Laterality = None
    made.PresentationCreationDate = series.created.strftime("%Y%m%d")
    made.PresentationCreationTime = series.created.strftime("%H%M%S")
    return series.finished(made)


def _aspect(header: Dataset, made: Dataset) -> None:
    """Pixels that are not square are shown as they are (PS3.3 C.10.4)."""
    spacing = unequal_spacing(header)
    if spacing is not None:
        for area in made.DisplayedAreaSelectionSequence:
            del area.PresentationPixelAspectRatio
            area.PresentationPixelSpacing = [f"{value:.10g}" for value in spacing]


def _outline(box: Box, image: ImageReference) -> GraphicObject:
    corners = [
        (box.x0, box.y0),
        (box.x1, box.y0),
        (box.x1, box.y1),
        (box.x0, box.y1),
        (box.x0, box.y0),
    ]
    clipped = [
        (min(max(x, 0.0), float(image.columns)), min(max(y, 0.0), float(image.rows)))
        for x, y in corners
    ]
    return GraphicObject(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=np.asarray(clipped, np.float32),
        units=AnnotationUnitsValues.PIXEL,
    )


def _text(label: str, box: Box, image: ImageReference) -> TextObject:
    """Above the box, or within it at the image's upper edge."""
    high, wide = image.rows * _TEXT_HEIGHT, image.columns * _TEXT_WIDTH
    left = min(max(box.x0, 0.0), max(image.columns - wide, 0.0))
    top = box.y0 - high if box.y0 >= high else max(box.y0, 0.0)
    place = (left, top, min(left + wide, image.columns), min(top + high, image.rows))
    return TextObject(
        text_value=clean_name(label),
        units=AnnotationUnitsValues.PIXEL,
        bounding_box=place,
    )
