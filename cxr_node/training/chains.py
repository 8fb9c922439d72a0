"""Chains of reasoning mined from reports: plan, evidence, refine (arXiv 2504.20930).

Every step keeps the sentence it came from. A step that leaks, that says other than its source,
or that rests on nothing is dropped and counted; a chain without a step on what was asked is
not made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.reasoning.labels import NO_FINDING
from cxr_node.training.chain_leaks import Leak, leak
from cxr_node.training.chain_prompts import (
    ReplyUnusable,
    TextModel,
    evidence_prompt,
    plan_prompt,
    refine_prompt,
    reply_list,
)
from cxr_node.training.chain_reports import (
    CURRENT,
    EARLIER,
    Report,
    Source,
    implied,
    mentions_in,
    stated,
)
from cxr_node.training.chain_tasks import Task, TaskKind
from cxr_node.training.chain_topics import TOPICS, Topic

NOT_MENTIONED = "not mentioned, taken as normal"
"""Stands as the source of a step whose structure the report leaves out."""

_LONGEST = 400
"""Characters of one step; a longer one is no step."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thought. ``source`` None means :data:`NOT_MENTIONED`."""

    text: str
    label: str
    status: Presence
    source: Source | None


@dataclass(frozen=True, slots=True)
class Chain:
    """The thoughts that lead to the answer of one question."""

    task: Task
    steps: tuple[Step, ...]
    conclusion: str

    @property
    def thoughts(self) -> str:
        return " ".join((*(step.text for step in self.steps), self.conclusion))


@dataclass(slots=True)
class Dropped:
    """What was left out, and how often, by reason."""

    chains: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)


def mine(task: Task, report: Report, model: TextModel, dropped: Dropped) -> Chain | None:
    """The chain for one question; None, and a count in ``dropped``, where none can be had."""
    if not _supported(task, report):
        dropped.chains["the report does not bear the answer out"] += 1
        return None
    try:
        plan = _planned(model.complete(plan_prompt(task, report)), report, dropped)
        found = _seen(model.complete(evidence_prompt(plan, report)), plan, report, dropped)
        reply = model.complete(refine_prompt(task, [entry for entry, _ in found]))
        steps, conclusion = _refined(reply, found, task, dropped)
    except ReplyUnusable as error:
        dropped.chains[str(error)] += 1
        return None
    if problem := _unfit(task, steps, conclusion):
        dropped.chains[problem] += 1
        return None
    return Chain(task, tuple(steps), conclusion)


def _supported(task: Task, report: Report) -> bool:
    """Whether the report says all that is true of the labels, and nothing against them."""
    everything = report.of(CURRENT).mentions
    for label in task.labels:
        if label == NO_FINDING:
            continue
        said = stated(everything, TOPICS[label].kinds)
        if label in task.positives and said is not Presence.PRESENT:
            return False
        if task.kind is TaskKind.TEMPORAL:
            before = stated(report.of(EARLIER).mentions, TOPICS[label].kinds)
            if before is not Presence.PRESENT:
                return False
        if label not in task.positives and said in (Presence.PRESENT, Presence.UNCERTAIN):
            return False
    return bool(report)


def _planned(reply: str, report: Report, dropped: Dropped) -> list[dict[str, Any]]:
    entries, _ = reply_list(reply, "plan")
    studies = {s.source.study for s in report.sentences}
    kept = []
    for entry in entries:
        study = entry.get("study", CURRENT)
        texts = (entry.get("look_at"), entry.get("why"))
        if entry.get("finding") not in TOPICS or study not in studies:
            dropped.steps["the plan names nothing known"] += 1
        elif not all(_is_text(text) for text in texts):
            dropped.steps["the plan's step has no words"] += 1
        else:
            names = ("finding", "look_at", "why")
            kept.append({name: entry[name] for name in names} | {"study": study})
    if not kept:
        raise ReplyUnusable("the plan holds no step")
    return kept


_Seen = tuple[dict[str, Any], Source | None]


def _seen(
    reply: str, plan: Sequence[dict[str, Any]], report: Report, dropped: Dropped
) -> list[_Seen]:
    """Evidence that its sentence bears out, as the third call sees it, with its source."""
    entries, _ = reply_list(reply, "evidence")
    found: list[_Seen] = []
    for entry in entries:
        at, observation = entry.get("step"), entry.get("observation")
        if not _is_place(at, len(plan)) or not _is_text(observation):
            dropped.steps["the evidence belongs to no step"] += 1
            continue
        step = plan[at]
        topic = TOPICS[step["finding"]]
        try:
            status = Presence(str(entry.get("status")))
            source = _source(entry.get("sentence"), step["study"], topic, status, report)
        except ValueError as problem:
            dropped.steps[str(problem)] += 1
            continue
        found.append((step | {"status": status.value, "observation": observation}, source))
    if not found:
        raise ReplyUnusable("no evidence is borne out")
    return found


def _source(
    sentence: object, study: str, topic: Topic, status: Presence, report: Report
) -> Source | None:
    """The place of the sentence. Raises ``ValueError`` with the reason to drop the step."""
    said = report.of(study).mentions
    if status is Presence.ABSENT and implied(said, topic.kinds):
        raise ValueError("a finding that implies it is present")
    if sentence is None:
        spoken = stated(said, topic.kinds)
        if status is not Presence.ABSENT or spoken in (Presence.PRESENT, Presence.UNCERTAIN):
            raise ValueError("the report speaks of what is taken as normal")
        return None
    if not _is_place(sentence, len(report.sentences)):
        raise ValueError("the evidence names no sentence")
    cited = report.sentences[sentence]
    if cited.source.study != study:
        raise ValueError("the evidence is of another study")
    if stated(cited.mentions, topic.kinds) is not status:
        raise ValueError("the sentence does not say so")
    return cited.source


def _refined(
    reply: str, found: Sequence[_Seen], task: Task, dropped: Dropped
) -> tuple[list[Step], str]:
    entries, whole = reply_list(reply, "steps")
    steps = []
    for entry in entries:
        at, text = entry.get("evidence"), entry.get("text")
        if not _is_place(at, len(found)) or not _is_text(text):
            dropped.steps["the thought rests on no evidence"] += 1
            continue
        evidence, source = found[at]
        label, status = evidence["finding"], Presence(evidence["status"])
        words = " ".join(text.split())
        if problem := _step_problem(words, TOPICS[label], status, task):
            dropped.steps[problem] += 1
        else:
            steps.append(Step(words, label, status, source))
    conclusion = whole.get("conclusion")
    return steps, " ".join(conclusion.split()) if isinstance(conclusion, str) else ""


def _step_problem(text: str, topic: Topic, status: Presence, task: Task) -> str:
    if len(text) > _LONGEST:
        return "the thought is too long"
    if reason := _leaks(text, task):
        return f"leak: it {reason}"
    if _denies(text, topic.kinds, status):
        return "the thought says other than its evidence"
    return ""


def _leaks(text: str, task: Task) -> Leak | None:
    return leak(text, two_pictures=task.kind is TaskKind.TEMPORAL)


def _denies(text: str, kinds: Iterable[FindingKind], status: Presence) -> bool:
    """Whether ``text`` firmly says of a finding what its evidence does not."""
    said = stated(mentions_in(text), tuple(kinds))
    firm = {Presence.PRESENT, Presence.ABSENT}
    return said in firm and said is not status


def _unfit(task: Task, steps: Sequence[Step], conclusion: str) -> str:
    """Why what is left is no chain; empty when it is one."""
    if not conclusion or len(conclusion) > _LONGEST:
        return "there is no conclusion"
    if reason := _leaks(conclusion, task):
        return f"the conclusion leaks: it {reason}"
    shown = {step.label for step in steps}
    wanted = [label for label in (task.positives or task.labels) if label in TOPICS]
    if any(label not in shown for label in wanted) or not steps:
        return "no step on what was asked is left"
    for label in task.labels:
        if label in TOPICS:
            true = Presence.PRESENT if label in task.positives else Presence.ABSENT
            if _denies(conclusion, TOPICS[label].kinds, true):
                return "the conclusion contradicts the answer"
    return ""


def _is_place(value: object, count: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def statuses(chain: Chain) -> Iterator[tuple[str, str]]:
    """Key findings of a chain: label and status, each once, the last word on it."""
    yield from {step.label: step.status.value for step in chain.steps}.items()
