"""Measurement groups of TID 1500: one pair per boxed finding, and the cardiothoracic ratio.

The shape is the one that viewers open: a group that holds coordinates holds no number, the
certainty stands in a group of its own under the same Tracking Unique Identifier, and no
group is without coordinates (a viewer in wide use fails on such a report as a whole).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import highdicom.sr as hd

from cxr_node.domain.findings import Box, CardiothoracicRatio, Finding, ImageReference, Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.reporting import content_items as item
from cxr_node.reporting.codes import Codes
from cxr_node.reporting.equipment import MODEL_NAME, manufacturer_of
from cxr_node.reporting.narrative import label, tracking_name
from cxr_node.reporting.templates import Templates
from cxr_node.reporting.text import clean_name, shorten

LONGEST_COMMENT = 25
"""Viewers print a comment beside the box and run longer ones out of the picture."""

TrackingUid = Callable[[Uid, str], Uid]
"""Computes the tracking UID from the image and the key of what is tracked on it."""


@dataclass(frozen=True, slots=True)
class _Boxed:
    finding: Finding
    number: int
    box: Box
    image: ImageReference


def measurement_groups(
    reading: Reading, templates: Templates, tracking_uid: TrackingUid
) -> item.Items:
    """Groups for the Imaging Measurements container, in the order of the findings."""
    groups: item.Items = []
    for boxed in _boxed(reading):
        name = tracking_name(boxed.number, boxed.finding, templates.wording)
        uid = tracking_uid(boxed.image.sop_instance_uid, boxed.finding.kind.value)
        tracking = hd.TrackingIdentifier(uid=uid.text, identifier=name)
        groups.extend(_region(boxed, reading, templates, tracking))
        if boxed.finding.probability is not None:
            groups.extend(_certainty(boxed, reading, templates.codes, tracking))
    line = ratio_line(reading)
    if reading.ratio is not None and line is not None:
        uid = tracking_uid(line[1].sop_instance_uid, "ratio")
        tracking = hd.TrackingIdentifier(uid=uid.text, identifier=templates.wording.markers.ratio)
        groups.extend(_ratio(reading.ratio, line, reading, templates.codes, tracking))
    return groups


def has_group(finding: Finding, reading: Reading) -> bool:
    """Whether the finding stands among the measurements, so that it is not said twice."""
    return any(boxed.finding is finding for boxed in _boxed(reading))


def ratio_line(reading: Reading) -> tuple[Box, ImageReference] | None:
    """The heart's box on the image it was measured on; None if it cannot be drawn."""
    return None if reading.ratio is None else _placed(reading.ratio.heart, reading)


def _boxed(reading: Reading) -> list[_Boxed]:
    found = []
    for number, finding in enumerate(reading.present, 1):
        placed = None if finding.box is None else _placed(finding.box, reading)
        if placed is not None:
            found.append(_Boxed(finding, number, *placed))
    return found


def _placed(box: Box, reading: Reading) -> tuple[Box, ImageReference] | None:
    for image in reading.images:
        if image.sop_instance_uid == box.sop_instance_uid:
            inside = item.clipped(box, image)
            return None if inside is None else (inside, image)
    return None


def _region(
    boxed: _Boxed, reading: Reading, templates: Templates, tracking: Any
) -> hd.PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410: codes and box, no number."""
    codes = templates.codes
    group = hd.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        referenced_region=hd.ImageRegion(
            hd.GraphicTypeValues.POLYLINE,
            item.outline(boxed.box),
            item.source_image(boxed.image),
        ),
        finding_category=codes.categories[codes.findings[boxed.finding.kind].category].code,
        finding_type=codes.findings[boxed.finding.kind].code,
        finding_sites=item.finding_sites(boxed.finding, codes),
        algorithm_id=algorithm(boxed.finding, reading, codes),
        qualitative_evaluations=_evaluations(boxed.finding, codes),
    )
    comment = templates.wording.markers.comment.format(
        finding=label(boxed.finding, templates.wording)
    )
    group[0].ContentSequence.append(
        item.text(codes.concepts.comment, shorten(comment, LONGEST_COMMENT))
    )
    return group


def _certainty(
    boxed: _Boxed, reading: Reading, codes: Codes, tracking: Any
) -> hd.MeasurementsAndQualitativeEvaluations:
    """TID 1501: the certainty, under the tracking UID of the box."""
    assert boxed.finding.probability is not None
    return hd.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        source_images=[_source(boxed.image)],
        finding_category=codes.categories[codes.findings[boxed.finding.kind].category].code,
        finding_type=codes.findings[boxed.finding.kind].code,
        finding_sites=item.finding_sites(boxed.finding, codes),
        algorithm_id=algorithm(boxed.finding, reading, codes),
        measurements=[
            hd.Measurement(
                name=codes.concepts.certainty.code,
                value=item.certainty_percent(boxed.finding.probability),
                unit=codes.concepts.percent.code,
            )
        ],
    )


def _ratio(
    ratio: CardiothoracicRatio,
    line: tuple[Box, ImageReference],
    reading: Reading,
    codes: Codes,
    tracking: Any,
) -> hd.MeasurementsAndQualitativeEvaluations:
    """TID 1501: the ratio with the heart's width as a line of two points."""
    heart, image = line
    return hd.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        source_images=[_source(image)],
        finding_sites=[hd.FindingSite(codes.sites["heart"].code)],
        algorithm_id=algorithm(None, reading, codes),
        measurements=[
            hd.Measurement(
                name=codes.concepts.ratio.code,
                value=round(ratio.value, 3),
                unit=codes.concepts.ratio_unit.code,
                referenced_coordinates=[
                    hd.CoordinatesForMeasurement(
                        hd.GraphicTypeValues.POLYLINE,
                        item.across(heart),
                        item.source_image(image),
                    )
                ],
            )
        ],
    )


def algorithm(
    finding: Finding | None, reading: Reading, codes: Codes
) -> hd.AlgorithmIdentification:
    """TID 4019: which model, and at which operating point it called the finding present."""
    model = reading.model
    parameters = [f"model digest {model.digest}"]
    if finding is not None:
        kind = "calibrated" if finding.calibrated else "not calibrated"
        parameters += [f"threshold {finding.threshold:.3g}", f"probability {kind}"]
        if finding.confidence is not None:
            parameters.append(f"confidence {finding.confidence:.2f}")
    return hd.AlgorithmIdentification(
        name=clean_name(model.name) or MODEL_NAME,
        version=clean_name(model.version) or model.digest,
        parameters=parameters,
        family=codes.concepts.algorithm_family.code,
        manufacturer=manufacturer_of(model),
    )


def _evaluations(finding: Finding, codes: Codes) -> list[hd.QualitativeEvaluation]:
    concepts = codes.concepts
    said = [(concepts.presence, codes.presence[finding.presence])]
    if finding.severity:
        said.append((concepts.severity, codes.severity[finding.severity]))
    if finding.position:
        said.append((concepts.device_position, codes.position[finding.position]))
    return [hd.QualitativeEvaluation(name.code, value.code) for name, value in said]


def _source(image: ImageReference) -> hd.SourceImageForMeasurementGroup:
    return hd.SourceImageForMeasurementGroup(image.sop_class_uid.text, image.sop_instance_uid.text)
