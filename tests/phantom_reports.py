"""Dialogue records over phantoms' truths that nobody had to draw: many reports in a second."""

from __future__ import annotations

import numpy as np

from cxr_node.domain.findings import DevicePosition, FindingKind, Laterality, Severity, Zone
from cxr_node.domain.instance import View
from cxr_node.domain.stages import QUALITY_DIMENSIONS
from cxr_node.phantom.make import chosen
from cxr_node.phantom.report import prose
from cxr_node.phantom.truth import FindingTruth, PhantomTruth
from cxr_node.training.phantom_records import phantom_record
from cxr_node.training.records import Record

_SIDES = (Laterality.RIGHT, Laterality.LEFT)
_ZONES = (Zone.UPPER, Zone.MIDDLE, Zone.LOWER)


def made_up(seed: int) -> PhantomTruth:
    """A truth of a seed's findings in the phantom's own prose; boxes mean nothing."""
    rng = np.random.default_rng([seed, 99])
    findings = tuple(_finding(kind, rng) for kind in FindingKind if kind in chosen(seed))
    text, impression = prose(findings, rng)
    return PhantomTruth(
        projection=View.PA,
        findings=findings,
        quality=dict.fromkeys(QUALITY_DIMENSIONS, "adequate"),
        heart=(80.0, 90.0, 150.0, 170.0),
        thorax=(30.0, 30.0, 190.0, 190.0),
        ratio=0.44,
        findings_text=text,
        impression=impression,
    )


def _finding(kind: FindingKind, rng: np.random.Generator) -> FindingTruth:
    return FindingTruth(
        kind,
        (20.0, 20.0, 60.0, 60.0),
        side=_SIDES[rng.integers(2)] if kind.has_side else None,
        zone=_ZONES[rng.integers(3)],
        severity=None if kind.is_device else list(Severity)[rng.integers(3)],
        position=list(DevicePosition)[rng.integers(4)] if kind.is_device else None,
    )


def phantom_dialogue(seed: int) -> Record:
    """The dialogue over it; every odd seed is the later study of the one before."""
    before = (f"s{seed - 1}", f"i{seed - 1}", made_up(seed - 1)) if seed % 2 else None
    return phantom_record(made_up(seed), 224, study=f"s{seed}", image=f"i{seed}", earlier=before)
