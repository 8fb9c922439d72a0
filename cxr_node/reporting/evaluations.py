"""The Qualitative Evaluations of TID 1500: conclusion, priority, findings without a box,
image quality, and one text per stage. Everything a reader without codes should see is text.
"""

from __future__ import annotations

import highdicom.sr as hd

from cxr_node.domain.findings import Finding, Presence, Reading
from cxr_node.domain.priority import PriorityDecision
from cxr_node.reporting import content_items as item
from cxr_node.reporting.codes import Codes
from cxr_node.reporting.measurement_groups import TrackingUid, has_group, ratio_line
from cxr_node.reporting.narrative import conclusion, stage_texts, tracking_name
from cxr_node.reporting.templates import Templates
from cxr_node.reporting.text import clean_line

_BELOW = "HAS PROPERTIES"


def evaluations(
    reading: Reading,
    decision: PriorityDecision,
    templates: Templates,
    tracking_uid: TrackingUid,
) -> item.Items:
    """Items of the container, the conclusion first."""
    codes, wording = templates.codes, templates.wording
    texts = stage_texts(reading, wording)
    return [
        item.text(codes.concepts.conclusion, conclusion(reading, decision, wording)),
        *_priority(decision, templates),
        *_overall(reading, codes),
        *_findings(reading, templates, tracking_uid),
        *_ratio(reading, codes),
        *_quality(reading, codes),
        *(item.text(codes.stages[stage], text) for stage, text in texts.items()),
        *_statement(reading, codes),
    ]


def _priority(decision: PriorityDecision, templates: Templates) -> item.Items:
    """The site's policy decides both; what the model advises stands in the text of stage 7."""
    codes = templates.codes
    items: item.Items = [
        item.code(codes.concepts.triage_priority, codes.priority[decision.priority])
    ]
    category = templates.priority.acr_category(decision.rule)
    if category is not None:
        items.append(item.code(codes.concepts.actionable, codes.acr_category[category]))
    return items


def _overall(reading: Reading, codes: Codes) -> item.Items:
    """Normal only where every pathology was assessed and absent, and no device is uncertain."""
    uncertain = any(f.presence is Presence.UNCERTAIN for f in reading.findings)
    if not reading.no_finding or uncertain or reading.abnormal is None:
        return []
    if reading.abnormal >= 0.5 or reading.outside_intended_use:
        return []
    concepts = codes.concepts
    certainty = item.certainty_percent(1 - reading.abnormal)
    normal = item.code(concepts.overall, concepts.normal)
    below = item.number(concepts.certainty, certainty, concepts.percent, _BELOW)
    return [item.within(normal, [below])]


def _findings(reading: Reading, templates: Templates, tracking_uid: TrackingUid) -> item.Items:
    """Findings without a group; those not present under headings that say so."""
    concepts = templates.codes.concepts
    found: dict[Presence, item.Items] = {presence: [] for presence in Presence}
    for finding in reading.findings:
        if finding.presence is not Presence.NOT_ASSESSED and not has_group(finding, reading):
            made = _finding(finding, reading, templates, tracking_uid)
            found[finding.presence].append(made)
    items = found[Presence.PRESENT]
    if found[Presence.UNCERTAIN]:
        items.append(item.container(concepts.held_uncertain, found[Presence.UNCERTAIN]))
    if found[Presence.ABSENT]:
        items.append(item.container(concepts.held_absent, found[Presence.ABSENT]))
    return items


def _finding(
    finding: Finding, reading: Reading, templates: Templates, tracking_uid: TrackingUid
) -> hd.ContentItem:
    """A finding of the whole image: CODE Finding with its properties."""
    codes = templates.codes
    concepts = codes.concepts
    below: item.Items = [item.code(concepts.presence, codes.presence[finding.presence], _BELOW)]
    value = _certainty(finding)
    if value is not None:
        below.append(item.number(concepts.certainty, value, concepts.percent, _BELOW))
    if finding.severity:
        below.append(item.code(concepts.severity, codes.severity[finding.severity], _BELOW))
    if finding.position:
        below.append(item.code(concepts.device_position, codes.position[finding.position], _BELOW))
    below.extend(item.finding_sites(finding, codes))
    if finding.present:
        below.extend(_tracking(finding, reading, templates, tracking_uid))
    return item.within(item.code(concepts.finding, codes.findings[finding.kind]), below)


def _certainty(finding: Finding) -> float | None:
    """Percent certainty of what is said, thus of the absence for an absent finding."""
    if finding.probability is None or finding.presence is Presence.UNCERTAIN:
        return None
    said = finding.probability if finding.present else 1 - finding.probability
    return item.certainty_percent(said)


def _tracking(
    finding: Finding, reading: Reading, templates: Templates, tracking_uid: TrackingUid
) -> item.Items:
    number = reading.present.index(finding) + 1
    uid = tracking_uid(reading.images[0].sop_instance_uid, finding.kind.value)
    found: item.Items = list(
        hd.TrackingIdentifier(
            uid=uid.text, identifier=tracking_name(number, finding, templates.wording)
        )
    )
    for tracking in found:
        tracking.RelationshipType = _BELOW
    return found


def _ratio(reading: Reading, codes: Codes) -> item.Items:
    """The ratio without a line; one with a line is a measurement."""
    if reading.ratio is None or ratio_line(reading) is not None:
        return []
    concepts = codes.concepts
    return [item.number(concepts.ratio, round(reading.ratio.value, 3), concepts.ratio_unit)]


def _quality(reading: Reading, codes: Codes) -> item.Items:
    items: item.Items = []
    if reading.projection in codes.projection:
        items.append(item.code(codes.concepts.image_view, codes.projection[reading.projection]))
    for dimension, grade in reading.quality.items():
        if dimension in codes.quality_dimensions and grade in codes.quality:
            name = codes.quality_dimensions[dimension]
            items.append(item.code(name, codes.quality[grade]))
    return items


def _statement(reading: Reading, codes: Codes) -> item.Items:
    statement = clean_line(reading.model.statement)
    return [item.text(codes.concepts.model_statement, statement)] if statement else []
