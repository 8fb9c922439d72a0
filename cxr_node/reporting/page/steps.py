"""The eight steps of the reading, each in a few words.

The table and the headline already say what was found; here stands how it was arrived at.
"""

from __future__ import annotations

from dataclasses import dataclass

from cxr_node.domain.findings import Presence, Reading
from cxr_node.domain.stages import StageKey
from cxr_node.reporting.narrative import percent
from cxr_node.reporting.page.identity import readable_date
from cxr_node.reporting.page.warnings import poor_quality
from cxr_node.reporting.wording import Wording


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the node's own words, then those of the model, which nobody has checked."""

    number: int
    name: str
    text: str
    generated: str


def steps(reading: Reading, wording: Wording) -> tuple[Step, ...]:
    """All eight; one that was not walked says why."""
    said = {
        StageKey.QUALITY_VIEW: (_quality(reading, wording), _open(reading, "limits")),
        StageKey.FINDINGS: (_counted(reading, wording), _open(reading, "other")),
        StageKey.ATTRIBUTES_GROUNDING: (_located(reading, wording), _described(reading)),
        StageKey.RELATIONSHIPS: ("", _worded(reading.relations, wording)),
        StageKey.COMPARISON: (
            _compared(reading, wording),
            _worded(reading.changes, wording),
        ),
        StageKey.FUTURE_TREND: ("", wording.phrase(reading.trend)),
        StageKey.ADVICE: (_advised(reading, wording), ""),
        StageKey.REPORT: ("", reading.impression or reading.findings_text),
    }
    return tuple(_step(stage, *said[stage], reading, wording) for stage in StageKey)


def _step(stage: StageKey, text: str, generated: str, reading: Reading, wording: Wording) -> Step:
    words = wording.page
    skipped = {item.stage: item.reason for item in reading.skipped}
    refused = sum(turn.stage is stage and not turn.accepted for turn in reading.turns)
    if stage in skipped:
        reason = wording.phrase(skipped[stage].rstrip("."))
        text, generated = words.step_skipped.format(reason=reason), ""
    elif not text and not generated:
        text = words.step_empty
    if refused:
        text = f"{text} {words.refused.format(count=refused)}".strip()
    return Step(stage.number, wording.step_names[stage], text, generated)


def _quality(reading: Reading, wording: Wording) -> str:
    projection = wording.phrase(reading.projection or wording.page.projection_unknown).rstrip(".")
    if not reading.quality:
        return f"{projection}."
    if poor := poor_quality(reading, wording):
        items = f"{poor[:1].upper()}{poor[1:]}"
        return wording.page.quality_limited.format(projection=projection, items=items)
    return wording.page.quality_adequate.format(projection=projection)


def _counted(reading: Reading, wording: Wording) -> str:
    held = [f.presence for f in reading.findings]
    counts = {presence.value: held.count(presence) for presence in Presence}
    overall = []
    if reading.abnormal is not None:
        overall.append(wording.page.abnormal.format(probability=percent(reading.abnormal)))
    return " ".join([*overall, wording.page.counted.format(**counts)])


def _located(reading: Reading, wording: Wording) -> str:
    boxes = sum(f.box is not None for f in reading.present)
    return wording.page.located.format(present=len(reading.present), boxes=boxes)


def _described(reading: Reading) -> str:
    return " ".join(f.description for f in reading.present if f.description)


def _compared(reading: Reading, wording: Wording) -> str:
    if reading.prior is None:
        return ""
    date = readable_date(reading.prior.date)
    words = wording.page
    return f"{words.prior.format(value=date) if date else words.prior_undated}."


def _advised(reading: Reading, wording: Wording) -> str:
    if reading.advice is None:
        return ""
    step, category = reading.advice.next_step, reading.advice.acr_category
    return wording.stages.advice.format(
        category=wording.stages.no_category if category is None else category,
        next_step=wording.next_steps.get(step, step),
    )


def _worded(texts: tuple[str, ...], wording: Wording) -> str:
    return " ".join(wording.phrase(text) for text in texts)


def _open(reading: Reading, question: str) -> str:
    """The first accepted answer to an open question of the first two stages."""
    asked = (StageKey.QUALITY_VIEW, StageKey.FINDINGS)
    return next(
        (
            turn.answer
            for turn in reading.turns
            if turn.stage in asked and turn.question == question and turn.accepted
        ),
        "",
    )
