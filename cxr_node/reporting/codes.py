"""The shape of ``codes.yaml``: a missing code is found at the start, not in a report."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator
from pydicom.sr.coding import Code

from cxr_node.domain.amendment import PersonRole
from cxr_node.domain.assessment import AssessmentVerdict
from cxr_node.domain.findings import (
    DevicePosition,
    FindingKind,
    Laterality,
    Presence,
    Severity,
    Zone,
)
from cxr_node.domain.priority import Priority
from cxr_node.domain.stages import (
    CHANGES,
    NEXT_STEPS,
    PROJECTIONS,
    QUALITY_DIMENSIONS,
    RELATIONS,
    StageKey,
)
from cxr_node.reporting.template_files import QUALITIES, Entry, complete, values


class Confidence(StrEnum):
    """How far a code can be relied on to mean what is said."""

    VERIFIED = "verified"
    AGREED = "agreed"
    UNVERIFIED = "unverified"
    PRIVATE = "private"


class CodeEntry(Entry):
    """One code with the place it was checked against (PS3.3 §8)."""

    scheme: str = Field(min_length=1, max_length=16, pattern=r"^[^\\]+$")
    value: str = Field(min_length=1, max_length=16, pattern=r"^[^\\]+$")
    meaning: str = Field(min_length=1, max_length=64, pattern=r"^[^\\\x00-\x1f]+$")
    source: str = Field(min_length=1)
    confidence: Confidence

    @model_validator(mode="after")
    def _private_is_said(self) -> Self:
        if self.scheme.startswith("99") is not (self.confidence is Confidence.PRIVATE):
            raise ValueError(
                "confidence: private goes with a scheme that begins with 99 and only it"
            )
        return self

    @property
    def code(self) -> Code:
        return Code(self.value, self.scheme, self.meaning)


class FindingCode(CodeEntry):
    """A finding with its usual site and its category (PS3.16 CID 6101)."""

    site: str
    category: str


class PrivateScheme(Entry):
    designator: str = Field(pattern=r"^99[A-Z0-9_]{1,14}$")
    name: str = Field(min_length=1)
    organization: str = Field(min_length=1)


class Concepts(Entry):
    """Names of content items and single values that are not keyed by a finding."""

    report_title: CodeEntry
    imaging_measurements: CodeEntry
    qualitative_evaluations: CodeEntry
    procedure_reported: CodeEntry
    default_procedure: CodeEntry
    conclusion: CodeEntry
    finding: CodeEntry
    finding_category: CodeEntry
    finding_site: CodeEntry
    laterality: CodeEntry
    presence: CodeEntry
    severity: CodeEntry
    certainty: CodeEntry
    comment: CodeEntry
    image_view: CodeEntry
    normal: CodeEntry
    algorithm_family: CodeEntry
    processing_equipment: CodeEntry
    percent: CodeEntry
    ratio_unit: CodeEntry
    ratio: CodeEntry
    device_position: CodeEntry
    triage_priority: CodeEntry
    actionable: CodeEntry
    held_uncertain: CodeEntry
    held_absent: CodeEntry
    model_statement: CodeEntry
    overall: CodeEntry
    qualitative_difference: CodeEntry
    next_step: CodeEntry
    prior_image: CodeEntry
    relation: CodeEntry
    advised_category: CodeEntry
    warning: CodeEntry
    amendment: CodeEntry
    assessments: CodeEntry
    assessment: CodeEntry
    heart_width: CodeEntry
    thorax_width: CodeEntry
    millimeter: CodeEntry


class Codes(Entry):
    """``codes.yaml``."""

    version: str
    private_scheme: PrivateScheme
    findings: dict[FindingKind, FindingCode]
    categories: dict[str, CodeEntry]
    sites: dict[str, CodeEntry]
    zones: dict[Zone, CodeEntry]
    laterality: dict[Laterality, CodeEntry]
    presence: dict[Presence, CodeEntry]
    severity: dict[Severity, CodeEntry]
    position: dict[DevicePosition, CodeEntry]
    projection: dict[str, CodeEntry]
    quality: dict[str, CodeEntry]
    quality_dimensions: dict[str, CodeEntry]
    priority: dict[Priority, CodeEntry]
    acr_category: dict[int, CodeEntry]
    change: dict[str, CodeEntry]
    relation: dict[str, CodeEntry]
    next_step: dict[str, CodeEntry]
    stages: dict[StageKey, CodeEntry]
    roles: dict[PersonRole, CodeEntry]
    assessment: dict[AssessmentVerdict, CodeEntry]
    concepts: Concepts

    @model_validator(mode="after")
    def _whole(self) -> Self:
        complete("findings", set(self.findings), values(FindingKind))
        complete("zones", set(self.zones), values(Zone))
        complete("laterality", set(self.laterality), values(Laterality))
        complete("presence", set(self.presence), values(Presence) - {Presence.NOT_ASSESSED})
        complete("severity", set(self.severity), values(Severity))
        complete("position", set(self.position), values(DevicePosition))
        complete("projection", set(self.projection), set(PROJECTIONS))
        complete("quality", set(self.quality), set(QUALITIES))
        complete("quality_dimensions", set(self.quality_dimensions), set(QUALITY_DIMENSIONS))
        complete("priority", set(self.priority), values(Priority))
        complete("acr_category", {str(n) for n in self.acr_category}, {"1", "2", "3"})
        complete("change", set(self.change), set(CHANGES))
        complete("relation", set(self.relation), set(RELATIONS) - {"none"})
        complete("next_step", set(self.next_step), set(NEXT_STEPS))
        complete("stages", set(self.stages), values(StageKey))
        complete("roles", set(self.roles), values(PersonRole))
        complete("assessment", set(self.assessment), values(AssessmentVerdict))
        for kind, entry in self.findings.items():
            if entry.site not in self.sites or entry.category not in self.categories:
                raise ValueError(f"findings.{kind}: names an unknown site or category")
        return self

    @property
    def entries(self) -> dict[str, CodeEntry]:
        """Every code of the file by its place in it, in file order."""
        found: dict[str, CodeEntry] = {}
        for name, table in self:
            if isinstance(table, dict):
                found |= {f"{name}.{key}": entry for key, entry in table.items()}
            elif isinstance(table, Concepts):
                found |= {f"{name}.{key}": entry for key, entry in table}
        return found

    @model_validator(mode="after")
    def _private_codes_declared(self) -> Self:
        for place, entry in self.entries.items():
            if entry.scheme.startswith("99") and entry.scheme != self.private_scheme.designator:
                raise ValueError(f"{place}: private scheme {entry.scheme} is not declared")
        return self
