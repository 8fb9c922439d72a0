"""The shapes of ``priority/order.yaml`` and ``critical.yaml``: list and acknowledgement."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from cxr_node.domain.amendment import PersonRole
from cxr_node.domain.priority import RANK, Priority
from cxr_node.domain.worklist import STRICT, ReadingOrder
from cxr_node.reporting.template_files import Entry, complete, values


class OrderPolicy(Entry):
    """``priority/order.yaml``."""

    version: str = Field(max_length=16)
    rule: Literal["due-time", "strict"]
    first: tuple[Priority, ...]
    due_minutes: dict[Priority, float]
    open_hours: float = Field(gt=0)
    claim_minutes: float = Field(gt=0, le=1440)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        complete("due_minutes", {key.value for key in self.due_minutes}, values(Priority))
        by_rank = sorted(RANK, key=RANK.__getitem__, reverse=True)
        waits = [self.due_minutes[priority] for priority in by_rank]
        if waits[0] <= 0 or waits != sorted(waits):
            raise ValueError("due_minutes: a higher priority must not be due later than a lower")
        if set(self.first) != set(by_rank[: len(self.first)]):
            raise ValueError("first: must be the highest priorities, without a gap")
        return self

    def reading_order(self) -> ReadingOrder:
        """The order as the worklist uses it."""
        if self.rule == "strict":
            return STRICT
        return ReadingOrder(
            first=frozenset(self.first),
            due_seconds={p: minutes * 60 for p, minutes in self.due_minutes.items()},
        )


class Escalation(Entry):
    """Who is told when nobody has acknowledged ``after_minutes`` from the flag."""

    after_minutes: float = Field(gt=0)
    to: str = Field(min_length=1, max_length=64)


class CriticalPolicy(Entry):
    """``priority/critical.yaml``."""

    version: str = Field(max_length=16)
    priorities: tuple[Priority, ...]
    acr_categories: tuple[Literal[1, 2, 3], ...]
    acknowledge_minutes: float = Field(gt=0)
    roles: tuple[PersonRole, ...] = Field(min_length=1)
    escalation: tuple[Escalation, ...]

    @model_validator(mode="after")
    def _in_turn(self) -> Self:
        after = [step.after_minutes for step in self.escalation]
        if after != sorted(set(after)):
            raise ValueError("escalation: each step must come later than the one before")
        if after and after[0] < self.acknowledge_minutes:
            raise ValueError("escalation: none before acknowledge_minutes have passed")
        return self

    def limit_minutes(self, priority: Priority, acr_category: int | None) -> float | None:
        """Within how many minutes a flag must be acknowledged; None where it need not be."""
        counts = priority in self.priorities or acr_category in self.acr_categories
        return self.acknowledge_minutes if counts else None

    def step(self, level: int) -> Escalation | None:
        """Who is told next, after ``level`` escalations; None when nobody is left."""
        return self.escalation[level] if level < len(self.escalation) else None
