"""Single content items, so that the trees above read like the tables of PS3.16."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import highdicom.sr as hd
import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.findings import Box, Finding, ImageReference
from cxr_node.reporting.codes import CodeEntry, Codes

Items = list[Any]
"""Content items; the library types those inside its templates as plain data sets."""


def text(name: CodeEntry, value: str, relation: str = "CONTAINS") -> hd.ContentItem:
    """A TEXT item."""
    return hd.TextContentItem(name.code, value, _relation(relation))


def code(name: CodeEntry, value: CodeEntry, relation: str = "CONTAINS") -> hd.ContentItem:
    """A CODE item."""
    return hd.CodeContentItem(name.code, value.code, _relation(relation))


def number(
    name: CodeEntry, value: float, unit: CodeEntry, relation: str = "CONTAINS"
) -> hd.ContentItem:
    """A NUM item."""
    return hd.NumContentItem(name.code, value, unit.code, relationship_type=_relation(relation))


def container(name: CodeEntry, items: Iterable[Any], template: str | None = None) -> hd.ContentItem:
    """A CONTAINER that its parent contains."""
    found = hd.ContainerContentItem(
        name.code, template_id=template, relationship_type=_relation("CONTAINS")
    )
    found.ContentSequence = hd.ContentSequence(list(items))
    return found


def within(parent: hd.ContentItem, children: Iterable[Any]) -> hd.ContentItem:
    """``parent`` with ``children`` below it."""
    found = list(children)
    if found:
        parent.ContentSequence = hd.ContentSequence(found)
    return parent


def certainty_percent(probability: float) -> float:
    """Probability as the value of Certainty of Finding (111012, DCM): percent, one decimal."""
    return round(probability * 100, 1)


def finding_sites(finding: Finding, codes: Codes) -> Sequence[Any]:
    """Finding Site items: where this finding lives, then the zone that was named."""
    usual = codes.findings[finding.kind].site
    zone = codes.zones[finding.zone] if finding.zone else None
    sites = [codes.sites[usual]]
    if zone is not None:
        in_lung = usual == "lung" and zone.value in _lung_codes(codes)
        sites = [zone] if in_lung or zone.value == sites[0].value else [*sites, zone]
    side = codes.laterality[finding.laterality].code if finding.laterality else None
    return [hd.FindingSite(site.code, laterality=side) for site in sites]


def _lung_codes(codes: Codes) -> set[str]:
    return {codes.zones[zone].value for zone in codes.zones if zone in _LUNG_ZONES}


_LUNG_ZONES = ("upper", "middle", "lower", "apex")


def source_image(image: ImageReference) -> Any:
    """The image that coordinates were drawn on."""
    return hd.SourceImageForRegion(image.sop_class_uid.text, image.sop_instance_uid.text)


def clipped(box: Box, image: ImageReference) -> Box | None:
    """The part of the box inside the image; None where nothing with an area is left."""
    x0, x1 = sorted(min(max(x, 0.0), float(image.columns)) for x in (box.x0, box.x1))
    y0, y1 = sorted(min(max(y, 0.0), float(image.rows)) for y in (box.y0, box.y1))
    if x1 - x0 <= 0 or y1 - y0 <= 0:
        return None
    return Box(box.sop_instance_uid, x0, y0, x1, y1)


def outline(box: Box) -> NDArray[np.float64]:
    """Five points, first and last the same, each column then row (PS3.3 C.18.6.1.2)."""
    return np.array(
        [
            [box.x0, box.y0],
            [box.x1, box.y0],
            [box.x1, box.y1],
            [box.x0, box.y1],
            [box.x0, box.y0],
        ]
    )


def across(box: Box) -> NDArray[np.float64]:
    """Two points: the width of the box at half its height."""
    middle = (box.y0 + box.y1) / 2
    return np.array([[box.x0, middle], [box.x1, middle]])


def _relation(name: str) -> hd.RelationshipTypeValues:
    return hd.RelationshipTypeValues(name)
