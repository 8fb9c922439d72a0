"""A reading with everything in it: two boxed findings, a device, a ratio, all eight stages."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from cxr_node.domain.findings import (
    Advice,
    Box,
    CardiothoracicRatio,
    Clash,
    Contradiction,
    DevicePosition,
    Finding,
    FindingKind,
    ImageReference,
    Laterality,
    ModelIdentity,
    Presence,
    PriorStudy,
    Reading,
    ReadingKind,
    Severity,
    TracePart,
    TraceSection,
    Zone,
)
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.stages import StageKey, Turn

IMAGE = Uid("1.2.826.0.1.3680043.8.498.1.1")
SERIES = Uid("1.2.826.0.1.3680043.8.498.1")
DX = Uid("1.2.840.10008.5.1.4.1.1.1.1")

MODEL = ModelIdentity(
    name="embedded",
    version="0.1",
    digest="0" * 64,
    family="qwen2_5_vl",
    device_uid=Uid("2.25.1234567890"),
    manufacturer="cxr-node project",
    intended_use="commissioning and demonstration",
    statement="This model has not been trained; its answers mean nothing.",
)


def sample_image(**changes: Any) -> ImageReference:
    """The image that :func:`sample_reading` speaks of."""
    image = ImageReference(
        sop_instance_uid=IMAGE,
        sop_class_uid=DX,
        series_uid=SERIES,
        rows=512,
        columns=400,
        view="PA",
    )
    return replace(image, **changes)


def box(x0: float, y0: float, x1: float, y1: float, image: Uid = IMAGE) -> Box:
    """A box on ``image``, in original pixels."""
    return Box(image, x0, y0, x1, y1)


def finding(kind: FindingKind, probability: float | None, **changes: Any) -> Finding:
    """A finding held present at 0.5 or above, absent below, not assessed without probability."""
    presence = Presence.NOT_ASSESSED
    if probability is not None:
        presence = Presence.PRESENT if probability >= 0.5 else Presence.ABSENT
    return replace(Finding(kind, presence, probability, 0.5), **changes)


def turn(stage: StageKey, question: str, answer: str, subject: str = "", **changes: Any) -> Turn:
    """One accepted question and answer."""
    prompt = f"{question} {subject}".strip() + "?"
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    plain = Turn(
        stage=stage,
        question=question,
        subject=subject,
        prompt=prompt,
        prompt_sha256=digest,
        context_sha256=digest,
        answer=answer,
        probabilities={},
        accepted=True,
    )
    return replace(plain, **changes)


def sample_findings(image: Uid = IMAGE) -> tuple[Finding, ...]:
    """Pneumothorax and effusion with boxes, a tube too low, everything else absent."""
    present = (
        finding(
            FindingKind.PNEUMOTHORAX,
            0.87,
            laterality=Laterality.RIGHT,
            zone=Zone.APEX,
            severity=Severity.MODERATE,
            box=box(40.5, 30.25, 150.0, 140.75, image),
            description="Visceral pleural line at the right apex.",
        ),
        finding(
            FindingKind.PLEURAL_EFFUSION,
            0.64,
            laterality=Laterality.LEFT,
            zone=Zone.LOWER,
            severity=Severity.MILD,
            box=box(230.0, 380.5, 360.25, 470.0, image),
        ),
        finding(
            FindingKind.ENDOTRACHEAL_TUBE,
            0.91,
            position=DevicePosition.TOO_LOW,
            zone=Zone.MEDIASTINUM,
        ),
    )
    named = {f.kind for f in present}
    absent = tuple(
        finding(kind, 0.08)
        for kind in FindingKind
        if kind not in named and kind is not FindingKind.PLEURAL_OTHER
    )
    return (*present, *absent, finding(FindingKind.PLEURAL_OTHER, None))


def sample_turns() -> tuple[Turn, ...]:
    """At least one turn for each of the eight stages."""
    pair = "endotracheal_tube+pneumothorax"
    return (
        turn(StageKey.QUALITY_VIEW, "projection", "PA", probabilities={"PA": 0.8, "AP": 0.2}),
        turn(StageKey.QUALITY_VIEW, "limits", "Shallow inspiration."),
        turn(StageKey.FINDINGS, "overall", "abnormal"),
        turn(StageKey.FINDINGS, "presence", "present", "pneumothorax"),
        turn(StageKey.FINDINGS, "presence", "present", "pleural_effusion"),
        turn(StageKey.FINDINGS, "presence", "present", "endotracheal_tube"),
        turn(StageKey.FINDINGS, "other", "No other abnormality."),
        turn(StageKey.ATTRIBUTES_GROUNDING, "side", "right", "pneumothorax"),
        turn(StageKey.ATTRIBUTES_GROUNDING, "description", "Pleural line.", "pneumothorax"),
        turn(StageKey.RELATIONSHIPS, "relation", "accompanies", pair),
        turn(StageKey.RELATIONSHIPS, "summary", "The tube may have caused the pneumothorax."),
        turn(StageKey.COMPARISON, "change", "new", "pneumothorax"),
        turn(StageKey.COMPARISON, "summary", "The pneumothorax is new."),
        turn(StageKey.FUTURE_TREND, "course", "worsen"),
        turn(StageKey.FUTURE_TREND, "summary", "Expected to grow without drainage."),
        turn(StageKey.ADVICE, "category", "1"),
        turn(StageKey.ADVICE, "next_step", "urgent_clinical_review"),
        turn(StageKey.REPORT, "findings", "Right apical pneumothorax, small left effusion."),
        turn(StageKey.REPORT, "impression", "Right pneumothorax. Endotracheal tube too low."),
    )


def sample_reading(**changes: Any) -> Reading:
    """A full reading of :func:`sample_image`; any field may be replaced."""
    quality = dict.fromkeys(("positioning", "exposure", "rotation", "coverage"), "adequate")
    reading = Reading(
        kind=ReadingKind.READ,
        model=MODEL,
        images=(sample_image(),),
        projection="PA",
        quality={**quality, "inspiration": "limited"},
        abnormal=0.93,
        findings=sample_findings(),
        ratio=CardiothoracicRatio(
            0.54, heart=box(130.0, 220.0, 292.0, 400.0), thorax=box(50.0, 60.0, 350.0, 450.0)
        ),
        relations=("The tube may have caused the pneumothorax.",),
        changes=("The pneumothorax is new.",),
        trend="Expected to grow without drainage.",
        advice=Advice(1, "urgent_clinical_review"),
        findings_text="Right apical pneumothorax, small left effusion.",
        impression="Right pneumothorax. Endotracheal tube too low.",
        turns=sample_turns(),
    )
    return replace(reading, **changes)


def contradicted(**changes: Any) -> Reading:
    """The sample reading with a contradiction, a trace, a prior and stated confidences."""
    words = "the report says left, the answer says right"
    clash = Contradiction(Clash.SIDE, words, (FindingKind.PNEUMOTHORAX,))
    found = tuple(
        replace(f, uncertainty=0.3, confidence=0.35) if f.present else f for f in sample_findings()
    )
    part = TracePart(TraceSection.PLEURA, "A pleural line runs along the right apex.")
    earlier = sample_image(sop_instance_uid=Uid("1.2.826.0.1.3680043.8.498.2.1"))
    reading = sample_reading(
        findings=found,
        contradictions=(clash,),
        warnings=(words,),
        trace=(part,),
        prior=PriorStudy(Uid("1.2.826.0.1.3680043.8.498.2"), earlier, "20250301"),
        dropped_terms=("hiatal hernia",),
    )
    return replace(reading, **changes)
