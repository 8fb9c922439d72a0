"""The shape of ``priority/default.yaml``: rules from findings to a reading priority."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from cxr_node.domain.findings import DevicePosition, FindingKind, Severity
from cxr_node.domain.policy import PatientClass, PolicyInputs, Statement
from cxr_node.domain.priority import Priority, is_flag
from cxr_node.reporting.template_files import Entry, complete, values

Change = Literal["new", "resolved", "improved", "worsened", "stable", "not_comparable", "unknown"]


class Outcome(Entry):
    """What a rule proposes. ``words`` say why, as a radiologist would; other languages
    have theirs in ``wording.<language>.yaml`` under the rule's id."""

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
    change: tuple[Change, ...] = ()
    patient_class: tuple[PatientClass, ...] = ()

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.finding is None) == (self.advice is None):
            raise ValueError(f"{self.id}: name either a finding or an advice category")
        return self

    @model_validator(mode="after")
    def _actionable(self) -> Self:
        if is_flag(self.priority) and self.acr_category is None:
            raise ValueError(f"{self.id}: a rule that flags needs an acr_category")
        return self

    def holds(self, inputs: PolicyInputs) -> bool:
        """Whether the inputs are enough for this rule."""
        return not self.lacking(inputs)

    def lacking(self, inputs: PolicyInputs) -> str:
        """The first condition that does not hold, in words; empty where the rule holds."""
        if self.patient_class and inputs.patient_class not in self.patient_class:
            return f"patient class {inputs.patient_class}"
        if self.advice is not None:
            return "" if inputs.advice == self.advice else f"advice {inputs.advice or 'none'}"
        lacks = [self.misses(one) for one in inputs.statements if one.kind is self.finding]
        return "" if "" in lacks else next(iter(lacks), "not held present or uncertain")

    def misses(self, said: Statement) -> str:
        """What of the rule ``said`` alone does not meet; empty where it is enough."""
        return next(self._misses(said), "")

    def _misses(self, said: Statement) -> Iterator[str]:
        if said.kind is not self.finding:
            yield f"another finding: {said.kind}"
        if said.presence.value not in self.presence:
            yield said.presence.value
        if not said.by_person and (said.probability or 0.0) < self.minimum_probability:
            yield f"probability {said.probability or 0.0:.2f}"
        for name in ("severity", "position", "change"):
            held, asked = getattr(said, name) or "unknown", getattr(self, name)
            if asked and held not in asked:
                yield f"{name} {held}"


def _plain(text: str) -> str:
    """Letters and digits, small, with single spaces between what they make up."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


class PriorityPolicy(Entry):
    """``priority/default.yaml``."""

    version: str = Field(max_length=16)
    patient_classes: dict[PatientClass, tuple[str, ...]] = Field(default_factory=dict)
    """Words of a location or department that tell the class, where no order tells it."""
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

    def patient_class(self, ordered: str, department: str) -> PatientClass:
        """What the order says; else what the words of the department tell, else unknown."""
        if ordered in set(PatientClass) - {PatientClass.UNKNOWN}:
            return PatientClass(ordered)
        spoken = f" {_plain(department)} "
        for found, names in self.patient_classes.items():
            if any(f" {_plain(name)} " in spoken for name in names):
                return found
        return PatientClass.UNKNOWN
