"""Segmentation (PS3.3 A.51) of lungs and heart, from masks that a model gives.

Binary, one frame a structure, in the pixels of the image. Masks of two images of different
size go into two objects.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.coding import Code

from cxr_node.domain.events import Event, emit
from cxr_node.domain.findings import ImageReference, Laterality
from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.results import AnatomyMask, Structure
from cxr_node.reporting.equipment import MODEL_NAME
from cxr_node.reporting.page.status import signed
from cxr_node.reporting.result_series import ResultSeries
from cxr_node.reporting.text import clean_name

_STRUCTURES: dict[Structure, tuple[str, str, str]] = {
    Structure.RIGHT_LUNG: ("Right lung", "lung", "right"),
    Structure.LEFT_LUNG: ("Left lung", "lung", "left"),
    Structure.HEART: ("Heart", "heart", ""),
}
"""Label, site in ``codes.yaml``, side."""
_CATEGORY = Code("123037004", "SCT", "Anatomical Structure")
"""PS3.16 CID 7150."""


def segmentations(series: ResultSeries, masks: Sequence[AnatomyMask]) -> list[Dataset]:
    """One object for each image with masks; an empty mask is left out.

    So is one that does not have the size of its image, which is logged: stretching it would
    put a heart where none is.
    """
    found: list[Dataset] = []
    for image in series.request.reading.images:
        drawn = [
            (mask.structure, _pixels(mask))
            for mask in masks
            if mask.sop_instance_uid == image.sop_instance_uid and _fits(mask, image)
        ]
        filled = [(structure, pixels) for structure, pixels in drawn if pixels.any()]
        if filled:
            found.append(_segmentation(series, image, filled, len(found) + 1))
    return found


def _fits(mask: AnatomyMask, image: ImageReference) -> bool:
    fitting = (mask.rows, mask.columns) == (image.rows, image.columns)
    fitting = fitting and len(mask.bits) * 8 >= mask.rows * mask.columns
    if not fitting:
        emit(Event.MASK_REFUSED, level=logging.WARNING, instance=image.sop_instance_uid)
    return fitting


def _pixels(mask: AnatomyMask) -> NDArray[np.uint8]:
    """Rows x columns of 0 and 1."""
    packed = np.frombuffer(mask.bits, np.uint8)
    whole = np.unpackbits(packed, count=mask.rows * mask.columns, bitorder="little")
    return whole.reshape(mask.rows, mask.columns)


def _segmentation(
    series: ResultSeries,
    image: ImageReference,
    masks: list[tuple[Structure, NDArray[np.uint8]]],
    number: int,
) -> Dataset:
    source = series.evidence(image)
    source.SamplesPerPixel, source.PhotometricInterpretation = 1, "MONOCHROME2"
    made: Dataset = hd.seg.Segmentation(
        source_images=[source],
        pixel_array=np.stack([pixels for _, pixels in masks], axis=-1)[np.newaxis],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _segment(place, structure, series) for place, (structure, _) in enumerate(masks, 1)
        ],
        content_label="AI_ANATOMY",
        content_description=clean_name(
            signed(series.request.reading, series.request.templates.wording)
        ),
        **series.arguments(number, image.sop_instance_uid.text),
        **series.content_moment(),
        **series.equipment(),
    )
    dimensions = result_uid("dimensions", str(made.SOPInstanceUID)).text
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    made.PatientOrientation = None
    return series.finished(made)


def _segment(number: int, structure: Structure, series: ResultSeries) -> hd.seg.SegmentDescription:
    label, site, side = _STRUCTURES[structure]
    codes, model = series.request.templates.codes, series.request.reading.model
    described = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=_CATEGORY,
        segmented_property_type=codes.sites[site].code,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=clean_name(model.name) or MODEL_NAME,
            version=clean_name(model.version) or "0",
            family=codes.concepts.algorithm_family.code,
        ),
    )
    if side:
        modifier = hd.sr.CodedConcept.from_code(codes.laterality[Laterality(side)].code)
        described.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
            modifier
        ]
    return described
