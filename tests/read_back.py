"""A report read back with highdicom's own reader: what it says of each finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import highdicom.sr as hd

from cxr_node.domain.findings import FindingKind
from cxr_node.reporting.templates import Templates


@dataclass
class Told:
    """One finding, wherever in the tree it stood."""

    presence: str | None = None
    certainty: float | None = None
    severity: str | None = None
    position: str | None = None
    change: str | None = None
    laterality: str | None = None
    sites: set[str] = field(default_factory=set)
    outline: list[tuple[float, float]] | None = None
    tracking: set[str] = field(default_factory=set)


@dataclass
class Document:
    """What a report says, by finding; and its numbers that belong to none."""

    findings: dict[FindingKind, Told] = field(default_factory=dict)
    numbers: dict[str, tuple[float, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    relations: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)


class Reader:
    """Reads reports written with ``templates``."""

    def __init__(self, templates: Templates) -> None:
        codes = templates.codes
        self._concepts = codes.concepts
        self._kinds = {(e.value, e.scheme): kind for kind, e in codes.findings.items()}
        self._tables = {
            codes.concepts.presence.value: ("presence", codes.presence),
            codes.concepts.severity.value: ("severity", codes.severity),
            codes.concepts.device_position.value: ("position", codes.position),
            codes.concepts.qualitative_difference.value: ("change", codes.change),
        }
        self._sides = {entry.value: side for side, entry in codes.laterality.items()}

    def read(self, content: bytes) -> Document:
        """Everything that was said; raises where the reader does."""
        document = Document()
        tree = hd.srread(BytesIO(content)).content
        for region in tree.get_planar_roi_measurement_groups():
            told = self._group(region, document)
            told.outline = _points(region.roi.value)
        for group in tree.get_image_measurement_groups():
            self._group(group, document)
        for item in tree[0].ContentSequence:
            if item.name.value == self._concepts.qualitative_evaluations.value:
                self._evaluations(item.ContentSequence, document)
        return document

    def _group(self, group: Any, document: Document) -> Told:
        found = group.finding_type
        told = Told()
        if found is not None:
            told = document.findings.setdefault(
                self._kinds[found.value, found.scheme_designator], told
            )
            told.tracking.add(str(group.tracking_uid))
            self._sites(group.finding_sites, told)
        for evaluation in group.get_qualitative_evaluations():
            self._code(evaluation, told)
        for measurement in group.get_measurements():
            self._number(measurement.name, measurement.value, measurement.unit, told, document)
            places = measurement.referenced_coordinates
            if found is not None and places:
                told.outline = _points(places[0].value)
        return told

    def _evaluations(self, items: Iterable[Any], document: Document) -> None:
        for item in items:
            name = item.name.value
            if item.ValueType == "CONTAINER":
                self._evaluations(item.ContentSequence, document)
            elif item.ValueType == "TEXT":
                document.texts[name] = document.texts.get(name, "") + str(item.TextValue)
            elif item.ValueType == "NUM":
                self._number(item.name, item.value, item.unit, Told(), document)
            elif name == self._concepts.finding.value:
                self._whole_image(item, document)
            elif name == self._concepts.relation.value:
                uids = tuple(str(below.UID) for below in item.ContentSequence)
                document.relations.append((item.value.value, uids))

    def _whole_image(self, item: Any, document: Document) -> None:
        kind = self._kinds[item.value.value, item.value.scheme_designator]
        told = document.findings.setdefault(kind, Told())
        for below in item.ContentSequence:
            if below.ValueType == "NUM":
                self._number(below.name, below.value, below.unit, told, document)
            elif below.ValueType == "UIDREF":
                told.tracking.add(str(below.UID))
            elif below.name.value == self._concepts.finding_site.value:
                self._sites([below], told)
            elif below.ValueType == "CODE":
                self._code(below, told)

    def _code(self, item: Any, told: Told) -> None:
        if item.name.value in self._tables:
            attribute, table = self._tables[item.name.value]
            [key] = [key for key, entry in table.items() if entry.value == item.value.value]
            setattr(told, attribute, str(key))

    def _sites(self, sites: Iterable[Any], told: Told) -> None:
        for site in sites:
            told.sites.add(site.value.value)
            for below in site.get("ContentSequence") or ():
                if below.name.value == self._concepts.laterality.value:
                    told.laterality = str(self._sides[below.value.value])

    def _number(self, name: Any, value: float, unit: Any, told: Told, document: Document) -> None:
        if name.value == self._concepts.certainty.value:
            told.certainty = float(value)
        else:
            document.numbers[name.value] = (float(value), unit.value)


def _points(value: Any) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in value]
