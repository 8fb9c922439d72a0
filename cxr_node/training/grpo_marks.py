"""Marks for a staged reading: every answer against a dialogue record, stage by stage.

A question that the record does not answer has no mark, unless it is about a finding that the
record denies: then whatever was said of it is wrong. What was never asked because a finding
was missed counts as wrong in its stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.stages import GRAPH, AnswerKind, Condition, StageKey, Turn
from cxr_node.reasoning import boxes
from cxr_node.reasoning.profiles import Profile
from cxr_node.training.record_boxes import overlap
from cxr_node.training.record_stages import QUESTIONS, answered_of
from cxr_node.training.records import Record, RecordTurn
from cxr_node.training.rewards import Similarity, token_f1

Asked = tuple[StageKey, str, str]
"""Stage, question and subject: what a question of the graph goes by."""

Truth = Mapping[Asked, str]
"""The right answers: an option's key, a text, or a box as ``boxes.box_text`` writes it."""

_PRESENCE = (StageKey.FINDINGS, "presence")
_CONDITIONS = {stage.key: stage.condition for stage in GRAPH}
_NEEDED = {Condition.SOMETHING_PRESENT: 1, Condition.TWO_PRESENT: 2}


@dataclass(frozen=True, slots=True)
class Marks:
    """Of one reading. ``turns`` are marks from 0 to 1 in the order of its turns, or None."""

    turns: tuple[float | None, ...]
    stages: Mapping[StageKey, float]
    """Mean mark of each stage that the record speaks of, with what was missed as 0."""


def turn_key(turn: Turn) -> Asked:
    """What the turn's question goes by."""
    return turn.stage, turn.question, turn.subject


def truth_of(record: Record) -> dict[Asked, str]:
    """The answers of a record to the node's own questions; other turns are left out."""
    return truth_in(record.turns)


def truth_in(turns: Iterable[RecordTurn]) -> dict[Asked, str]:
    """The same of turns alone."""
    found: dict[Asked, str] = {}
    for turn in turns:
        said = answered_of(turn)
        if said is None:
            continue
        answer = said.answer
        if QUESTIONS[said.stage, said.question].kind is AnswerKind.BOX:
            x0, y0, x1, y1 = turn.document["bbox_list"][0]
            answer = boxes.box_text((x0, y0, x1, y1))
        found[said.stage, said.question, said.subject] = answer
    return found


def marks(
    turns: Sequence[Turn], truth: Truth, profile: Profile, similarity: Similarity = token_f1
) -> Marks:
    """Mark one reading. A refused answer is wrong; a box counts by its overlap."""
    each = tuple(_mark(turn, truth, similarity) for turn in turns)
    found: dict[StageKey, list[float]] = {}
    for turn, mark in zip(turns, each, strict=True):
        if mark is not None:
            found.setdefault(turn.stage, []).append(mark)
    for stage, _, _ in _missed(turns, truth, profile):
        found.setdefault(stage, []).append(0.0)
    return Marks(each, {stage: sum(m) / len(m) for stage, m in sorted(found.items(), key=_order)})


def _order(entry: tuple[StageKey, list[float]]) -> int:
    return entry[0].number


def _mark(turn: Turn, truth: Truth, similarity: Similarity) -> float | None:
    right = truth.get(turn_key(turn))
    if right is None:
        return 0.0 if any(_denied(truth, kind) for kind in _kinds(turn.subject)) else None
    if not turn.accepted:
        return 0.0
    kind = QUESTIONS[turn.stage, turn.question].kind
    if kind is AnswerKind.CLOSED:
        return float(turn.answer == right)
    if kind is AnswerKind.BOX:
        try:
            return overlap(boxes.box(turn.answer), boxes.box(right))
        except AnswerRefused:
            return 0.0
    return similarity(turn.answer, right)


def _denied(truth: Truth, kind: FindingKind) -> bool:
    return truth.get((*_PRESENCE, kind)) == Presence.ABSENT


def _kinds(subject: str) -> list[FindingKind]:
    """The findings that a question is about; none for a question about the whole image."""
    known = set(FindingKind)
    return [FindingKind(part) for part in subject.split("+") if part in known]


def _missed(turns: Sequence[Turn], truth: Truth, profile: Profile) -> Iterator[Asked]:
    """What the record answers and was not asked because too little was held present."""
    asked = {turn_key(turn) for turn in turns}
    called = {t.subject: t.answer for t in turns if (t.stage, t.question) == _PRESENCE}
    held = {
        kind
        for kind, answer in called.items()
        if answer == Presence.PRESENT and kind not in profile.not_assessed
    }
    walked = {turn.stage for turn in turns}
    for key in truth:
        stage, _, subject = key
        unseen = stage is StageKey.COMPARISON and stage not in walked
        if key in asked or stage in profile.untaught or unseen:
            continue
        overlooked = [kind for kind in _kinds(subject) if kind in called and kind not in held]
        if overlooked or len(held) < _NEEDED.get(_CONDITIONS[stage], 0):
            yield key
