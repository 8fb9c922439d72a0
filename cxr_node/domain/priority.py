"""Reading priority and the one rule that binds it: without a person it only rises."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Priority(StrEnum):
    """Requested Procedure Priority (0040,1003) as the worklist answers it."""

    LOW = "LOW"
    ROUTINE = "ROUTINE"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    STAT = "STAT"


RANK: dict[Priority, int] = {
    Priority.LOW: 0,
    Priority.ROUTINE: 1,
    Priority.MEDIUM: 2,
    Priority.HIGH: 3,
    Priority.STAT: 4,
}

FLAG_FROM = Priority.HIGH
"""A study at this priority or above counts as flagged."""


def raised(current: Priority, proposed: Priority) -> Priority:
    """The higher of the two: an automatic result never lowers a study."""
    return max(current, proposed, key=RANK.__getitem__)


def is_flag(priority: Priority) -> bool:
    """Whether this priority puts the study ahead of the ordinary list."""
    return RANK[priority] >= RANK[FLAG_FROM]


@dataclass(frozen=True, slots=True)
class PriorityDecision:
    """What the policy proposes for one reading, and why."""

    priority: Priority
    rule: str
    """Identifier of the rule that decided, in ``sr_templates/priority``."""
    words: str
    """The reason as a radiologist would say it."""
    policy_version: str
    inputs: dict[str, Any] = field(default_factory=dict)
    """What the rules were given and which of them held, as JSON values; empty for a person."""
    acr_category: int | None = None
    acknowledge_minutes: float | None = None
    """Within which time a named person must acknowledge the flag; None where nobody must."""
