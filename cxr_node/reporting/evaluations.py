"""The Qualitative Evaluations of TID 1500: conclusion, priority, findings without a box,
relations, advice, warnings, image quality, and one text per stage. Everything a reader
without codes should see is text.
"""

from __future__ import annotations

from pydicom import Dataset

from cxr_node.domain.findings import Finding, Presence
from cxr_node.domain.priority import PriorityDecision
from cxr_node.reporting import content_items as item
from cxr_node.reporting.comparison import change_item, relation_items
from cxr_node.reporting.measurement_groups import said_certainty
from cxr_node.reporting.narrative import LONGEST_GENERATED, conclusion, stage_texts
from cxr_node.reporting.ratio_group import ratio_is_grouped
from cxr_node.reporting.report_context import ReportContext
from cxr_node.reporting.text import clean_line


def evaluations(context: ReportContext, decision: PriorityDecision) -> item.Items:
    """Items of the container, the conclusion first."""
    reading, codes, wording = context.reading, context.codes, context.wording
    texts = stage_texts(reading, wording)
    return [
        item.text(codes.concepts.conclusion, conclusion(reading, decision, wording)),
        *_priority(decision, context),
        *_overall(context),
        *([] if context.grouped else _findings(context)),
        *_ratio(context),
        *relation_items(context),
        *_advice(context),
        *_warnings(context),
        *_quality(context),
        *(item.text(codes.stages[stage], text) for stage, text in texts.items()),
        *_statement(context),
    ]


def _priority(decision: PriorityDecision, context: ReportContext) -> item.Items:
    """The site's policy decides both; what the model advises has names of its own."""
    codes = context.codes
    items: item.Items = [
        item.code(codes.concepts.triage_priority, codes.priority[decision.priority])
    ]
    category = context.templates.priority.acr_category(decision.rule)
    if category is not None:
        items.append(item.code(codes.concepts.actionable, codes.acr_category[category]))
    return items


def _overall(context: ReportContext) -> item.Items:
    """Normal only where every pathology was assessed and absent, and no device is uncertain."""
    reading, concepts = context.reading, context.codes.concepts
    uncertain = any(f.presence is Presence.UNCERTAIN for f in reading.findings)
    if not reading.no_finding or uncertain or reading.abnormal is None:
        return []
    if reading.abnormal >= 0.5 or reading.outside_intended_use:
        return []
    certainty = item.certainty_percent(1 - reading.abnormal)
    normal = item.code(concepts.overall, concepts.normal)
    below = item.number(concepts.certainty, certainty, concepts.percent, item.BELOW)
    return [item.within(normal, [below])]


def _findings(context: ReportContext) -> item.Items:
    """Findings without a group; those not present under headings that say so."""
    concepts = context.codes.concepts
    found: dict[Presence, item.Items] = {presence: [] for presence in Presence}
    for finding in context.whole_image:
        found[finding.presence].append(_finding(finding, context))
    items = found[Presence.PRESENT]
    if found[Presence.UNCERTAIN]:
        items.append(item.container(concepts.held_uncertain, found[Presence.UNCERTAIN]))
    if found[Presence.ABSENT]:
        items.append(item.container(concepts.held_absent, found[Presence.ABSENT]))
    return items


def _finding(finding: Finding, context: ReportContext) -> Dataset:
    """A finding of the whole image: CODE Finding with its properties."""
    codes = context.codes
    concepts = codes.concepts
    below: item.Items = [item.code(concepts.presence, codes.presence[finding.presence], item.BELOW)]
    value = said_certainty(finding)
    if value is not None:
        below.append(item.number(concepts.certainty, value, concepts.percent, item.BELOW))
    if finding.severity:
        below.append(item.code(concepts.severity, codes.severity[finding.severity], item.BELOW))
    if finding.position:
        below.append(
            item.code(concepts.device_position, codes.position[finding.position], item.BELOW)
        )
    below.extend(change_item(context, finding.kind, item.BELOW))
    below.extend(item.finding_sites(finding, codes))
    if finding.present:
        below.extend(context.tracking(finding, item.BELOW))
    return item.within(item.code(concepts.finding, codes.findings[finding.kind]), below)


def _ratio(context: ReportContext) -> item.Items:
    """The ratio without a group."""
    ratio, concepts = context.reading.ratio, context.codes.concepts
    if ratio is None or ratio_is_grouped(context):
        return []
    return [item.number(concepts.ratio, round(ratio.value, 3), concepts.ratio_unit)]


def _advice(context: ReportContext) -> item.Items:
    """What the model advises; the site's policy does not follow it blindly."""
    advice, codes = context.reading.advice, context.codes
    if advice is None or advice.next_step not in codes.next_step:
        return []
    step = item.code(codes.concepts.next_step, codes.next_step[advice.next_step])
    if advice.acr_category not in codes.acr_category:
        return [step]
    category = codes.acr_category[advice.acr_category]
    return [step, item.code(codes.concepts.advised_category, category)]


def _warnings(context: ReportContext) -> item.Items:
    """Contradictions and whatever else limits the reading, one text each."""
    told = (context.wording.phrase(text) for text in context.reading.warnings)
    said = (clean_line(text, LONGEST_GENERATED) for text in told)
    return [item.text(context.codes.concepts.warning, text) for text in said if text]


def _quality(context: ReportContext) -> item.Items:
    reading, codes = context.reading, context.codes
    items: item.Items = []
    if reading.projection in codes.projection:
        items.append(item.code(codes.concepts.image_view, codes.projection[reading.projection]))
    for dimension, grade in reading.quality.items():
        if dimension in codes.quality_dimensions and grade in codes.quality:
            name = codes.quality_dimensions[dimension]
            items.append(item.code(name, codes.quality[grade]))
    return items


def _statement(context: ReportContext) -> item.Items:
    statement = clean_line(context.reading.model.statement)
    name = context.codes.concepts.model_statement
    return [item.text(name, statement)] if statement else []
