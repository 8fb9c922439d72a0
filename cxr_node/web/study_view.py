"""Arranges one study for its page: findings, steps, images, durations.

Templates only lay out; every choice of order and word is made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cxr_node.domain import eligibility
from cxr_node.domain.amendment import Correction
from cxr_node.domain.findings import Finding, Presence, Reading
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.stages import StageKey, Turn
from cxr_node.reasoning.given import QUESTIONS
from cxr_node.reasoning.prompts import NOT_ASSESSED
from cxr_node.web import words
from cxr_node.web.source import StoredImage, StudyPage

_SPANS = (
    ("first to last image", Milestone.FIRST_IMAGE, Milestone.LAST_IMAGE),
    ("last image to first flag decision", Milestone.LAST_IMAGE, Milestone.TRIAGE_DONE),
    ("closed questions", Milestone.TRIAGE_STARTED, Milestone.TRIAGE_DONE),
    ("full reading", Milestone.READ_STARTED, Milestone.READ_DONE),
    ("last image to report", Milestone.LAST_IMAGE, Milestone.REPORTED),
    ("report to delivery", Milestone.REPORTED, Milestone.DELIVERED),
)


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One line of the findings table; percentages are 0 to 100."""

    key: str
    name: str
    presence: Presence
    presence_words: str
    percent: float | None
    threshold_percent: float
    where: str
    description: str
    boxed: bool
    calibrated: bool
    confidence: str
    by_person: bool


@dataclass(frozen=True, slots=True)
class TurnLine:
    """One question of a step with its answer; options are (words, percent, chosen)."""

    question: str
    subject: str
    prompt: str
    answer: str
    options: tuple[tuple[str, float, bool], ...]
    accepted: bool
    problem: str
    place: str
    """What a correction of it names; empty for what is no question of the graph."""
    choices: tuple[str, ...]
    """Keys of the options that a person may choose from."""
    kind: str
    by_person: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One of the eight steps; ``skipped`` says why it was not walked."""

    number: int
    name: str
    summary: str
    turns: tuple[TurnLine, ...]
    skipped: str


@dataclass(frozen=True, slots=True)
class ImageLine:
    """One stored instance for the list below the pictures."""

    image: StoredImage
    size: str
    reason: str


STEP_NAMES: dict[StageKey, str] = {
    StageKey.QUALITY_VIEW: "Quality and view",
    StageKey.FINDINGS: "Findings",
    StageKey.ATTRIBUTES_GROUNDING: "Attributes and place",
    StageKey.RELATIONSHIPS: "Relationships",
    StageKey.COMPARISON: "Comparison with a prior",
    StageKey.FUTURE_TREND: "Expected course",
    StageKey.ADVICE: "Advice",
    StageKey.REPORT: "Report",
}


def finding_lines(reading: Reading, *, devices: bool) -> tuple[FindingLine, ...]:
    """Findings or devices: present ones first, then by falling probability."""
    chosen = [f for f in reading.findings if f.kind.is_device is devices]
    chosen.sort(key=_line_order)
    return tuple(_finding_line(f) for f in chosen)


def _line_order(finding: Finding) -> tuple[int, float]:
    rank = {Presence.PRESENT: 0, Presence.UNCERTAIN: 1, Presence.ABSENT: 2}
    return (rank.get(finding.presence, 3), -(finding.probability or 0.0))


def _finding_line(finding: Finding) -> FindingLine:
    known = finding.probability
    return FindingLine(
        key=finding.kind.value,
        name=words.finding_name(finding.kind.value),
        presence=finding.presence,
        presence_words=words.PRESENCE_WORDS[finding.presence],
        percent=None if known is None else round(100 * min(max(known, 0.0), 1.0), 1),
        threshold_percent=round(100 * finding.threshold, 1),
        where=words.where(finding),
        description=words.shown(finding.description),
        boxed=finding.present and finding.box is not None,
        calibrated=finding.calibrated,
        confidence="" if finding.confidence is None else f"{finding.confidence:.2f}",
        by_person=finding.by_person,
    )


def steps(reading: Reading) -> tuple[Step, ...]:
    """The eight steps in order, walked or skipped."""
    skipped = {item.stage: item.reason for item in reading.skipped}
    return tuple(_step(key, reading.turns, skipped.get(key, "")) for key in StageKey)


def _step(key: StageKey, turns: tuple[Turn, ...], skipped: str) -> Step:
    own = [turn for turn in turns if turn.stage is key]
    asked = f"{len(own)} question{'' if len(own) == 1 else 's'}" if own else ""
    refused = sum(not turn.accepted for turn in own)
    if refused:
        asked += f", {refused} answer{'' if refused == 1 else 's'} refused"
    return Step(
        number=key.number,
        name=STEP_NAMES[key],
        summary=asked or ("skipped" if skipped else "not asked"),
        turns=tuple(_turn_line(turn) for turn in own),
        skipped=words.shown(skipped),
    )


def _turn_line(turn: Turn) -> TurnLine:
    options = tuple(
        (words.plain(option), round(100 * probability, 1), option == turn.answer)
        for option, probability in turn.probabilities.items()
    )
    asked = QUESTIONS.get((turn.stage, turn.question))
    return TurnLine(
        question=words.plain(turn.question),
        subject=words.subject(turn.subject),
        prompt=words.shown_lines(turn.prompt),
        answer=words.answer(turn.answer),
        options=options,
        accepted=turn.accepted,
        problem=words.shown(turn.problem),
        place=Correction(*turn.key, "").place if asked else "",
        choices=(*asked.options, NOT_ASSESSED) if asked else (),
        kind=asked.kind if asked else "",
        by_person=turn.by_person,
    )


def image_lines(page: StudyPage) -> tuple[ImageLine, ...]:
    """Every stored instance with the reason why it is not read, where there is one."""
    return tuple(
        ImageLine(
            image=image,
            size=f"{image.columns} × {image.rows}" if image.columns and image.rows else "",
            reason=eligibility.WORDS[image.reason] if image.reason else "",
        )
        for image in page.images
    )


def spans(milestones: Mapping[Milestone, datetime]) -> tuple[tuple[str, str], ...]:
    """The durations that both ends are known of, as (what, how long)."""
    return tuple(
        (name, words.duration((milestones[end] - milestones[start]).total_seconds()))
        for name, start, end in _SPANS
        if start in milestones and end in milestones
    )
