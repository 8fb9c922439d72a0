"""Measurement groups of TID 1500, in the shape that a destination can show.

``viewer``: a group that holds coordinates holds no number; the certainty stands in a group
of its own under the same Tracking Unique Identifier; no group is without coordinates (a
viewer in wide use fails on such a report as a whole).
``air``: one group per assessed finding with everything in it, as IHE AIR has it.
``ohif-native``: the coordinates below the certainty, as OHIF writes its own measurements.
"""

from __future__ import annotations

from pydicom import Dataset
from pydicom.sr.codedict import codes as standard

from cxr_node.domain.findings import Finding, Presence
from cxr_node.reporting import content_items as item
from cxr_node.reporting.algorithm import algorithm
from cxr_node.reporting.comparison import change_item
from cxr_node.reporting.narrative import label
from cxr_node.reporting.ratio_group import ratio_group
from cxr_node.reporting.report_context import Boxed, ReportContext
from cxr_node.reporting.text import shorten

LONGEST_COMMENT = 25
"""Viewers print a comment beside the box and run longer ones out of the picture."""
_REGION = standard.DCM.ImageRegion


def measurement_groups(context: ReportContext) -> item.Items:
    """Groups for the Imaging Measurements container, in the order of the findings."""
    groups: item.Items = []
    for boxed in context.boxed.values():
        groups.extend(_SHAPES[context.profile](boxed, context))
    if context.grouped:
        groups += [_whole_image(finding, context) for finding in context.whole_image]
    return groups + ratio_group(context)


def _split(boxed: Boxed, context: ReportContext) -> item.Items:
    """TID 1410 with codes and box, TID 1501 with the certainty; the same head in both."""
    finding = boxed.finding
    head = [*context.tracking(finding), *_common(finding, context)]
    region = _region(boxed, context, head)
    if finding.probability is None:
        return [region]
    rest = [*_certainty(finding, context), item.source_of(boxed.image)]
    return [region, item.group([*head, *rest], "1501")]


def _together(boxed: Boxed, context: ReportContext) -> item.Items:
    """TID 1410 with codes, box and certainty."""
    finding = boxed.finding
    head = [*context.tracking(finding), *_common(finding, context)]
    return [_region(boxed, context, head + _certainty(finding, context))]


def _below_number(boxed: Boxed, context: ReportContext) -> item.Items:
    """TID 1501 with the box below the certainty; without one, a region like any other."""
    finding = boxed.finding
    head = [*context.tracking(finding, native=True), *_common(finding, context)]
    if finding.probability is None:
        return [_region(boxed, context, head)]
    place = item.line(item.SOURCE, item.outline(boxed.box), boxed.image, "INFERRED FROM")
    rows = [
        *head,
        *_certainty(finding, context, [place]),
        *_evaluations(finding, context),
        item.source_of(boxed.image),
        _comment(finding, context),
    ]
    return [item.group(rows, "1501")]


_SHAPES = {"viewer": _split, "air": _together, "ohif-native": _below_number}


def _region(boxed: Boxed, context: ReportContext, head: item.Items) -> Dataset:
    """TID 1410."""
    rows = [
        *head,
        *_evaluations(boxed.finding, context),
        item.line(_REGION, item.outline(boxed.box), boxed.image, "CONTAINS"),
        _comment(boxed.finding, context),
    ]
    return item.group(rows, "1410")


def _whole_image(finding: Finding, context: ReportContext) -> Dataset:
    """TID 1501 about the image with the findings, without coordinates."""
    rows = [
        *context.tracking(finding),
        *_common(finding, context),
        *_certainty(finding, context),
        *_evaluations(finding, context),
        item.source_of(context.reading.images[0]),
    ]
    return item.group(rows, "1501")


def _common(finding: Finding, context: ReportContext) -> item.Items:
    """Rows that every group of a finding has."""
    codes = context.codes
    entry = codes.findings[finding.kind]
    return [
        item.code(codes.concepts.finding_category, codes.categories[entry.category]),
        item.code(codes.concepts.finding, entry),
        *item.finding_sites(finding, codes),
        *algorithm(context, finding),
    ]


def _certainty(
    finding: Finding, context: ReportContext, places: item.Items | None = None
) -> item.Items:
    value = said_certainty(finding)
    if value is None:
        return []
    concepts = context.codes.concepts
    return [item.within(item.number(concepts.certainty, value, concepts.percent), places or [])]


def said_certainty(finding: Finding) -> float | None:
    """Percent certainty of what is said, thus of the absence for an absent finding."""
    if finding.probability is None or finding.presence is Presence.UNCERTAIN:
        return None
    said = finding.probability if finding.present else 1 - finding.probability
    return item.certainty_percent(said)


def _evaluations(finding: Finding, context: ReportContext) -> item.Items:
    """Presence, severity or position, and the change since the prior study."""
    codes, concepts = context.codes, context.codes.concepts
    said = [(concepts.presence, codes.presence[finding.presence])]
    if finding.severity:
        said.append((concepts.severity, codes.severity[finding.severity]))
    if finding.position:
        said.append((concepts.device_position, codes.position[finding.position]))
    evaluated = [item.code(name, value) for name, value in said]
    return evaluated + change_item(context, finding.kind, "CONTAINS")


def _comment(finding: Finding, context: ReportContext) -> Dataset:
    """What was found, and that a machine says it."""
    wording = context.wording
    comment = wording.markers.comment.format(finding=label(finding, wording))
    return item.text(context.codes.concepts.comment, shorten(comment, LONGEST_COMMENT))
