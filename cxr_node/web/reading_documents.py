"""A reading as JSON: findings, boxes and every answer of the eight steps."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from cxr_node.domain.amendment import Amendment, PersonRole
from cxr_node.domain.findings import (
    Box,
    Clash,
    Contradiction,
    Finding,
    Presence,
    Reading,
    ReadingKind,
    TracePart,
    TraceSection,
)
from cxr_node.domain.priority import Priority
from cxr_node.domain.stages import AnswerSource, StageKey
from cxr_node.web import words


class Document(BaseModel):
    """A frozen JSON object."""

    model_config = ConfigDict(frozen=True)


class BoxDocument(Document):
    """A rectangle in original image pixels, origin at the top left corner."""

    sop_instance_uid: str
    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def of(cls, box: Box) -> Self:
        return cls(
            sop_instance_uid=box.sop_instance_uid.text, x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1
        )


class FindingDocument(Document):
    """One statement about one finding."""

    key: str
    presence: Presence
    probability: float | None
    threshold: float
    calibrated: bool
    uncertainty: float | None = Field(description="0 is sure, 1 knows nothing")
    confidence: float | None = Field(description="1 less uncertainty, lowered by contradictions")
    side: str | None
    zone: str | None
    severity: str | None
    position: str | None
    box: BoxDocument | None
    description: str

    @classmethod
    def of(cls, finding: Finding) -> Self:
        return cls(
            key=finding.kind.value,
            presence=finding.presence,
            probability=finding.probability,
            threshold=finding.threshold,
            calibrated=finding.calibrated,
            uncertainty=finding.uncertainty,
            confidence=finding.confidence,
            side=finding.laterality,
            zone=finding.zone,
            severity=finding.severity,
            position=finding.position,
            box=BoxDocument.of(finding.box) if finding.box else None,
            description=words.shown(finding.description),
        )


class ContradictionDocument(Document):
    """Two statements of the reading that cannot both be true."""

    clash: Clash
    words: str
    findings: list[str]

    @classmethod
    def of(cls, clash: Contradiction) -> Self:
        named = [kind.value for kind in clash.findings]
        return cls(clash=clash.clash, words=words.shown_lines(clash.words), findings=named)


class TraceDocument(Document):
    """A part of the model's reasoning over the whole image; unverified text."""

    section: TraceSection
    text: str
    findings: list[str]

    @classmethod
    def of(cls, part: TracePart) -> Self:
        named = [kind.value for kind in part.findings]
        return cls(section=part.section, text=words.shown_lines(part.text), findings=named)


class AmendmentDocument(Document):
    """The person's correction that a reading came of."""

    base_revision: int
    name: str
    organisation: str
    role: PersonRole
    reason: str
    at: datetime
    verified: bool = Field(description="the person answers for the whole report")
    priority: Priority | None
    corrections: dict[str, str] = Field(description="place to answer, those still in force")

    @classmethod
    def of(cls, amendment: Amendment) -> Self:
        person = amendment.person
        given = (*amendment.carried, *amendment.corrections)
        return cls(
            base_revision=amendment.base_revision,
            name=words.shown(person.name),
            organisation=words.shown(person.organisation),
            role=person.role,
            reason=words.shown_lines(amendment.reason),
            at=amendment.at,
            verified=amendment.verified,
            priority=amendment.priority,
            corrections={c.place: words.shown_lines(c.answer) for c in given},
        )


class AnswerDocument(Document):
    """One question of the eight steps and its answer."""

    stage: StageKey
    question: str
    subject: str
    prompt: str
    answer: str
    probabilities: dict[str, float]
    accepted: bool
    problem: str
    source: AnswerSource = Field(description="model, or the person who corrected it")


class ReadingDocument(Document):
    """What one pass of the model said, and where a person has corrected it."""

    kind: ReadingKind
    model_name: str
    model_version: str
    model_digest: str
    model_statement: str
    intended_use: str
    outside_intended_use: str = Field(description="why not to rely on it; empty when within use")
    verified: bool = Field(description="true only where a person answers for all of it")
    amendment: AmendmentDocument | None = Field(description="null for a model's own reading")
    projection: str | None
    quality: dict[str, str]
    abnormal: float | None
    cardiothoracic_ratio: float | None
    findings: list[FindingDocument]
    findings_text: str
    impression: str
    trend: str
    acr_category: int | None
    next_step: str | None
    skipped: dict[StageKey, str]
    warnings: list[str]
    review: bool = Field(description="the reading contradicts itself; a person should look at it")
    contradictions: list[ContradictionDocument]
    dropped_terms: list[str]
    trace: list[TraceDocument]
    prior_study_uid: str | None = Field(description="the study that step 5 compared with")
    answers: list[AnswerDocument]

    @classmethod
    def of(cls, reading: Reading) -> Self:
        model, clean = reading.model, words.shown_lines
        return cls(
            kind=reading.kind,
            model_name=clean(model.name),
            model_version=clean(model.version),
            model_digest=model.digest,
            model_statement=clean(model.statement),
            intended_use=clean(model.intended_use),
            outside_intended_use=clean(reading.outside_intended_use),
            verified=reading.amendment is not None and reading.amendment.verified,
            amendment=AmendmentDocument.of(reading.amendment) if reading.amendment else None,
            projection=reading.projection,
            quality=reading.quality,
            abnormal=reading.abnormal,
            cardiothoracic_ratio=reading.ratio.value if reading.ratio else None,
            findings=[FindingDocument.of(finding) for finding in reading.findings],
            findings_text=clean(reading.findings_text),
            impression=clean(reading.impression),
            trend=clean(reading.trend),
            acr_category=reading.advice.acr_category if reading.advice else None,
            next_step=reading.advice.next_step if reading.advice else None,
            skipped={item.stage: clean(item.reason) for item in reading.skipped},
            warnings=[clean(warning) for warning in reading.warnings],
            review=reading.review,
            contradictions=[ContradictionDocument.of(clash) for clash in reading.contradictions],
            dropped_terms=[clean(term) for term in reading.dropped_terms],
            trace=[TraceDocument.of(part) for part in reading.trace],
            prior_study_uid=reading.prior.study_uid.text if reading.prior else None,
            answers=_answers(reading),
        )


def _answers(reading: Reading) -> list[AnswerDocument]:
    return [
        AnswerDocument(
            stage=turn.stage,
            question=words.shown(turn.question),
            subject=words.shown(turn.subject),
            prompt=words.shown_lines(turn.prompt),
            answer=words.shown_lines(turn.answer),
            probabilities=turn.probabilities,
            accepted=turn.accepted,
            problem=words.shown(turn.problem),
            source=turn.source,
        )
        for turn in reading.turns
    ]
