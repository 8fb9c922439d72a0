"""The shape of ``wording.<language>.yaml``: every word a person reads in a result."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from string import Formatter
from typing import Any, Self

from pydantic import Field, model_validator

from cxr_node.domain.amendment import PersonRole
from cxr_node.domain.findings import DevicePosition, FindingKind, Laterality, Severity, Zone
from cxr_node.domain.stages import NEXT_STEPS, QUALITY_DIMENSIONS, StageKey
from cxr_node.reporting.sentences import Phrasebook, Sentence
from cxr_node.reporting.template_files import QUALITIES, Entry, complete, values

SHORT_NAME = 19
"""Longest short name: a viewer runs a longer label out of the picture."""


class Language(Entry):
    value: str = Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="RFC 5646 tag")
    meaning: str


class Sentences(Entry):
    """Sentences with names in braces; ``_names`` are those that the node fills in."""

    @classmethod
    def allowed(cls) -> dict[str, set[str]]:
        """Field to the names its default text may hold."""
        return {
            name: set(str(info.description or "").split())
            for name, info in cls.model_fields.items()
        }

    @model_validator(mode="after")
    def _names_known(self) -> Self:
        for field, names in self.allowed().items():
            for _, name, spec, _ in Formatter().parse(getattr(self, field)):
                if name is not None and (name not in names or spec):
                    raise ValueError(f"{field}: {{{name}}} is not a name that is filled in")
        return self


def _names(names: str = "") -> str:
    found: str = Field(description=names)
    return found


class Markers(Sentences):
    flagged: str = _names("priority")
    read: str = _names()
    comment: str = _names("finding")
    tracking: str = _names("number finding")
    sided: str = _names("side finding")
    uncertain: str = _names("finding")
    absent: str = _names("finding")
    ratio: str = _names()


class ConclusionWords(Sentences):
    banner: str = _names()
    outside: str = _names("reason")
    statement: str = _names("statement")
    image: str = _names("projection")
    image_unknown: str = _names()
    present: str = _names("findings")
    nothing: str = _names()
    nothing_assessed: str = _names()
    uncertain: str = _names("findings")
    devices: str = _names("findings")
    contradicted: str = _names("count findings")
    contradicted_once: str = _names("findings")
    contradicted_overall: str = _names("count")
    contradicted_overall_once: str = _names()
    not_assessed: str = _names("findings")
    ratio: str = _names("ratio")
    ratio_ap: str = _names("ratio")
    priority: str = _names("priority words")
    impression: str = _names("text")
    model: str = _names("name version")


class AmendmentWords(Sentences):
    """What a report says of the persons behind it."""

    verified: str = _names("name organisation date")
    amended: str = _names("name organisation date")
    stated: str = _names()
    """Stands behind a finding that a person stated, in place of the probability."""
    amendment: str = _names("name role organisation date reason")
    correction: str = _names("place answer")
    carried: str = _names("place answer")
    series_amended: str = _names()
    series_verified: str = _names()


class StageWords(Sentences):
    skipped: str = _names("reason")
    empty: str = _names()
    refused: str = _names("count")
    projection: str = _names("projection")
    quality: str = _names("items")
    overall: str = _names("probability")
    present: str = _names("findings")
    uncertain: str = _names("findings")
    absent: str = _names("findings")
    not_assessed: str = _names("findings")
    finding: str = _names("label attributes")
    no_attributes: str = _names()
    box: str = _names("x0 y0 x1 y1")
    ratio: str = _names("ratio")
    generated: str = _names("text")
    trace: str = _names("section text")
    prior: str = _names("date")
    prior_undated: str = _names()
    confidence: str = _names("findings")
    advice: str = _names("category next_step")
    no_category: str = _names()
    findings_text: str = _names("text")
    impression: str = _names("text")
    dropped: str = _names("terms")
    warnings: str = _names("text")


class SeriesWords(Sentences):
    """Series descriptions of the objects beside the report: a PACS rule can act on them."""

    page: str = _names()
    pdf: str = _names()
    key_object: str = _names("priority")
    key_object_unmarked: str = _names()
    presentation_state: str = _names()
    segmentation: str = _names()


class PageWords(Sentences):
    """Everything on the readable page that is not a finding's own word."""

    title: str = _names()
    unverified: str = _names()
    amended: str = _names()
    verified: str = _names()
    priority: str = _names("priority")
    revision: str = _names("number")
    name_not_shown: str = _names()
    patient_id: str = _names("value")
    birth_date: str = _names("value")
    sex: str = _names("value")
    study_date: str = _names("value")
    accession: str = _names("value")
    prior: str = _names("value")
    prior_undated: str = _names()
    no_prior: str = _names()
    conclusion: str = _names()
    uncertain: str = _names("findings")
    more: str = _names("count")
    proposal: str = _names("priority words")
    advice: str = _names("category next_step")
    warnings: str = _names()
    quality: str = _names("items")
    not_assessed: str = _names("findings")
    findings: str = _names()
    finding_uncertain: str = _names()
    no_rows: str = _names()
    absent: str = _names("findings")
    legend: str = _names()
    uncalibrated: str = _names()
    picture: str = _names("projection")
    picture_one_of: str = _names("projection count")
    no_picture: str = _names()
    ratio: str = _names("ratio")
    ratio_ap: str = _names("ratio")
    steps: str = _names()
    quality_adequate: str = _names("projection")
    quality_limited: str = _names("projection items")
    projection_unknown: str = _names()
    counted: str = _names("present uncertain absent not_assessed")
    abnormal: str = _names("probability")
    located: str = _names("present boxes")
    step_skipped: str = _names("reason")
    step_empty: str = _names()
    refused: str = _names("count")
    model: str = _names("name version digest node templates")
    built: str = _names("date study")
    disclaimer: str = _names()
    disclaimer_verified: str = _names()


def _spoken(table: Mapping[Any, str]) -> dict[str, str]:
    """Words by the names that the node's own English sentences use."""
    named = {str(key): word for key, word in table.items()}
    return named | {key.replace("_", " "): word for key, word in named.items()}


class Wording(Entry):
    """``wording.<language>.yaml``."""

    version: str
    language: Language
    findings: dict[FindingKind, str]
    short_findings: dict[FindingKind, str]
    laterality: dict[Laterality, str]
    side_letters: dict[Laterality, str]
    zones: dict[Zone, str]
    severity: dict[Severity, str]
    position: dict[DevicePosition, str]
    quality: dict[str, str]
    quality_dimensions: dict[str, str]
    next_steps: dict[str, str]
    stage_titles: dict[StageKey, str]
    step_names: dict[StageKey, str]
    rules: dict[str, str] = Field(default_factory=dict)
    """Id of a priority rule to its words, where they differ from those in the rule."""
    phrases: dict[str, str] = Field(default_factory=dict)
    """What other parts of the node say in English to the same in this language."""
    markers: Markers
    series: SeriesWords
    page: PageWords
    conclusion: ConclusionWords
    amendment: AmendmentWords
    roles: dict[PersonRole, str]
    stages: StageWords

    sentences: tuple[Sentence, ...] = ()
    """The same for sentences that name a finding, a side or the like."""

    def phrase(self, english: str) -> str:
        """What another part of the node says in English, in this language if it is known."""
        return self._known(english) or english

    def _known(self, english: str) -> str | None:
        exact = self.phrases.get(english)
        if exact is not None or not self.sentences:
            return exact
        return self._book.translated(english)

    @cached_property
    def _book(self) -> Phrasebook:
        words = self.phrases | {key.upper(): word for key, word in self.phrases.items()}
        vocabulary = {
            "finding": _spoken(self.findings),
            "side": _spoken(self.laterality),
            "zone": _spoken(self.zones),
            "severity": _spoken(self.severity),
            "word": words,
        }
        return Phrasebook(self.sentences, vocabulary, self._known)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        complete("findings", set(self.findings), values(FindingKind))
        complete("short_findings", set(self.short_findings), values(FindingKind))
        for kind, name in self.short_findings.items():
            if len(name) > SHORT_NAME:
                raise ValueError(f"short_findings.{kind}: longer than {SHORT_NAME} characters")
        complete("laterality", set(self.laterality), values(Laterality))
        complete("side_letters", set(self.side_letters), values(Laterality))
        complete("zones", set(self.zones), values(Zone))
        complete("severity", set(self.severity), values(Severity))
        complete("position", set(self.position), values(DevicePosition))
        complete("quality", set(self.quality), set(QUALITIES))
        complete("quality_dimensions", set(self.quality_dimensions), set(QUALITY_DIMENSIONS))
        complete("roles", set(self.roles), values(PersonRole))
        complete("stage_titles", set(self.stage_titles), values(StageKey))
        complete("step_names", set(self.step_names), values(StageKey))
        complete("next_steps", set(self.next_steps), set(NEXT_STEPS))
        return self
