"""The record of a phantom (a line of truth.jsonl of ``cxr-node phantom make``) as a truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cxr_node.domain.findings import Presence
from cxr_node.domain.stages import QUALITY_DIMENSIONS, StageKey
from cxr_node.evaluation.flags import critical
from cxr_node.evaluation.truth import Place, StudyTruth
from cxr_node.reasoning.boxes import PercentBox
from cxr_node.reasoning.prompts import pair

_ATTRIBUTES = ("side", "zone", "severity", "position")
_LEAN, _STOUT = 1 / 3, 2 / 3


def record_truth(record: Mapping[str, Any]) -> StudyTruth:
    """What is known of the film; a finding that is uncertain by rule is not graded as a label."""
    stages: Mapping[str, Any] = record["stages"]
    presence: Mapping[str, str] = stages[StageKey.FINDINGS]["presence"]
    findings = stages[StageKey.ATTRIBUTES_GROUNDING]
    report = stages[StageKey.REPORT]
    return StudyTruth(
        labels={
            kind: state == Presence.PRESENT
            for kind, state in presence.items()
            if state != Presence.UNCERTAIN
        },
        answers=dict(_answers(stages)),
        texts=dict(_texts(stages)),
        boxes=dict(_boxes(findings)),
        ratio=record["ratio"],
        critical=critical(_present(findings)),
        report=f"{report['findings']} {report['impression']}",
        groups=_groups(record),
    )


def _answers(stages: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    quality, stage = stages[StageKey.QUALITY_VIEW], StageKey.QUALITY_VIEW
    yield from (((stage, key, ""), quality[key]) for key in ("projection", *QUALITY_DIMENSIONS))
    found, stage = stages[StageKey.FINDINGS], StageKey.FINDINGS
    yield (stage, "overall", ""), found["overall"]
    yield from (((stage, "presence", kind), state) for kind, state in found["presence"].items())
    for kind, known in _present(stages[StageKey.ATTRIBUTES_GROUNDING]):
        for key in _ATTRIBUTES:
            if known[key] is not None:
                yield (StageKey.ATTRIBUTES_GROUNDING, key, kind), known[key]
    for one in stages[StageKey.RELATIONSHIPS]:
        subject = pair(one["first"], one["second"])
        yield (StageKey.RELATIONSHIPS, "relation", subject), one["relation"]
    changes = (stages[StageKey.COMPARISON] or {}).get("change", {})
    yield from (((StageKey.COMPARISON, "change", kind), how) for kind, how in changes.items())
    if course := stages[StageKey.FUTURE_TREND]:
        yield (StageKey.FUTURE_TREND, "course", ""), course["course"]
    for key, answer in (stages[StageKey.ADVICE] or {}).items():
        yield (StageKey.ADVICE, key, ""), answer


def _texts(stages: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    yield (StageKey.QUALITY_VIEW, "limits", ""), stages[StageKey.QUALITY_VIEW]["limits"]
    yield (StageKey.FINDINGS, "other", ""), stages[StageKey.FINDINGS]["other"]
    for kind, known in _present(stages[StageKey.ATTRIBUTES_GROUNDING]):
        yield (StageKey.ATTRIBUTES_GROUNDING, "description", kind), known["description"]
    for stage in (StageKey.COMPARISON, StageKey.FUTURE_TREND):
        if stages[stage]:
            yield (stage, "summary", ""), stages[stage]["summary"]


def _present(findings: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((kind, known) for kind, known in findings.items() if kind != "anatomy")


def _boxes(findings: Mapping[str, Any]) -> Iterator[tuple[str, tuple[PercentBox, ...]]]:
    places = {kind: known["box"] for kind, known in _present(findings)} | findings["anatomy"]
    for subject, box in places.items():
        if box is not None:
            x0, y0, x1, y1 = box
            yield subject, ((x0, y0, x1, y1),)


def _groups(record: Mapping[str, Any]) -> dict[str, str]:
    habitus = record["habitus"]
    build = habitus["stoutness"]
    quality = record["stages"][StageKey.QUALITY_VIEW]
    return {
        "view": record["view"],
        "sex": habitus["sex"],
        "habitus": "lean" if build < _LEAN else "stout" if build >= _STOUT else "average",
        "quality": worst([quality[key] for key in QUALITY_DIMENSIONS]),
    }


def worst(verdicts: list[str]) -> str:
    """The worst verdict on any quality dimension."""
    return max(verdicts, key=["adequate", "limited", "inadequate"].index)
