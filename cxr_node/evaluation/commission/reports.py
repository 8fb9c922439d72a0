"""Reads a Structured Report back as a receiver does: from its codes alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.domain.errors import NotConformant
from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.evaluation.commission.studies import ReportRead, SaidFinding
from cxr_node.reporting.codes import CodeEntry, Codes

_MEASUREMENT_REPORT = ("126000", "DCM")
_MEASUREMENT_GROUP = ("125007", "DCM")

Coded = tuple[str, str]
"""Code value and scheme."""


def read_report(path: Path, codes: Codes) -> ReportRead:
    """What the file says. Raises :class:`NotConformant` for what is no report of this kind."""
    try:
        report = dcmread(path)
        return _read(report, codes)
    except BROKEN_VALUE as error:
        raise NotConformant(f"cannot be read ({type(error).__name__})") from error


def is_measurement_report(path: Path) -> bool:
    """Whether the file is a Structured Report that holds a measurement report (TID 1500)."""
    try:
        header = dcmread(path, specific_tags=["Modality", "ConceptNameCodeSequence"])
        return header.get("Modality") == "SR" and _name(header) == _MEASUREMENT_REPORT
    except BROKEN_VALUE:
        return False


def _read(report: Dataset, codes: Codes) -> ReportRead:
    if _name(report) != _MEASUREMENT_REPORT:
        raise NotConformant("is no imaging measurement report (TID 1500)")
    findings: dict[str, SaidFinding] = {}
    for kind, said in _Walk(codes).findings(report, Presence.PRESENT):
        before = findings.get(kind)
        findings[kind] = said if before is None else _together(before, said)
    views = [*_values(report, codes.concepts.image_view)]
    names = {_key(entry): key for key, entry in codes.projection.items()}
    return ReportRead(
        study_uid=str(report.get("StudyInstanceUID", "")),
        patient_id=str(report.get("PatientID", "")),
        patient_name=str(report.get("PatientName", "")),
        accession_number=str(report.get("AccessionNumber", "")),
        images=frozenset(_evidence(report)),
        verified=report.get("VerificationFlag") != "UNVERIFIED",
        model_digest=str(report.get("DeviceSerialNumber", "")),
        projection=next((names[view] for view in reversed(views) if view in names), ""),
        findings=findings,
    )


def _together(one: SaidFinding, other: SaidFinding) -> SaidFinding:
    """A finding may stand in a report several times; two presences of it do not agree."""
    presence = one.presence if one.presence == other.presence else "contradicted"
    return SaidFinding(presence, one.sides | other.sides)


class _Walk:
    def __init__(self, codes: Codes) -> None:
        concepts = codes.concepts
        self._finding, self._presence = _key(concepts.finding), _key(concepts.presence)
        self._site, self._side = _key(concepts.finding_site), _key(concepts.laterality)
        self._headings = {
            _key(concepts.held_absent): Presence.ABSENT,
            _key(concepts.held_uncertain): Presence.UNCERTAIN,
        }
        self._kinds = {_key(entry): kind for kind, entry in codes.findings.items()}
        self._presences = {_key(entry): key for key, entry in codes.presence.items()}
        self._sides = {_key(entry): str(key) for key, entry in codes.laterality.items()}

    def findings(self, item: Dataset, held: Presence) -> Iterator[tuple[str, SaidFinding]]:
        """Every finding below ``item``; one in a group is described by the group."""
        held = self._headings.get(_name(item), held)
        grouped = _name(item) == _MEASUREMENT_GROUP
        for child in _children(item):
            kind = self._kind(child)
            if kind is not None:
                yield kind.value, self._said(item if grouped else child, held)
            yield from self.findings(child, held)

    def _kind(self, item: Dataset) -> FindingKind | None:
        return self._kinds.get(_value(item)) if _name(item) == self._finding else None

    def _said(self, described: Dataset, held: Presence) -> SaidFinding:
        presence, sides = str(held), set()
        for below in _children(described):
            if _name(below) == self._presence:
                presence = str(self._presences.get(_value(below), "unknown"))
            if _name(below) == self._site:
                sides |= {
                    self._sides[_value(deep)]
                    for deep in _children(below)
                    if _name(deep) == self._side and _value(deep) in self._sides
                }
        return SaidFinding(presence, frozenset(sides))


def _values(item: Dataset, name: CodeEntry) -> Iterator[Coded]:
    for child in _children(item):
        if _name(child) == _key(name):
            yield _value(child)
        yield from _values(child, name)


def _children(item: Dataset) -> list[Dataset]:
    return list(item.get("ContentSequence", None) or ())


def _key(entry: CodeEntry) -> Coded:
    return entry.value, entry.scheme


def _name(item: Dataset) -> Coded:
    return _code(item, "ConceptNameCodeSequence")


def _value(item: Dataset) -> Coded:
    return _code(item, "ConceptCodeSequence")


def _code(item: Dataset, keyword: str) -> Coded:
    found = item.get(keyword, None) or ()
    if not found:
        return "", ""
    return str(found[0].get("CodeValue", "")), str(found[0].get("CodingSchemeDesignator", ""))


def _evidence(report: Dataset) -> Iterator[str]:
    for study in report.get("CurrentRequestedProcedureEvidenceSequence", None) or ():
        for series in study.get("ReferencedSeriesSequence", None) or ():
            for instance in series.get("ReferencedSOPSequence", None) or ():
                yield str(instance.get("ReferencedSOPInstanceUID", ""))
