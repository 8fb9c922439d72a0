"""Proposes a reading priority from a reading; the rules are data (``sr_templates/priority``)."""

from __future__ import annotations

from collections.abc import Sequence

from cxr_node.domain.amendment import Amendment
from cxr_node.domain.findings import Finding, Reading
from cxr_node.domain.priority import RANK, PriorityDecision
from cxr_node.reporting.priority_rules import Outcome, Rule
from cxr_node.reporting.templates import Templates

PERSON_RULE = "person"
"""Stands for the rule where a person decided."""


def decide(reading: Reading, templates: Templates) -> PriorityDecision:
    """The highest priority any rule proposes; the store takes the higher of it and the study's.

    A reading outside the model's intended use raises nothing and says so. That no
    abnormality was found overall is not looked at: it suppresses no rule. Where a person
    has set the priority together with a correction, that is the decision.
    """
    policy = templates.priority
    if reading.amendment is not None and reading.amendment.priority is not None:
        return person_decision(reading.amendment, templates)
    if reading.outside_intended_use:
        chosen: list[Outcome] = [policy.outside]
    else:
        chosen = _highest([rule for rule in policy.rules if _holds(rule, reading)])
    first, *_ = chosen or [policy.otherwise]
    return PriorityDecision(
        priority=first.priority,
        rule=first.id,
        words="; ".join(dict.fromkeys(found.words for found in chosen)) or first.words,
        policy_version=templates.policy_version,
    )


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


def _highest(matching: Sequence[Outcome]) -> list[Outcome]:
    top = max((RANK[found.priority] for found in matching), default=0)
    return [found for found in matching if RANK[found.priority] == top]


def _holds(rule: Rule, reading: Reading) -> bool:
    if rule.advice is not None:
        return reading.advice is not None and reading.advice.acr_category == rule.advice
    return any(matches(rule, finding) for finding in reading.findings)


def matches(rule: Rule, finding: Finding) -> bool:
    """Whether ``finding`` alone is enough for ``rule``."""
    return (
        finding.kind is rule.finding
        and finding.presence.value in rule.presence
        and (finding.by_person or (finding.probability or 0.0) >= rule.minimum_probability)
        and (not rule.severity or (finding.severity or "unknown") in rule.severity)
        and (not rule.position or (finding.position or "unknown") in rule.position)
    )
