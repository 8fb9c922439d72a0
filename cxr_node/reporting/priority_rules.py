"""The shape of ``priority/default.yaml``: rules from findings to a reading priority."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from cxr_node.domain.findings import DevicePosition, FindingKind, Severity
from cxr_node.domain.priority import Priority
from cxr_node.reporting.template_files import Entry, complete, values


class Outcome(Entry):
    """What a rule proposes. ``words`` say why, as a radiologist would."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    priority: Priority
    acr_category: Literal[1, 2, 3] | None = None
    words: str = Field(min_length=1, max_length=200)


class Rule(Outcome):
    """An outcome with what must hold: of one finding, or of the model's own advice."""

    finding: FindingKind | None = None
    advice: Literal[1, 2, 3] | None = None
    presence: tuple[Literal["present", "uncertain"], ...] = ("present",)
    minimum_probability: float = Field(0.0, ge=0.0, le=1.0)
    severity: tuple[Severity | Literal["unknown"], ...] = ()
    position: tuple[DevicePosition | Literal["unknown"], ...] = ()

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.finding is None) == (self.advice is None):
            raise ValueError(f"{self.id}: name either a finding or an advice category")
        return self


class PriorityPolicy(Entry):
    """``priority/default.yaml``."""

    version: str = Field(max_length=16)
    outside: Outcome
    otherwise: Outcome
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        named = {rule.finding.value for rule in self.rules if rule.finding}
        complete("rules", named, values(FindingKind))
        names = [self.outside.id, self.otherwise.id, *(rule.id for rule in self.rules)]
        if len(names) != len(set(names)):
            raise ValueError("rules: two rules share one id")
        if self.outside.priority not in (Priority.ROUTINE, Priority.LOW):
            raise ValueError("outside: a model outside its intended use raises nothing")
        return self

    def acr_category(self, rule: str) -> int | None:
        """The ACR category of the rule of that id; None without one."""
        outcomes = (self.outside, self.otherwise, *self.rules)
        return next((found.acr_category for found in outcomes if found.id == rule), None)
