"""Proposes a reading priority from a reading; the rules are data (``sr_templates/priority``)."""

from __future__ import annotations

from collections.abc import Sequence

from cxr_node.domain.amendment import Amendment
from cxr_node.domain.findings import Reading
from cxr_node.domain.policy import PatientClass, PolicyInputs, policy_inputs
from cxr_node.domain.priority import RANK, PriorityDecision
from cxr_node.reporting.priority_rules import Outcome, PriorityPolicy
from cxr_node.reporting.templates import Templates

PERSON_RULE = "person"
"""Stands for the rule where a person decided."""


def decide(
    reading: Reading,
    templates: Templates,
    patient_class: PatientClass = PatientClass.UNKNOWN,
) -> PriorityDecision:
    """The highest priority any rule proposes; the store takes the higher of it and the study's.

    A reading outside the model's intended use raises nothing and says so. That no
    abnormality was found overall is not looked at: it suppresses no rule. Where a person
    has set the priority together with a correction, that is the decision.
    """
    if reading.amendment is not None and reading.amendment.priority is not None:
        return person_decision(reading.amendment, templates)
    return judged(inputs_of(reading, patient_class), templates)


def inputs_of(reading: Reading, patient_class: PatientClass) -> PolicyInputs:
    """What the rules see of a reading."""
    return policy_inputs(
        reading.findings,
        reading.changes,
        advice=reading.advice.acr_category if reading.advice else None,
        outside=bool(reading.outside_intended_use),
        patient_class=patient_class,
    )


def judged(inputs: PolicyInputs, templates: Templates) -> PriorityDecision:
    """What the rules make of their inputs."""
    held = holding(templates.priority, inputs)
    chosen = _highest(held)
    first = chosen[0]
    spoken = templates.wording.rules
    return PriorityDecision(
        priority=first.priority,
        rule=first.id,
        words="; ".join(dict.fromkeys(spoken.get(found.id, found.words) for found in chosen)),
        policy_version=templates.policy_version,
        inputs={**inputs.document(), "held": [found.id for found in held]},
        acr_category=first.acr_category,
        acknowledge_minutes=templates.critical.limit_minutes(first.priority, first.acr_category),
    )


def holding(policy: PriorityPolicy, inputs: PolicyInputs) -> list[Outcome]:
    """Every rule that holds, in the order of the file; what stands for none where none does."""
    if inputs.outside:
        return [policy.outside]
    return [rule for rule in policy.rules if rule.holds(inputs)] or [policy.otherwise]


def person_decision(amendment: Amendment, templates: Templates) -> PriorityDecision:
    """What a person decided about the priority, with who and why."""
    assert amendment.priority is not None
    person = amendment.person
    return PriorityDecision(
        priority=amendment.priority,
        rule=PERSON_RULE,
        words=f"{person.name}, {person.role}, {person.organisation}: {amendment.reason}",
        policy_version=templates.policy_version,
    )


def _highest(held: Sequence[Outcome]) -> list[Outcome]:
    top = max(RANK[found.priority] for found in held)
    return [found for found in held if RANK[found.priority] == top]
