"""The sentences of a result: what a person reads where codes are not shown."""

from __future__ import annotations

from collections.abc import Iterable

from cxr_node.domain.findings import Box, Finding, Presence, Reading
from cxr_node.domain.priority import PriorityDecision
from cxr_node.domain.stages import StageKey
from cxr_node.reporting.person_words import banner
from cxr_node.reporting.text import LINE_END, clean_line
from cxr_node.reporting.wording import Wording

LONGEST_GENERATED = 2_000


def percent(probability: float) -> str:
    """A probability as a reader expects it, never rounded up to certainty."""
    shown = min(max(round(probability * 100), 1), 99)
    return f"{shown} %"


def label(finding: Finding, wording: Wording) -> str:
    """Short name with the letter of the side, for a marker on the image."""
    side = f" {wording.side_letters[finding.laterality]}" if finding.laterality else ""
    return f"{wording.short_findings[finding.kind]}{side}"


def phrase(finding: Finding, wording: Wording) -> str:
    """For example: right pneumothorax, moderate, apex (87 %)."""
    name = wording.findings[finding.kind]
    if finding.laterality:
        side = wording.laterality[finding.laterality]
        name = wording.markers.sided.format(side=side, finding=name)
    parts = [name, *_attributes(finding, wording)]
    return f"{', '.join(parts)}{_certainty(finding, wording)}"


def _certainty(finding: Finding, wording: Wording) -> str:
    """How sure the model is; what a person stated has no probability."""
    if finding.by_person:
        return f" ({wording.amendment.stated})"
    return "" if finding.probability is None else f" ({percent(finding.probability)})"


def tracking_name(number: int, finding: Finding, wording: Wording) -> str:
    """The identifier that box, certainty and text share, for example F1 effusion L."""
    return wording.markers.tracking.format(number=number, finding=label(finding, wording))


def conclusion(reading: Reading, decision: PriorityDecision, wording: Wording) -> str:
    """The one text that stands for the whole result, what limits it first."""
    words = wording.conclusion
    sentences = [banner(reading, wording)]
    if reading.outside_intended_use:
        sentences.append(
            words.outside.format(reason=_stripped(reading.outside_intended_use, wording))
        )
    if reading.model.statement:
        sentences.append(words.statement.format(statement=_generated(reading.model.statement)))
    if reading.review:
        sentences.append(contradicted(reading, wording))
    sentences.extend(_held(reading, wording))
    if reading.ratio is not None:
        template = words.ratio_ap if reading.projection == "AP" else words.ratio
        sentences.append(template.format(ratio=f"{reading.ratio.value:.2f}"))
    if reading.impression:
        sentences.append(words.impression.format(text=_generated(reading.impression)))
    reason = wording.rules.get(decision.rule, decision.words)
    proposal = words.priority.format(priority=decision.priority.value, words=reason)
    model = words.model.format(name=reading.model.name, version=reading.model.version)
    return clean_line(" ".join((*sentences, proposal, model)))


def contradicted(reading: Reading, wording: Wording) -> str:
    """That the reading contradicts itself, how often and on what; empty if it does not.

    Said before the findings: whoever reads only the beginning must see it.
    """
    words, count = wording.conclusion, len(reading.contradictions)
    doubted = {kind for clash in reading.contradictions for kind in clash.findings}
    names = _names((f for f in reading.findings if f.kind in doubted), wording)
    if not count:
        return ""
    if count == 1:
        template = words.contradicted_once if names else words.contradicted_overall_once
    else:
        template = words.contradicted if names else words.contradicted_overall
    return template.format(count=count, findings=names)


def _held(reading: Reading, wording: Wording) -> list[str]:
    words = wording.conclusion
    found = [f for f in reading.present if not f.kind.is_device]
    devices = [f for f in reading.present if f.kind.is_device]
    sentences = [words.image_unknown]
    if reading.projection:
        sentences = [words.image.format(projection=wording.phrase(reading.projection))]
    if found:
        sentences.append(words.present.format(findings=_phrases(found, wording)))
    elif all(f.presence is Presence.NOT_ASSESSED for f in reading.findings):
        sentences.append(words.nothing_assessed)
    else:
        sentences.append(words.nothing)
    if devices:
        sentences.append(words.devices.format(findings=_phrases(devices, wording)))
    uncertain = _of(reading, Presence.UNCERTAIN)
    if uncertain:
        sentences.append(words.uncertain.format(findings=_phrases(uncertain, wording)))
    unknown = _of(reading, Presence.NOT_ASSESSED)
    if unknown:
        sentences.append(words.not_assessed.format(findings=_names(unknown, wording)))
    return sentences


def stage_texts(reading: Reading, wording: Wording) -> dict[StageKey, str]:
    """One text per stage, all eight: a stage that was not walked says why."""
    words = wording.stages
    skipped = {item.stage: item.reason for item in reading.skipped}
    lines = {
        StageKey.QUALITY_VIEW: _quality(reading, wording),
        StageKey.FINDINGS: _presence(reading, wording),
        StageKey.ATTRIBUTES_GROUNDING: _location(reading, wording),
        StageKey.RELATIONSHIPS: _generated_lines(reading.relations, wording),
        StageKey.COMPARISON: _comparison(reading, wording),
        StageKey.FUTURE_TREND: _generated_lines([reading.trend], wording),
        StageKey.ADVICE: _advice(reading, wording),
        StageKey.REPORT: _report(reading, wording),
    }
    texts = {}
    for stage, found in lines.items():
        if stage in skipped:
            found = [words.skipped.format(reason=_stripped(skipped[stage], wording))]
        refused = sum(turn.stage is stage and not turn.accepted for turn in reading.turns)
        note = [words.refused.format(count=refused)] if refused else []
        cleaned = [clean_line(line, LONGEST_GENERATED) for line in (*found, *note)]
        title = wording.stage_titles[stage]
        texts[stage] = LINE_END.join([title, *(cleaned or [words.empty])])
    return texts


def _quality(reading: Reading, wording: Wording) -> list[str]:
    words = wording.stages
    lines = []
    if reading.projection:
        lines.append(words.projection.format(projection=wording.phrase(reading.projection)))
    items = [
        f"{wording.quality_dimensions.get(name, name)} {wording.quality.get(grade, grade)}"
        for name, grade in reading.quality.items()
    ]
    if items:
        lines.append(words.quality.format(items=", ".join(items)))
    return lines + _open_answers(reading, StageKey.QUALITY_VIEW, "limits", wording)


def _presence(reading: Reading, wording: Wording) -> list[str]:
    words = wording.stages
    lines = []
    if reading.abnormal is not None:
        lines.append(words.overall.format(probability=percent(reading.abnormal)))
    for presence, template in (
        (Presence.PRESENT, words.present),
        (Presence.UNCERTAIN, words.uncertain),
        (Presence.ABSENT, words.absent),
        (Presence.NOT_ASSESSED, words.not_assessed),
    ):
        found = _of(reading, presence)
        if found:
            named = [_with_probability(f, wording) for f in found]
            lines.append(template.format(findings=", ".join(named)))
    lines += _confidence(reading, wording)
    lines += [
        words.trace.format(section=wording.phrase(part.section.value), text=part.text)
        for part in reading.trace
    ]
    return lines + _open_answers(reading, StageKey.FINDINGS, "other", wording)


def _confidence(reading: Reading, wording: Wording) -> list[str]:
    """Of what is present or uncertain; what is merely absent would fill the line."""
    told = [f for f in reading.findings if f.presence in (Presence.PRESENT, Presence.UNCERTAIN)]
    named = [
        f"{wording.findings[f.kind]} {f.confidence:.2f}" for f in told if f.confidence is not None
    ]
    return [wording.stages.confidence.format(findings=", ".join(named))] if named else []


def _location(reading: Reading, wording: Wording) -> list[str]:
    words = wording.stages
    lines = []
    for number, finding in enumerate(reading.present, 1):
        side = [wording.laterality[finding.laterality]] if finding.laterality else []
        attributes = [*side, *_attributes(finding, wording)]
        if finding.box is not None:
            attributes.append(_box(finding.box, words.box))
        name = tracking_name(number, finding, wording)
        listed = ", ".join(attributes) or words.no_attributes
        lines.append(words.finding.format(label=name, attributes=listed))
        if finding.description:
            lines.append(words.generated.format(text=finding.description))
    if reading.ratio is not None:
        lines.append(words.ratio.format(ratio=f"{reading.ratio.value:.2f}"))
    return lines


def _comparison(reading: Reading, wording: Wording) -> list[str]:
    words = wording.stages
    lines = _generated_lines(reading.changes, wording)
    if reading.prior is None:
        return lines
    date = _readable(reading.prior.date)
    return [words.prior.format(date=date) if date else words.prior_undated, *lines]


def _advice(reading: Reading, wording: Wording) -> list[str]:
    if reading.advice is None:
        return []
    words = wording.stages
    step = reading.advice.next_step
    category = reading.advice.acr_category
    return [
        words.advice.format(
            category=words.no_category if category is None else category,
            next_step=wording.next_steps.get(step, step),
        )
    ]


def _report(reading: Reading, wording: Wording) -> list[str]:
    words = wording.stages
    lines = []
    if reading.findings_text:
        lines.append(words.findings_text.format(text=reading.findings_text))
    if reading.impression:
        lines.append(words.impression.format(text=reading.impression))
    if reading.dropped_terms:
        lines.append(words.dropped.format(terms=", ".join(reading.dropped_terms)))
    lines.extend(words.warnings.format(text=wording.phrase(text)) for text in reading.warnings)
    return lines


def _generated_lines(texts: Iterable[str], wording: Wording) -> list[str]:
    """Answers of the later stages; a closed one that stands among them is worded here."""
    template = wording.stages.generated
    return [template.format(text=wording.phrase(text)) for text in texts if text]


def _open_answers(reading: Reading, stage: StageKey, question: str, wording: Wording) -> list[str]:
    return [
        wording.stages.generated.format(text=turn.answer)
        for turn in reading.turns
        if turn.stage is stage and turn.question == question and turn.accepted and turn.answer
    ]


def _attributes(finding: Finding, wording: Wording) -> list[str]:
    parts = []
    if finding.severity:
        parts.append(wording.severity[finding.severity])
    if finding.position:
        parts.append(wording.position[finding.position])
    if finding.zone:
        parts.append(wording.zones[finding.zone])
    return parts


def _readable(date: str) -> str:
    """A DICOM date (PS3.5 §6.2, DA) as year-month-day, empty for anything else."""
    whole = len(date) == 8 and date.isdecimal()
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if whole else ""


def _box(box: Box, template: str) -> str:
    corners = {"x0": box.x0, "y0": box.y0, "x1": box.x1, "y1": box.y1}
    return template.format(**{name: round(value) for name, value in corners.items()})


def _of(reading: Reading, presence: Presence) -> list[Finding]:
    return [f for f in reading.findings if f.presence is presence]


def _phrases(findings: Iterable[Finding], wording: Wording) -> str:
    return "; ".join(phrase(f, wording) for f in findings)


def _names(findings: Iterable[Finding], wording: Wording) -> str:
    return ", ".join(wording.findings[f.kind] for f in findings)


def _with_probability(finding: Finding, wording: Wording) -> str:
    name = wording.findings[finding.kind]
    return name if finding.probability is None else f"{name} {percent(finding.probability)}"


def _stripped(reason: str, wording: Wording) -> str:
    return wording.phrase(clean_line(reason, LONGEST_GENERATED).rstrip("."))


def _generated(text: str) -> str:
    return clean_line(text, LONGEST_GENERATED)
