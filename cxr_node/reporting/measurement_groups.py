"""Measurement groups of TID 1500, in the shape that a destination can show.

``viewer``: a group that holds coordinates holds no number; the certainty stands in a group
of its own under the same Tracking Unique Identifier; no group is without coordinates (a
viewer in wide use fails on such a report as a whole).
``air``: one group per assessed finding with everything in it, as IHE AIR has it.
``ohif-native``: the coordinates below the certainty, as OHIF writes its own measurements.
"""

from __future__ import annotations

from typing import Any

import highdicom.sr as hd

from cxr_node.domain.findings import Finding, ImageReference, Presence
from cxr_node.reporting import content_items as item
from cxr_node.reporting.algorithm import algorithm
from cxr_node.reporting.comparison import change_item
from cxr_node.reporting.narrative import label
from cxr_node.reporting.ratio_group import ratio_group
from cxr_node.reporting.report_context import Boxed, ReportContext
from cxr_node.reporting.text import shorten

LONGEST_COMMENT = 25
"""Viewers print a comment beside the box and run longer ones out of the picture."""


def measurement_groups(context: ReportContext) -> item.Items:
    """Groups for the Imaging Measurements container, in the order of the findings."""
    groups: item.Items = []
    for boxed in context.boxed.values():
        groups.extend(_SHAPES[context.profile](boxed, context))
    if context.grouped:
        for finding in context.whole_image:
            groups.extend(_whole_image(finding, context))
    groups.extend(ratio_group(context))
    return groups


def _split(boxed: Boxed, context: ReportContext) -> item.Items:
    """TID 1410 with codes and box, TID 1501 with the certainty."""
    common = _common(boxed.finding, context)  # the same items stand in both groups
    region = _region(boxed, context, context.tracking(boxed.finding), common=common)
    if boxed.finding.probability is None:
        return region
    certainty = hd.MeasurementsAndQualitativeEvaluations(
        **common,
        tracking_identifier=context.tracking(boxed.finding),
        source_images=[source_of(boxed.image)],
        measurements=_certainty(boxed.finding, context),
    )
    return [*region, *certainty]


def _together(boxed: Boxed, context: ReportContext) -> item.Items:
    """TID 1410 with codes, box and certainty."""
    tracking = context.tracking(boxed.finding)
    return _region(boxed, context, tracking, _certainty(boxed.finding, context))


def _below_number(boxed: Boxed, context: ReportContext) -> item.Items:
    """TID 1501 with the box below the certainty; without one, a region like any other."""
    tracking = context.tracking(boxed.finding, native=True)
    if boxed.finding.probability is None:
        return _region(boxed, context, tracking)
    place = hd.CoordinatesForMeasurement(
        hd.GraphicTypeValues.POLYLINE, item.outline(boxed.box), item.source_image(boxed.image)
    )
    group = hd.MeasurementsAndQualitativeEvaluations(
        **_common(boxed.finding, context),
        tracking_identifier=tracking,
        source_images=[source_of(boxed.image)],
        measurements=_certainty(boxed.finding, context, [place]),
        qualitative_evaluations=_evaluations(boxed.finding, context),
    )
    return _commented(group, boxed.finding, context)


_SHAPES = {"viewer": _split, "air": _together, "ohif-native": _below_number}


def _region(
    boxed: Boxed,
    context: ReportContext,
    tracking: Any,
    measurements: item.Items | None = None,
    common: dict[str, Any] | None = None,
) -> item.Items:
    """TID 1410."""
    group = hd.PlanarROIMeasurementsAndQualitativeEvaluations(
        **(common or _common(boxed.finding, context)),
        tracking_identifier=tracking,
        referenced_region=hd.ImageRegion(
            hd.GraphicTypeValues.POLYLINE,
            item.outline(boxed.box),
            item.source_image(boxed.image),
        ),
        measurements=measurements,
        qualitative_evaluations=_evaluations(boxed.finding, context),
    )
    return _commented(group, boxed.finding, context)


def _whole_image(finding: Finding, context: ReportContext) -> item.Items:
    """TID 1501 about the image with the findings, without coordinates."""
    return list(
        hd.MeasurementsAndQualitativeEvaluations(
            **_common(finding, context),
            tracking_identifier=context.tracking(finding),
            source_images=[source_of(context.reading.images[0])],
            measurements=_certainty(finding, context),
            qualitative_evaluations=_evaluations(finding, context),
        )
    )


def _common(finding: Finding, context: ReportContext) -> dict[str, Any]:
    """Rows that every group of a finding has."""
    entry = context.codes.findings[finding.kind]
    return {
        "finding_category": context.codes.categories[entry.category].code,
        "finding_type": entry.code,
        "finding_sites": item.finding_sites(finding, context.codes),
        "algorithm_id": algorithm(context, finding),
    }


def _certainty(
    finding: Finding, context: ReportContext, places: list[Any] | None = None
) -> item.Items | None:
    value = said_certainty(finding)
    if value is None:
        return None
    concepts = context.codes.concepts
    return [
        hd.Measurement(
            name=concepts.certainty.code,
            value=value,
            unit=concepts.percent.code,
            referenced_coordinates=places,
        )
    ]


def said_certainty(finding: Finding) -> float | None:
    """Percent certainty of what is said, thus of the absence for an absent finding."""
    if finding.probability is None or finding.presence is Presence.UNCERTAIN:
        return None
    said = finding.probability if finding.present else 1 - finding.probability
    return item.certainty_percent(said)


def _evaluations(finding: Finding, context: ReportContext) -> list[Any]:
    """Presence, severity or position, and the change since the prior study."""
    codes, concepts = context.codes, context.codes.concepts
    said = [(concepts.presence, codes.presence[finding.presence])]
    if finding.severity:
        said.append((concepts.severity, codes.severity[finding.severity]))
    if finding.position:
        said.append((concepts.device_position, codes.position[finding.position]))
    found = [hd.QualitativeEvaluation(name.code, value.code) for name, value in said]
    for change in change_item(context, finding.kind, "CONTAINS"):
        evaluation = hd.QualitativeEvaluation(change.name, change.value)
        evaluation[0].ContentSequence = change.ContentSequence
        found.append(evaluation)
    return found


def _commented(group: Any, finding: Finding, context: ReportContext) -> item.Items:
    """The group with a Comment that says what was found, and that a machine says it."""
    wording = context.wording
    comment = wording.markers.comment.format(finding=label(finding, wording))
    group[0].ContentSequence.append(
        item.text(context.codes.concepts.comment, shorten(comment, LONGEST_COMMENT))
    )
    return list(group)


def source_of(image: ImageReference) -> hd.SourceImageForMeasurementGroup:
    """The image that a group without a region is about."""
    return hd.SourceImageForMeasurementGroup(image.sop_class_uid.text, image.sop_instance_uid.text)
