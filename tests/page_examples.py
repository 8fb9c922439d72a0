"""A phantom with a reading that says what was drawn: what a page is shown and tested with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cxr_node.domain.findings import (
    Box,
    CardiothoracicRatio,
    Finding,
    FindingKind,
    ImageReference,
    Laterality,
    PriorStudy,
    Reading,
    Severity,
    Zone,
)
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import View
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import StageKey
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.dicom import dataset_of
from cxr_node.phantom.batched.make import make_radiograph
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.truth import PixelBox
from tests.readings import MODEL, finding, sample_image, sample_reading, sample_turns, turn

SHOWN = (
    Sign.PNEUMOTHORAX,
    Sign.PLEURAL_EFFUSION,
    Sign.ENDOTRACHEAL_TUBE,
    Sign.CENTRAL_VENOUS_CATHETER,
)
_AP = turn(StageKey.QUALITY_VIEW, "projection", "AP", probabilities={"AP": 0.8, "PA": 0.2})
_PROBABILITIES = (0.94, 0.71, 0.97, 0.88, 0.66, 0.59, 0.83, 0.77)


def phantom_case(
    folder: Path, signs: Collection[Sign] = SHOWN, seed: int = 5, size: int = 900
) -> tuple[Path, Reading, PreparedImage]:
    """File, reading and picture of one phantom; probabilities are made up."""
    phantom = make_radiograph(make_case(seed, view=View.AP, signs=signs), size)
    dataset = dataset_of(phantom)
    path = folder / "phantom.dcm"
    dataset.save_as(path, enforce_file_format=True)
    image = sample_image(
        sop_instance_uid=Uid(dataset.SOPInstanceUID),
        sop_class_uid=Uid(dataset.SOPClassUID),
        series_uid=Uid(dataset.SeriesInstanceUID),
        rows=size,
        columns=size,
        view="AP",
    )
    truth = phantom.facts
    shown = tuple(
        finding(
            drawn.kind,
            probability,
            laterality=drawn.seen_by.side,
            zone=drawn.seen_by.zone,
            severity=drawn.seen_by.severity,
            position=drawn.seen_by.position,
            box=_box(drawn.seen_by.box, image),
            calibrated=True,
        )
        for drawn, probability in zip(truth.kinds, _PROBABILITIES, strict=False)
    )
    absent = tuple(
        replace(finding(kind, 0.02 + 0.013 * number), calibrated=True)
        for number, kind in enumerate(FindingKind)
        if kind not in {drawn.kind for drawn in truth.kinds}
    )
    assert truth.heart and truth.thorax and truth.ratio
    reading = sample_reading(
        images=(image,),
        projection="AP",
        turns=(_AP, *sample_turns()[1:]),
        findings=(*shown, *absent),
        ratio=CardiothoracicRatio(truth.ratio, _box(truth.heart, image), _box(truth.thorax, image)),
        model=replace(MODEL, statement=""),
        prior=PriorStudy(Uid("1.2.826.0.1.3680043.8.498.2"), image, "20250301"),
        findings_text=phantom.findings_text,
        impression=phantom.impression,
    )
    gray = np.round(np.clip(phantom.image, 0, 1) * 255).astype(np.uint8)
    return path, reading, picture_of(image, gray.tobytes())


def picture_of(image: ImageReference, gray: bytes = b"", **changes: Any) -> PreparedImage:
    """The picture of an image in its own size; a grey ramp unless values are given."""
    ramp = bytes(range(256)) * (image.columns * image.rows // 256 + 1)
    plain = PreparedImage(
        sop_instance_uid=image.sop_instance_uid,
        width=image.columns,
        height=image.rows,
        gray=gray or ramp[: image.columns * image.rows],
        left=0,
        top=0,
        content_width=image.columns,
        content_height=image.rows,
        original_columns=image.columns,
        original_rows=image.rows,
    )
    return replace(plain, **changes)


def many_findings(number: int, image: ImageReference) -> tuple[Finding, ...]:
    """``number`` findings held present, each with a side, a zone, a degree and a box."""
    kinds, sides = list(FindingKind), (Laterality.RIGHT, Laterality.LEFT)
    found = []
    for count in range(number):
        left, top = 30 + 37 * (count % 8), 20 + 90 * (count // 8)
        found.append(
            finding(
                kinds[count % len(kinds)],
                0.55 + 0.02 * count,
                laterality=sides[count % 2],
                zone=list(Zone)[count % len(Zone)],
                severity=list(Severity)[count % 3],
                box=Box(image.sop_instance_uid, left, top, left + 60, top + 70),
            )
        )
    return tuple(found)


def _box(corners: PixelBox, image: ImageReference) -> Box:
    return Box(image.sop_instance_uid, *(float(edge) for edge in corners))
