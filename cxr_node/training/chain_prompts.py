"""The three calls by which a chain is mined, as prompts with JSON, and their replies.

Plan, evidence, refine: the recipe of ChestX-Reasoner (arXiv 2504.20930) in words of our own. A
text model need only complete a prompt; what it replies is checked, never believed.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from cxr_node.training.chain_reports import Report
from cxr_node.training.chain_tasks import Task, TaskKind
from cxr_node.training.chain_topics import TOPICS

INPUT = "INPUT"
"""The line before the JSON of a prompt."""


class TextModel(Protocol):
    """Whoever writes: rules, a local language model, an inference server."""

    def complete(self, prompt: str) -> str:
        """The text that answers ``prompt``."""


class ReplyUnusable(Exception):
    """A reply is not the JSON that was asked for."""


_ONLY_JSON = "Reply with one JSON object and nothing else."
_PLAN = (
    "You teach reading chest radiographs. A question about a picture is given with its answer. "
    "Plan how a radiologist would look at the picture to answer it: which structures, in which "
    "order, and why there. Use evidence of the picture alone: no history, no other examination. "
    'Reply {"plan": [{"finding": F, "look_at": S, "why": W, "study": T}]} with F one of the names '
    'in "findings", S a structure, W half a sentence, T "current" or, where an earlier picture '
    'is shown too, "earlier".'
)
_EVIDENCE = (
    "Fill a plan of looking at a chest radiograph with what its report says. For each step name "
    "the number of the one sentence that it rests on. Where the report does not speak of the "
    'structure, it was normal: the sentence is null and the status "absent". Reply '
    '{"evidence": [{"step": N, "sentence": M, "status": P, "observation": O}]} with N the number '
    'of the step from 0, M the number of the sentence from 0 or null, P "present", "absent" or '
    '"uncertain", and O one sentence on what is seen, as if you were looking at the picture.'
)
_REFINE = (
    "Turn evidence into the thoughts of a radiologist who looks at the picture and has nothing "
    "else. Never speak of a report, a plan, an impression, a given answer, or of what is not "
    "mentioned; never compare with what is not shown. Leave out steps that do not bear on the "
    "answer. Join the steps so that they read as one thought and end with a conclusion that "
    'leads to the answer. Reply {"steps": [{"evidence": N, "text": X}], "conclusion": C} with N '
    "the number of the evidence from 0 and X and C one or two sentences."
)


def plan_prompt(task: Task, report: Report) -> str:
    """The first call."""
    studies = list(dict.fromkeys(s.source.study for s in report.sentences))
    content = _asked(task) | {
        "findings": list(TOPICS),
        "studies": studies,
        "report": _numbered(report),
    }
    return _prompt("plan", _PLAN, content)


def evidence_prompt(plan: list[dict[str, Any]], report: Report) -> str:
    """The second call; ``plan`` holds steps that were checked."""
    return _prompt("evidence", _EVIDENCE, {"plan": plan, "report": _numbered(report)})


def refine_prompt(task: Task, evidence: list[dict[str, Any]]) -> str:
    """The third call; ``evidence`` was checked and says nothing of where it came from."""
    return _prompt("refine", _REFINE, _asked(task) | {"evidence": evidence})


def input_of(prompt: str) -> dict[str, Any]:
    """The JSON of a prompt, for a model that follows rules."""
    found: dict[str, Any] = json.loads(prompt.rpartition(f"\n{INPUT}\n")[2])
    return found


def reply_list(reply: str, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The objects under ``name`` in a reply, and the reply itself.

    Text around the JSON is cut off. Raises :class:`ReplyUnusable`.
    """
    start, end = reply.find("{"), reply.rfind("}")
    try:
        found = json.loads(reply[start : end + 1]) if 0 <= start < end else None
    except (ValueError, RecursionError) as error:
        raise ReplyUnusable("the reply is broken JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get(name), list):
        raise ReplyUnusable(f"the reply holds no {name}")
    return [entry for entry in found[name] if isinstance(entry, dict)], found


def _asked(task: Task) -> dict[str, Any]:
    content: dict[str, Any] = {"task": task.kind.value, "question": task.question}
    content |= {"options": list(task.options), "answer": task.answer}
    content["asked_about"] = [label for label in task.labels if label in TOPICS]
    content["answer_means"] = list(task.positives)
    if task.kind is TaskKind.TEMPORAL:
        content["course"] = task.course
    return content


def _numbered(report: Report) -> list[dict[str, Any]]:
    return [
        {"sentence": n, "study": s.source.study, "text": s.text}
        for n, s in enumerate(report.sentences)
    ]


def _prompt(call: str, instruction: str, content: dict[str, Any]) -> str:
    text = json.dumps({"call": call} | content, ensure_ascii=False)
    return f"{instruction} {_ONLY_JSON}\n{INPUT}\n{text}"
