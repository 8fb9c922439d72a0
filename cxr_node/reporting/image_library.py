"""The Image Library (PS3.16 TID 1600), from what is known of each image and no more.

Written by hand because radiographs often lack the spacing or orientation that ready-made
builders insist on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import highdicom.sr as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.sr.coding import Code

from cxr_node.domain.findings import ImageReference, PriorStudy
from cxr_node.domain.identifiers import Uid
from cxr_node.reporting.pixel_spacing import Spacing

_MODALITIES = {
    "DX": standard.DCM.DigitalRadiography,
    "CR": standard.DCM.ComputedRadiography,
}
_SOURCE = Code("260753009", "SCT", "Source")
_PIXELS = Code("{pixels}", "UCUM", "Pixels")
_MILLIMETER = Code("mm", "UCUM", "mm")
_DIRECTIONS = frozenset("LRAPFH")
_CONTEXT = hd.RelationshipTypeValues.HAS_ACQ_CONTEXT
_CONTAINS = hd.RelationshipTypeValues.CONTAINS


def image_library(
    images: Sequence[ImageReference],
    headers: Sequence[Dataset],
    spacings: dict[Uid, Spacing],
    prior: PriorStudy | None,
) -> list[hd.ContentItem]:
    """One library: a group with the images that were read, one with that of the prior."""
    known = {str(header.get("SOPInstanceUID", "")): header for header in headers}
    entries = []
    for image in images:
        uid = image.sop_instance_uid
        header = known.get(uid.text, Dataset())
        entries.append(
            _entry(image, [*_made(header), *_size(image), *_geometry(header, spacings.get(uid))])
        )
    groups = [_container(standard.DCM.ImageLibraryGroup, entries)]
    if prior is not None:
        earlier = _entry(prior.image, [*_date(prior.date), *_size(prior.image)])
        groups.append(_container(standard.DCM.ImageLibraryGroup, [earlier]))
    return [_container(standard.DCM.ImageLibrary, groups)]


def _entry(image: ImageReference, descriptors: list[Any]) -> hd.ContentItem:
    """TID 1601 with the descriptors of TID 1602 and 1603 that are known."""
    entry = hd.ImageContentItem(
        _SOURCE, image.sop_class_uid.text, image.sop_instance_uid.text, relationship_type=_CONTAINS
    )
    entry.ContentSequence = hd.ContentSequence(descriptors)
    return entry


def _made(header: Dataset) -> list[Any]:
    modality = str(header.get("Modality", ""))
    if modality not in _MODALITIES:
        return []
    return [hd.CodeContentItem(standard.DCM.Modality, _MODALITIES[modality], _CONTEXT)]


def _size(image: ImageReference) -> list[Any]:
    return [
        _number(standard.DCM.PixelDataRows, image.rows, _PIXELS),
        _number(standard.DCM.PixelDataColumns, image.columns, _PIXELS),
    ]


def _geometry(header: Dataset, spacing: Spacing | None) -> list[Any]:
    """Directions of row and column, and spacing; each only where it is usable."""
    found: list[Any] = []
    try:
        directions = [str(value) for value in header.PatientOrientation]
    except (AttributeError, TypeError, ValueError):
        directions = []
    if len(directions) == 2 and all(d and set(d) <= _DIRECTIONS for d in directions):
        names = (standard.DCM.PatientOrientationRow, standard.DCM.PatientOrientationColumn)
        found += [
            hd.TextContentItem(name, direction, _CONTEXT)
            for name, direction in zip(names, directions, strict=True)
        ]
    if spacing is not None:
        named = (
            (standard.DCM.HorizontalPixelSpacing, spacing.columns_mm),
            (standard.DCM.VerticalPixelSpacing, spacing.rows_mm),
        )
        found += [_number(name, value, _MILLIMETER) for name, value in named]
    return found


def _date(text: str) -> list[Any]:
    try:
        day = date.fromisoformat(text) if len(text) == 8 else None
    except ValueError:
        day = None
    return [] if day is None else [hd.DateContentItem(standard.DCM.StudyDate, day, _CONTEXT)]


def _number(name: Code, value: float, unit: Code) -> hd.ContentItem:
    return hd.NumContentItem(name, value, unit, relationship_type=_CONTEXT)


def _container(name: Code, items: list[Any]) -> hd.ContentItem:
    found = hd.ContainerContentItem(name, relationship_type=_CONTAINS)
    found.ContentSequence = hd.ContentSequence(items)
    return found
