"""What ``cxr-node policy`` prints and writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from cxr_node.domain.priority import RANK, Priority
from cxr_node.entry.tables import PRIORITY_STYLE
from cxr_node.services.policy_trial import Explanation, Judgement, Moved, Trial

_NOT_THERE = "not held present or uncertain"
_MOST_LINES = 200
Named = Callable[[str], str]


def print_explanation(found: Explanation, version: str, console: Console, *, every: bool) -> None:
    """Decisions as they were made, then each reading before the rules of today."""
    console.print(f"priority {found.priority}: {found.words or 'nothing was raised'}", markup=False)
    table = Table("when (UTC)", "by", "rule", "before", "after", "policy", title="decided")
    for one in found.decisions:
        step = (one.rule, one.before, one.after, one.policy_version)
        table.add_row(f"{one.at:%Y-%m-%d %H:%M:%S}", one.source, *step)
    console.print(table)
    last = next((one for one in reversed(found.decisions) if one.inputs), None)
    if last is not None:
        console.print(f"decided on: {_inputs(last.inputs)}", markup=False, highlight=False)
    if last is not None and last.policy_version != version:
        console.print(f"the rules have changed since: now {version}", style="yellow")
    for judged in found.judgements:
        console.print(_rules(judged, every=every))


def _rules(judged: Judgement, *, every: bool) -> Table:
    title = (
        f"{judged.kind} of revision {judged.revision} by the rules of today: "
        f"{judged.decision.priority} ({judged.decision.rule})"
    )
    table = Table("rule", "priority", "ACR", "holds", "why not", title=title)
    for rule, lacks in judged.rules:
        if lacks != _NOT_THERE or every:
            category = "" if rule.acr_category is None else str(rule.acr_category)
            style = PRIORITY_STYLE.get(rule.priority.value, "") if not lacks else "dim"
            holds = "" if lacks else "yes"
            table.add_row(rule.id, rule.priority.value, category, holds, lacks, style=style)
    if judged.inputs.outside:
        table.caption = "the model was outside its intended use, so that no rule counted"
    return table


def _inputs(inputs: Any) -> str:
    said = [
        " ".join(str(value) for key, value in one.items() if key != "by_person")
        for one in inputs["findings"]
    ]
    told = [*said, f"patient class {inputs['patient_class']}"]
    if inputs["advice"]:
        told.append(f"advice {inputs['advice']}")
    return "; ".join(told)


def explanation_document(found: Explanation) -> dict[str, Any]:
    """All of it as JSON values."""
    return {
        "priority": found.priority,
        "words": found.words,
        "decisions": [asdict(one) | {"at": one.at.isoformat()} for one in found.decisions],
        "readings": [
            {
                "kind": judged.kind.value,
                "revision": judged.revision,
                "inputs": judged.inputs.document(),
                "priority": judged.decision.priority.value,
                "rule": judged.decision.rule,
                "rules": {rule.id: lacks or "holds" for rule, lacks in judged.rules},
            }
            for judged in found.judgements
        ],
    }


def print_trial(found: Trial, versions: tuple[str, str], named: Named, console: Console) -> None:
    """Counts, steps, and the studies that would have stood elsewhere."""
    left_out = f", {found.by_person} left out: a person has set the priority"
    console.print(
        f"{found.studies} studies{left_out if found.by_person else ''}; "
        f"{len(found.moved)} would have another priority, {found.other_reasons} the same "
        "by another rule",
        highlight=False,
    )
    table = Table("priority", f"now ({versions[0]})", f"then ({versions[1]})")
    for priority in sorted(Priority, key=RANK.__getitem__, reverse=True):
        table.add_row(priority.value, str(found.now[priority]), str(found.then[priority]))
    console.print(table)
    for (before, after), number in sorted(found.steps.items()):
        console.print(f"{before} -> {after}: {number}", highlight=False)
    if found.moved:
        console.print(_moved(found.moved, named))


def _moved(moved: list[Moved], named: Named) -> Table:
    table = Table("study", "now", "rule", "then", "rule")
    for one in moved[:_MOST_LINES]:
        before, after = one.before, one.after
        cells = (before.priority.value, before.rule, after.priority.value, after.rule)
        table.add_row(named(one.study_uid), *cells)
    if len(moved) > _MOST_LINES:
        table.caption = f"{len(moved) - _MOST_LINES} more; --json has them all"
    return table


def trial_document(found: Trial, named: Named) -> dict[str, Any]:
    """Counts and the whole list as JSON values."""
    return {
        "studies": found.studies,
        "by_person": found.by_person,
        "other_reasons": found.other_reasons,
        "now": dict(found.now),
        "then": dict(found.then),
        "moved": list(_lines(found.moved, named)),
    }


def _lines(moved: list[Moved], named: Named) -> Iterator[dict[str, str]]:
    for one in moved:
        yield {
            "study": named(one.study_uid),
            "now": one.before.priority.value,
            "now_rule": one.before.rule,
            "then": one.after.priority.value,
            "then_rule": one.after.rule,
        }
