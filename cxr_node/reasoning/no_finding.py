"""No Finding against findings: who calls a study normal cannot hold a pathology for certain.

CheXpert's No Finding excludes every pathology and no device (arXiv 1901.07031). Here it
takes away only the certainty: the finding is shown as uncertain, with the contradiction,
because either statement may be the wrong one. What cannot wait is left as it was stated:
a pneumothorax and every device, well placed or not, keep their flags, and what a person said
stays as it was said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cxr_node.domain.findings import (
    Clash,
    Contradiction,
    Finding,
    FindingKind,
    Presence,
    Reading,
)

NORMAL_BELOW = 0.5
"""A probability of abnormal below this calls the study normal."""

NEVER_SUPPRESSED = frozenset({FindingKind.PNEUMOTHORAX})
"""Pathologies that stay present whatever else is said; devices do so in any case."""


def excludes(kind: FindingKind) -> bool:
    """Whether No Finding makes this finding uncertain."""
    return not kind.is_device and kind not in NEVER_SUPPRESSED


def weigh(reading: Reading, *, listed: bool) -> Reading:
    """``reading`` under the policy; ``listed`` says that a trace's answer names No Finding.

    Without a pathology held present, or without a verdict of normal, it is returned as it is.
    """
    clashes = (*called_normal(reading), *(_listed(reading) if listed else ()))
    if not clashes:
        return reading
    return replace(
        reading,
        findings=tuple(_weighed(f) for f in reading.findings),
        contradictions=(*reading.contradictions, *clashes),
    )


def called_normal(reading: Reading) -> Iterator[Contradiction]:
    """The overall verdict of normal beside pathologies held present."""
    kinds = _held(reading)
    if kinds and reading.abnormal is not None and reading.abnormal < NORMAL_BELOW:
        words = f"the study was called normal, yet held: {_names(kinds)}"
        yield Contradiction(Clash.OVERALL, words, kinds)


def _listed(reading: Reading) -> Iterator[Contradiction]:
    kinds = _held(reading)
    if kinds:
        words = f"the reasoning ends in No Finding, yet held: {_names(kinds)}"
        yield Contradiction(Clash.NO_FINDING, words, kinds)


def _held(reading: Reading) -> tuple[FindingKind, ...]:
    return tuple(f.kind for f in reading.present if not f.kind.is_device)


def _names(kinds: Sequence[FindingKind]) -> str:
    return ", ".join(kind.value.replace("_", " ") for kind in kinds)


def _weighed(finding: Finding) -> Finding:
    if finding.present and excludes(finding.kind) and not finding.by_person:
        return replace(finding, presence=Presence.UNCERTAIN)
    return finding
