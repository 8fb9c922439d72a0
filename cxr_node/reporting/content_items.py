"""Content items of a report (PS3.3 Table C.17-5), so that the trees above read like PS3.16.

Plain data sets of finished values: a report has two thousand of them, and checking each value
again would take longer than all the rest. Codes were checked when the templates were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence as ItemSequence
from pydicom.sr.coding import Code
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.valuerep import DS, VR

from cxr_node.domain.findings import Box, Finding, ImageReference
from cxr_node.domain.identifiers import Uid
from cxr_node.reporting.codes import CodeEntry, Codes

Items = list[Dataset]
"""Content items in their order."""
Relation = Literal[
    "CONTAINS",
    "HAS PROPERTIES",
    "HAS OBS CONTEXT",
    "HAS CONCEPT MOD",
    "INFERRED FROM",
    "SELECTED FROM",
]
BELOW: Relation = "HAS PROPERTIES"
"""How a property hangs on what it is a property of."""
SOURCE = Code("260753009", "SCT", "Source")
"""Name of an image or a place whose parent already says what it is for."""
_GROUP = Code("125007", "DCM", "Measurement Group")
_MEASURED_ON = Code("121112", "DCM", "Source of Measurement")
_IDENTIFIED_BY = Code("112039", "DCM", "Tracking Identifier")
_TRACKED = Code("112040", "DCM", "Tracking Unique Identifier")
_Name = CodeEntry | Code

_CODE_VALUE, _SCHEME, _MEANING = BaseTag(0x00080100), BaseTag(0x00080102), BaseTag(0x00080104)
_REFERENCED, _CLASS, _INSTANCE = BaseTag(0x00081199), BaseTag(0x00081150), BaseTag(0x00081155)
_RELATION, _TYPE, _NAME = BaseTag(0x0040A010), BaseTag(0x0040A040), BaseTag(0x0040A043)
_CONTINUITY, _BELOW, _TEMPLATE = BaseTag(0x0040A050), BaseTag(0x0040A730), BaseTag(0x0040A504)
_UID, _TEXT, _FLOAT = BaseTag(0x0040A124), BaseTag(0x0040A160), BaseTag(0x0040A161)
_CODED, _MEASURED, _NUMERIC = BaseTag(0x0040A168), BaseTag(0x0040A300), BaseTag(0x0040A30A)
_UNITS = BaseTag(0x004008EA)
_POINTS, _GRAPHIC = BaseTag(0x00700022), BaseTag(0x00700023)
_RESOURCE, _IDENTIFIER = BaseTag(0x00080105), BaseTag(0x0040DB00)


def text(name: _Name, value: str, relation: Relation = "CONTAINS") -> Dataset:
    """A TEXT item."""
    return _item("TEXT", name, relation, _element(_TEXT, VR.UT, value))


def code(name: _Name, value: _Name, relation: Relation = "CONTAINS") -> Dataset:
    """A CODE item."""
    return _item("CODE", name, relation, _coded(_CODED, value))


def number(name: _Name, value: float, unit: _Name, relation: Relation = "CONTAINS") -> Dataset:
    """A NUM item."""
    measured = _data_set(
        _coded(_UNITS, unit),
        _element(_FLOAT, VR.FD, float(value)),
        _element(_NUMERIC, VR.DS, DS(float(value), auto_format=True)),
    )
    return _item("NUM", name, relation, _sequence(_MEASURED, [measured]))


def uid(name: _Name, value: Uid, relation: Relation) -> Dataset:
    """A UIDREF item."""
    return _item("UIDREF", name, relation, _element(_UID, VR.UI, UID(value.text)))


def image(name: _Name, shown: ImageReference, relation: Relation = "CONTAINS") -> Dataset:
    """An IMAGE item."""
    referenced = _data_set(
        _element(_CLASS, VR.UI, UID(shown.sop_class_uid.text)),
        _element(_INSTANCE, VR.UI, UID(shown.sop_instance_uid.text)),
    )
    return _item("IMAGE", name, relation, _sequence(_REFERENCED, [referenced]))


def line(
    name: _Name, points: Sequence[float], drawn_on: ImageReference, relation: Relation
) -> Dataset:
    """An SCOORD item of type POLYLINE; ``points`` are column and row in turn."""
    found = _item(
        "SCOORD",
        name,
        relation,
        DataElement(_POINTS, VR.FL, list(points)),
        _element(_GRAPHIC, VR.CS, "POLYLINE"),
    )
    return within(found, [image(SOURCE, drawn_on, "SELECTED FROM")])


def container(name: _Name, items: Iterable[Dataset], template: str = "") -> Dataset:
    """A CONTAINER that its parent contains; ``template`` is its TID."""
    found = _item("CONTAINER", name, "CONTAINS", _element(_CONTINUITY, VR.CS, "CONTINUOUS"))
    if template:
        used = _data_set(_element(_RESOURCE, VR.CS, "DCMR"), _element(_IDENTIFIER, VR.CS, template))
        found[_TEMPLATE] = _sequence(_TEMPLATE, [used])
    found[_BELOW] = _sequence(_BELOW, list(items))
    return found


def group(rows: Iterable[Dataset], template: str) -> Dataset:
    """A Measurement Group after one of the templates that TID 1500 includes."""
    return container(_GROUP, rows, template)


def source_of(shown: ImageReference) -> Dataset:
    """The image that a group without a region is about."""
    return image(_MEASURED_ON, shown)


def tracking(name: str, value: Uid, relation: Relation = "HAS OBS CONTEXT") -> Items:
    """Tracking Identifier and Tracking Unique Identifier."""
    return [text(_IDENTIFIED_BY, name, relation), tracked(value, relation)]


def tracked(value: Uid, relation: Relation = BELOW) -> Dataset:
    """The Tracking Unique Identifier alone, where something speaks of a finding."""
    return uid(_TRACKED, value, relation)


def within(parent: Dataset, children: Iterable[Dataset]) -> Dataset:
    """``parent`` with ``children`` below it."""
    found = list(children)
    if found:
        parent[_BELOW] = _sequence(_BELOW, found)
    return parent


def certainty_percent(probability: float) -> float:
    """Probability as the value of Certainty of Finding (111012, DCM): percent, one decimal."""
    return round(probability * 100, 1)


def finding_sites(finding: Finding, codes: Codes) -> Items:
    """Finding Site items: where this finding lives, then the zone that was named."""
    usual = codes.findings[finding.kind].site
    zone = codes.zones[finding.zone] if finding.zone else None
    sites = [codes.sites[usual]]
    if zone is not None:
        in_lung = usual == "lung" and zone.value in _lung_codes(codes)
        sites = [zone] if in_lung or zone.value == sites[0].value else [*sites, zone]
    side = codes.laterality[finding.laterality] if finding.laterality else None
    return [site_item(site, codes, side) for site in sites]


def site_item(site: CodeEntry, codes: Codes, side: CodeEntry | None = None) -> Dataset:
    """A Finding Site with its Laterality."""
    concepts = codes.concepts
    found = code(concepts.finding_site, site, "HAS CONCEPT MOD")
    sides = [] if side is None else [code(concepts.laterality, side, "HAS CONCEPT MOD")]
    return within(found, sides)


def _lung_codes(codes: Codes) -> set[str]:
    return {codes.zones[zone].value for zone in codes.zones if zone in _LUNG_ZONES}


_LUNG_ZONES = ("upper", "middle", "lower", "apex")


def clipped(box: Box, image: ImageReference) -> Box | None:
    """The part of the box inside the image; None where nothing with an area is left."""
    x0, x1 = sorted(min(max(x, 0.0), float(image.columns)) for x in (box.x0, box.x1))
    y0, y1 = sorted(min(max(y, 0.0), float(image.rows)) for y in (box.y0, box.y1))
    if x1 - x0 <= 0 or y1 - y0 <= 0:
        return None
    return Box(box.sop_instance_uid, x0, y0, x1, y1)


def outline(box: Box) -> list[float]:
    """Five points, first and last the same, each column then row (PS3.3 C.18.6.1.2)."""
    top, bottom = [box.x0, box.y0, box.x1, box.y0], [box.x1, box.y1, box.x0, box.y1]
    return [*top, *bottom, box.x0, box.y0]


def across(box: Box) -> list[float]:
    """Two points: the width of the box at half its height."""
    middle = (box.y0 + box.y1) / 2
    return [box.x0, middle, box.x1, middle]


def _item(kind: str, name: _Name, relation: Relation, *values: DataElement) -> Dataset:
    return _data_set(
        _element(_RELATION, VR.CS, relation),
        _element(_TYPE, VR.CS, kind),
        _coded(_NAME, name),
        *values,
    )


def _coded(tag: BaseTag, value: _Name) -> DataElement:
    """A sequence of one code (PS3.3 §8)."""
    scheme = value.scheme_designator if isinstance(value, Code) else value.scheme
    coded = _data_set(
        _element(_CODE_VALUE, VR.SH, value.value),
        _element(_SCHEME, VR.SH, scheme),
        _element(_MEANING, VR.LO, value.meaning),
    )
    return _sequence(tag, [coded])


def _sequence(tag: BaseTag, items: Items) -> DataElement:
    return _element(tag, VR.SQ, ItemSequence(items))


def _element(tag: BaseTag, vr: VR, value: Any) -> DataElement:
    return DataElement(tag, vr, value, already_converted=True)


def _data_set(*elements: DataElement) -> Dataset:
    return Dataset({element.tag: element for element in elements})
