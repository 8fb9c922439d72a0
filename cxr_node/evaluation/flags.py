"""Whether a study is time-critical: what the shipped priority rules say of truth and of reading.

True is what the rules would call STAT if every finding, severity and device position were
known. Triage asks for neither severity nor position, so that it can only see part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from cxr_node.domain.findings import (
    DevicePosition,
    FindingKind,
    Presence,
    Reading,
    Severity,
)
from cxr_node.domain.policy import PolicyInputs, Statement
from cxr_node.domain.priority import Priority
from cxr_node.evaluation.cases import LabelCase
from cxr_node.reporting.templates import Templates, load_templates
from cxr_node.services.prioritise import decide

TIME_CRITICAL = "time_critical"
_REASONS = (None, DevicePosition.MALPOSITIONED, DevicePosition.TOO_LOW)


@cache
def _shipped() -> Templates:
    return load_templates()


def critical(found: Iterable[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether any true finding, with its ``severity`` and ``position``, is STAT by the rules."""
    held = PolicyInputs(tuple(_held(FindingKind(kind), known) for kind, known in found))
    urgent = [rule for rule in _shipped().priority.rules if rule.priority is Priority.STAT]
    return any(rule.holds(held) for rule in urgent)


def _held(kind: FindingKind, known: Mapping[str, Any]) -> Statement:
    severity, position = known["severity"], known["position"]
    return Statement(
        kind,
        Presence.PRESENT,
        1.0,
        severity=Severity(severity) if severity and not kind.is_device else None,
        position=DevicePosition(position) if position and kind.is_device else None,
    )


def flag_case(true: bool, reading: Reading) -> LabelCase:
    """The flag as the node would raise it, with the greatest probability that speaks for it."""
    urgent = decide(reading, _shipped()).priority is Priority.STAT
    asked = [f for f in reading.findings if f.kind in _kinds() and f.probability is not None]
    # A device that lies well is no reason, however sure it is.
    reasons = [f.probability or 0.0 for f in asked if f.position in _REASONS]
    called = Presence.PRESENT if urgent else Presence.ABSENT
    return LabelCase(
        label=TIME_CRITICAL,
        truth=true,
        called=called if asked else Presence.NOT_ASSESSED,
        probability=max(reasons, default=0.0) if asked else None,
    )


@cache
def _kinds() -> frozenset[FindingKind]:
    rules = _shipped().priority.rules
    return frozenset(
        rule.finding for rule in rules if rule.priority is Priority.STAT and rule.finding
    )
