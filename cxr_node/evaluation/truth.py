"""What is true of one study, and a reading held against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cxr_node.domain.findings import Presence, Reading
from cxr_node.domain.stages import StageKey
from cxr_node.evaluation.cases import (
    NO_FINDING,
    SUPPORT_DEVICES,
    AnswerCase,
    BoxCase,
    Case,
    LabelCase,
    TextCase,
)
from cxr_node.evaluation.flags import flag_case
from cxr_node.reasoning import boxes
from cxr_node.reasoning.boxes import PercentBox

Place = tuple[StageKey, str, str]
"""Stage, question and subject, as a turn has them."""


@dataclass(frozen=True, slots=True)
class StudyTruth:
    """What is known of a study; whatever is left out is not graded.

    ``labels`` holds values of FindingKind, ``no_finding`` and ``support_devices``; ``boxes``
    are in percent of the picture that the model sees, subject by subject.
    """

    labels: Mapping[str, bool]
    answers: Mapping[Place, str] = field(default_factory=dict)
    texts: Mapping[Place, str] = field(default_factory=dict)
    boxes: Mapping[str, tuple[PercentBox, ...]] = field(default_factory=dict)
    ratio: float | None = None
    critical: bool | None = None
    """Whether the priority rules would call it STAT."""
    report: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Subgroups that are only known once the study is opened."""


def grade(
    key: str,
    truth: StudyTruth,
    reading: Reading,
    *,
    groups: Mapping[str, str],
    seconds: float = 0.0,
) -> Case:
    """The case of one study that was read.

    Attributes and boxes of a finding count where it is true and was held present: the
    questions about it are only asked then.
    """
    return Case(
        key=key,
        groups={**groups, **truth.groups},
        labels=tuple(_labels(truth.labels, reading)),
        answers=tuple(_answers(truth.answers, reading)),
        boxes=tuple(_boxes(truth.boxes, reading)),
        texts=(*_open_answers(truth.texts, reading), *_texts(truth.report, reading)),
        flag=None if truth.critical is None else flag_case(truth.critical, reading),
        ratio=_ratio(truth, reading),
        asked=len(reading.turns),
        refused=sum(not turn.accepted for turn in reading.turns),
        contradictions=len(reading.contradictions),
        seconds=round(seconds, 3),
    )


def _labels(truth: Mapping[str, bool], reading: Reading) -> Iterator[LabelCase]:
    found = {finding.kind.value: finding for finding in reading.findings}
    for label, true in truth.items():
        if label == NO_FINDING:
            called, probability = _no_finding(reading)
        elif label == SUPPORT_DEVICES:
            called, probability = _devices(reading)
        else:
            called, probability = found[label].presence, found[label].probability
        yield LabelCase(label=label, truth=true, called=called, probability=probability)


def _no_finding(reading: Reading) -> tuple[Presence, float | None]:
    """As the findings say it; the probability is that of the overall question."""
    normal = reading.abnormal is not None and reading.abnormal < 0.5
    held = any(not f.kind.is_device for f in reading.present)
    stated = None if reading.abnormal is None else 1 - reading.abnormal
    if stated is None:
        return Presence.NOT_ASSESSED, None
    return (Presence.PRESENT if normal and not held else Presence.ABSENT), stated


def _devices(reading: Reading) -> tuple[Presence, float | None]:
    """Any device; the probability is that of the most probable one."""
    asked = [
        (f, f.probability)
        for f in reading.findings
        if f.kind.is_device and f.probability is not None
    ]
    if not asked:
        return Presence.NOT_ASSESSED, None
    held = any(finding.present for finding, _ in asked)
    return (Presence.PRESENT if held else Presence.ABSENT), max(p for _, p in asked)


def _answers(truth: Mapping[Place, str], reading: Reading) -> Iterator[AnswerCase]:
    for turn in reading.turns:
        expected = truth.get((turn.stage, turn.question, turn.subject))
        if expected is not None:
            yield AnswerCase(
                stage=turn.stage.number,
                question=turn.question,
                subject=turn.subject,
                expected=expected,
                given=turn.answer if turn.accepted else "",
            )


def _boxes(truth: Mapping[str, tuple[PercentBox, ...]], reading: Reading) -> Iterator[BoxCase]:
    for turn in reading.turns:
        if turn.question in ("box", "anatomy_box") and turn.subject in truth:
            said = boxes.box(turn.answer) if turn.accepted else None
            yield BoxCase(subject=turn.subject, truth=truth[turn.subject], said=said)


def _open_answers(truth: Mapping[Place, str], reading: Reading) -> Iterator[TextCase]:
    for turn in reading.turns:
        reference = truth.get((turn.stage, turn.question, turn.subject))
        if reference is not None:
            said = turn.answer if turn.accepted else ""
            yield TextCase(
                stage=turn.stage.number, question=turn.question, reference=reference, said=said
            )


def _texts(report: str, reading: Reading) -> Iterator[TextCase]:
    """The report as a whole; as reasoning its trace where the model wrote one."""
    if not report:
        return
    said = " ".join(text for text in (reading.findings_text, reading.impression) if text)
    stage = StageKey.REPORT.number
    trace = " ".join(part.text for part in reading.trace)
    if said:
        yield TextCase(
            stage=stage,
            question="report",
            reference=report,
            said=said,
            report=report,
            chain=not trace,
        )
    if trace:
        yield TextCase(
            stage=StageKey.FINDINGS.number,
            question="trace",
            reference=report,
            said=trace,
            report=report,
            chain=True,
        )


def _ratio(truth: StudyTruth, reading: Reading) -> tuple[float, float | None] | None:
    """Only where heart and thorax were asked for."""
    asked = any(turn.question == "anatomy_box" for turn in reading.turns)
    if truth.ratio is None or not asked:
        return None
    return truth.ratio, reading.ratio.value if reading.ratio else None
