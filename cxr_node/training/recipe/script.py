"""What the embedded model is taught to say: dialogues over a phantom, in the product's own words.

The questions are those of the stage graph in its order; the answers follow from the record of
the phantom. Dialogues as text, in the format that data sets are exchanged in, are made by
``training/phantom_folder.py``; these are short enough for a language model of three layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import GRAPH, QUALITY_DIMENSIONS, Question, StageKey
from cxr_node.reasoning import prompts
from cxr_node.reasoning.prompts import Wording

DESCRIBED, PAIRS = 6, 3
"""As the embedded model's profile limits them."""

_S, _W = StageKey, Wording.BRIEF
_END = 0.05
_TEXT, _BOX, _PRESENCE, _CHANGE, _GRADE = 0.25, 0.4, 1.5, 2.0, 0.7
"""What a token of each kind of answer counts."""
_LEAST_SIDE = 0.5
"""Percent of the picture; a narrower box is no answer (``reasoning/boxes.py``)."""
_QUESTIONS: dict[tuple[StageKey, str], Question] = {
    (stage.key, question.key): question for stage in GRAPH for question in stage.questions
}
_K = FindingKind
_ZONED = frozenset(
    {_K.CONSOLIDATION, _K.LUNG_LESION, _K.ATELECTASIS, _K.LUNG_OPACITY, _K.PNEUMONIA}
)
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One turn: the prompt, the answer's words, and how much each of its tokens counts."""

    prompt: str
    answer: str
    weight: float = 1.0
    end_weight: float = _END


def triage(truth: Record) -> list[Said]:
    """The triage dialogue as the product asks it."""
    stages = truth["stages"]
    return [
        _closed(_S.QUALITY_VIEW, "projection", stages["quality_view"]["projection"], weight=0.5),
        _overall(truth),
        *_presences(truth),
    ]


def thinned(truth: Record, rng: np.random.Generator) -> list[Said]:
    """Some of the triage questions, mostly in another order."""
    turns = triage(truth)
    kept = [turn for turn in turns if rng.random() < rng.choice((0.3, 0.7))]
    order = rng.permutation(len(kept)) if rng.random() < 0.6 else range(len(kept))
    return [kept[place] for place in order] or turns[2:5]


def reading(truth: Record, rng: np.random.Generator) -> list[Said]:
    """The full reading; half of the time whole, else with parts left out.

    Every finding is always asked for: were only some, being asked would itself be a hint.
    """
    whole = rng.random() < 0.5

    def also(odds: float) -> bool:
        return whole or bool(rng.random() < odds)

    stages = truth["stages"]
    quality, places = stages["quality_view"], stages["attributes_grounding"]
    shown = _described(truth, rng)
    turns = [_closed(_S.QUALITY_VIEW, "projection", quality["projection"], weight=0.5)]
    graded = [name for name in QUALITY_DIMENSIONS if also(0.5)]
    turns += [_closed(_S.QUALITY_VIEW, n, quality[n], weight=_GRADE) for n in graded]
    turns += [_text(_S.QUALITY_VIEW, "limits", _limits(quality))] if also(0.4) else []
    turns += [_overall(truth), *_presences(truth)]
    turns += [_text(_S.FINDINGS, "other", stages["findings"]["other"])] if also(0.5) else []
    for kind in shown:
        turns += _attributes(kind, places[kind], describe=also(0.4)) if also(0.7) else []
    for name in prompts.STRUCTURES:
        turns += _box("anatomy_box", name, places["anatomy"][name]) if also(0.5) else []
    turns += _relations(truth, shown) if len(shown) >= 2 and also(0.4) else []
    turns += _comparison(truth, shown) if stages["comparison"] and also(0.9) else []
    turns += _outlook(truth) if shown and also(0.4) else []
    turns += _closing(truth, shown) if also(0.3) else []
    return turns


def compared(turns: list[Said]) -> list[Said]:
    """The same with the words that say which of two pictures is the earlier one."""
    words = prompts.pictures_words(_W, reference_first=False)
    return [replace(turns[0], prompt=f"{words} {turns[0].prompt}"), *turns[1:]]


def _described(truth: Record, rng: np.random.Generator) -> list[FindingKind]:
    shown = [k for k in FindingKind if k in truth["stages"]["attributes_grounding"]]
    while len(shown) > DESCRIBED:
        shown.pop(int(rng.integers(len(shown))))
    return shown


def _words(stage: StageKey, key: str, subject: str) -> str:
    return prompts.question_words(_W, stage, _QUESTIONS[stage, key], subject)


def _closed(stage: StageKey, key: str, option: str, subject: str = "", weight: float = 1.0) -> Said:
    return Said(_words(stage, key, subject), prompts.option_words(_W, option), weight)


def _text(stage: StageKey, key: str, text: str, subject: str = "") -> Said:
    return Said(_words(stage, key, subject), text, _TEXT, _TEXT)


def _box(key: str, subject: str, box: list[float] | None) -> list[Said]:
    if box is None or box[2] - box[0] < _LEAST_SIDE or box[3] - box[1] < _LEAST_SIDE:
        return []
    prompt = _words(_S.ATTRIBUTES_GROUNDING, key, subject)
    return [Said(prompt, prompts.box_words(*box), _BOX)]


def _overall(truth: Record) -> Said:
    return _closed(_S.FINDINGS, "overall", truth["stages"]["findings"]["overall"])


def _presences(truth: Record) -> Iterator[Said]:
    said = truth["stages"]["findings"]["presence"]
    for kind in FindingKind:
        yield _closed(_S.FINDINGS, "presence", said[kind], kind, _PRESENCE)


def _limits(quality: dict[str, str]) -> str:
    poor = [name for name in QUALITY_DIMENSIONS if quality[name] != "adequate"]
    return f"limited {' and '.join(poor)}" if poor else "nothing"


def _attributes(kind: FindingKind, found: Record, *, describe: bool) -> Iterator[Said]:
    asked = {
        "side": found["side"] if kind.has_side else None,
        "zone": found["zone"],
        "severity": None if kind.is_device else found["severity"],
        "position": found["position"] if kind.is_device else None,
    }
    for key, answer in asked.items():
        if answer is not None:
            yield _closed(_S.ATTRIBUTES_GROUNDING, key, answer, kind)
    yield from _box("box", kind, found["box"])
    if describe:
        yield _text(_S.ATTRIBUTES_GROUNDING, "description", _description(kind, found), kind)


def _relations(truth: Record, shown: list[FindingKind]) -> Iterator[Said]:
    stage = _S.RELATIONSHIPS
    known = {(r["first"], r["second"]): r["relation"] for r in truth["stages"][stage] or []}
    said = []
    for first, second in list(combinations(shown, 2))[:PAIRS]:
        relation = known.get((first, second), "none")
        if relation != "none":
            said.append(f"{_name(first)} {relation} {_name(second)}")
        yield _closed(stage, "relation", relation, prompts.pair(first, second))
    yield _text(stage, "summary", ", ".join(said) or "unrelated")


def _comparison(truth: Record, shown: list[FindingKind]) -> Iterator[Said]:
    changes = truth["stages"][_S.COMPARISON]["change"]
    found = {kind: changes[kind] for kind in shown if kind in changes}
    for kind, change in found.items():
        yield _closed(_S.COMPARISON, "change", change, kind, _CHANGE)
    said = [f"{_name(kind)} {prompts.option_words(_W, change)}" for kind, change in found.items()]
    yield _text(_S.COMPARISON, "summary", ", ".join(said) or "unchanged")


def _outlook(truth: Record) -> Iterator[Said]:
    stages = truth["stages"]
    if stages[_S.FUTURE_TREND] is None:
        return
    course = stages[_S.FUTURE_TREND]["course"]
    yield _closed(_S.FUTURE_TREND, "course", course)
    outlook = course if course == "unclear" else f"expected to {course}"
    yield _text(_S.FUTURE_TREND, "summary", outlook)
    for key in ("category", "next_step"):
        yield _closed(_S.ADVICE, key, stages[_S.ADVICE][key])


def _closing(truth: Record, shown: list[FindingKind]) -> Iterator[Said]:
    """The report from the same words as the descriptions."""
    places, other = truth["stages"]["attributes_grounding"], truth["stages"]["findings"]["other"]
    more = [] if other == "none" else [other]
    everything = [_description(k, places[k]) for k in shown] + more
    disease = [_description(k, places[k]) for k in shown if not k.is_device] + more
    findings = ", ".join(everything) or "the lungs are clear and the heart is normal"
    yield _text(_S.REPORT, "findings", f"{findings}.")
    yield _text(_S.REPORT, "impression", f"{', '.join(disease) or 'no acute finding'}.")


def _description(kind: FindingKind, found: Record) -> str:
    name = _name(kind)
    if kind.is_device:
        tip = found["position"] or "correct"
        where = {"correct": "in correct position", "malpositioned": "malpositioned"}.get(tip)
        return f"{name} {where or f'tip too {prompts.option_words(_W, tip)}'}"
    side = f"{found['side']} " if kind.has_side and found["side"] else ""
    grade = f"{found['severity']} " if found["severity"] else ""
    zone = f" in the {prompts.option_words(_W, found['zone'])} zone" if kind in _ZONED else ""
    return f"{grade}{side}{name}{zone}"


def _name(kind: FindingKind) -> str:
    return prompts.subject_words(_W, kind)
