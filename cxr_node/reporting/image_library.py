"""The Image Library (PS3.16 TID 1600), from what is known of each image and no more.

Written by hand because radiographs often lack the spacing or orientation that ready-made
builders insist on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import highdicom.sr as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code

from cxr_node.domain.findings import ImageReference

_MODALITIES = {
    "DX": standard.DCM.DigitalRadiography,
    "CR": standard.DCM.ComputedRadiography,
}
_SOURCE = Code("260753009", "SCT", "Source")
_PIXELS = Code("{pixels}", "UCUM", "Pixels")
_CONTEXT = hd.RelationshipTypeValues.HAS_ACQ_CONTEXT
_CONTAINS = hd.RelationshipTypeValues.CONTAINS


def image_library(
    images: Iterable[ImageReference], headers: Sequence[Dataset]
) -> list[hd.ContentItem]:
    """One library with one group that holds the images that were read."""
    modality = {str(h.get("SOPInstanceUID", "")): str(h.get("Modality", "")) for h in headers}
    group = _container(standard.DCM.ImageLibraryGroup)
    group.ContentSequence = hd.ContentSequence(
        [_entry(image, modality.get(image.sop_instance_uid.text, "")) for image in images]
    )
    library = _container(standard.DCM.ImageLibrary)
    library.ContentSequence = hd.ContentSequence([group])
    return [library]


def _entry(image: ImageReference, modality: str) -> hd.ContentItem:
    """TID 1601 with the descriptors of TID 1602 that are known."""
    entry = hd.ImageContentItem(
        _SOURCE, image.sop_class_uid.text, image.sop_instance_uid.text, relationship_type=_CONTAINS
    )
    descriptors: list[hd.ContentItem] = [
        hd.NumContentItem(
            standard.DCM.PixelDataRows, image.rows, _PIXELS, relationship_type=_CONTEXT
        ),
        hd.NumContentItem(
            standard.DCM.PixelDataColumns, image.columns, _PIXELS, relationship_type=_CONTEXT
        ),
    ]
    if modality in _MODALITIES:
        named = hd.CodeContentItem(standard.DCM.Modality, _MODALITIES[modality], _CONTEXT)
        descriptors.insert(0, named)
    entry.ContentSequence = hd.ContentSequence(descriptors)
    return entry


def _container(name: Code) -> hd.ContentItem:
    return hd.ContainerContentItem(name, relationship_type=_CONTAINS)
