"""Single questions to be reinforced on, from dialogue records, and what a completion earns.

Every reward is a pure function of :mod:`cxr_node.training.rewards`; here stands which of them
a recipe is made of and which questions it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.families import family_of
from cxr_node.reasoning.labels import LABELS
from cxr_node.reasoning.profiles import Family, Profile
from cxr_node.reasoning.tags import has_tags, read_tags
from cxr_node.training import rewards
from cxr_node.training.chain_labels import labelled
from cxr_node.training.key_findings import KeyFinding, by_kind, conclusions
from cxr_node.training.record_stages import IMAGE_MARK
from cxr_node.training.records import Record, RecordTurn


class Recipe(StrEnum):
    """What is rewarded."""

    OUTCOME = "outcome"
    PROCESS = "process"
    NV_REASON = "nv-reason"
    REPORT = "report"
    STAGED = "staged"


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a record, its pictures still by name."""

    name: str
    pictures: tuple[str, ...]
    prompt: str
    reference: str
    """The right answer, without tags."""
    chain: tuple[KeyFinding, ...] = ()
    tagged: bool = False
    """Whether thoughts and answer are to stand in tags."""
    listed: bool = False
    """Whether the answer is a list of CheXpert's labels."""


@dataclass(frozen=True, slots=True)
class QuestionCase:
    """The same with its pictures at the model's size."""

    question: Question
    images: tuple[PreparedImage, ...]

    @property
    def prompt(self) -> str:
        return self.question.prompt


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote, and in how many tokens."""

    text: str
    tokens: int


Part = Callable[[Completion, Question], float | None]
"""One part of a reward; None where it says nothing about this question."""


def _outcome(said: Completion, asked: Question) -> float:
    if not asked.tagged:
        return rewards.outcome(said.text, asked.reference)
    return rewards.reasoned(said.text, asked.reference, (), outcome_weight=1.0, process_weight=0.0)


def _process(said: Completion, asked: Question) -> float | None:
    if not asked.tagged:
        return None
    weights = {"outcome_weight": 0.0, "process_weight": 1.0}
    return rewards.reasoned(said.text, asked.reference, asked.chain, **weights)


def _form(said: Completion, asked: Question) -> float | None:
    form = rewards.well_formed(said.text) * rewards.tags_once(said.text)
    return form if asked.tagged else None


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "outcome": _outcome,
        "process": _process,
        "accuracy": lambda said, asked: rewards.accuracy_hard(said.text, asked.reference),
        "overshort": lambda said, _: rewards.overshort(said.tokens),
        "report": lambda said, asked: rewards.report_score([(said.text, asked.reference)]),
        "unknown_labels": lambda said, asked: (
            rewards.unknown_labels(said.text) if asked.listed else None
        ),
        "contradictions": lambda said, asked: (
            rewards.contradictions(said.text) if asked.listed else None
        ),
        "form": _form,
    }
)
"""Every part of a reward for a single question, by name."""

RECIPES: Mapping[Recipe, Mapping[str, float]] = MappingProxyType(
    {
        # arXiv 2504.20930 with the formula of ``rewards.reasoned``.
        Recipe.OUTCOME: {"outcome": 1.0, "form": 0.0},
        Recipe.PROCESS: {"outcome": 0.5, "process": 0.5, "form": 0.0},
        # arXiv 2510.23968, and our two penalties for what it leaves unpunished.
        Recipe.NV_REASON: {
            "accuracy": 1.0,
            "overshort": 1.0,
            "unknown_labels": 0.5,
            "contradictions": 0.5,
            "form": 0.0,
        },
        # The follow-up of arXiv 2505.23143, with the words in place of a language model's score.
        Recipe.REPORT: {"report": 1.0},
    }
)
"""Parts and weights. A part of weight 0 is only logged."""


def reward_functions(parts: Sequence[str]) -> list[Callable[..., list[float | None]]]:
    """The parts as TRL calls them, over a batch of completions."""
    return [_reward(name, PARTS[name]) for name in parts]


def _reward(name: str, part: Part) -> Callable[..., list[float | None]]:
    def reward(
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        case: Sequence[QuestionCase],
        **_: Any,
    ) -> list[float | None]:
        said = zip(completions, completion_ids, case, strict=True)
        return [
            part(Completion(written[-1]["content"], len(ids)), one.question)
            for written, ids, one in said
        ]

    reward.__name__ = name
    return reward


def questions(record: Record, name: str, recipe: Recipe, profile: Profile) -> Iterator[Question]:
    """The questions that ``recipe`` can reward; ``name`` says which record it is."""
    if recipe is Recipe.NV_REASON:
        yield from _label_list(record, name, profile)
        return
    for place, turn in enumerate(record.turns):
        asked = _question(
            turn, f"{name}, content[{place}]", record.images[: turn.image_input_count]
        )
        if recipe is Recipe.REPORT:
            wanted = turn.stage == StageKey.REPORT.number and not asked.tagged
        else:
            closed = bool(turn.options) and recipe is Recipe.OUTCOME
            wanted = asked.tagged or (closed and turn.qtype != "detection")
        if wanted:
            yield asked


def _question(turn: RecordTurn, name: str, pictures: tuple[str, ...]) -> Question:
    prompt = turn.question.replace(IMAGE_MARK, "").strip()
    found = Question(name, pictures, prompt, turn.answer)
    if not has_tags(turn.answer):
        return found
    try:
        tagged = read_tags(turn.answer)
    except AnswerRefused:
        return found
    listed = all(term.strip() in LABELS for term in tagged.answer.split(","))
    chain = _chain(turn, tagged.thoughts)
    return replace(found, reference=tagged.answer, chain=chain, tagged=True, listed=listed)


def _chain(turn: RecordTurn, thoughts: str) -> tuple[KeyFinding, ...]:
    """The key findings of a chain: as its maker lists them, else as the thoughts end."""
    said = conclusions(thoughts)
    provenance = turn.document.get("chain")
    listed = provenance.get("key_findings") if isinstance(provenance, dict) else None
    if not isinstance(listed, list):
        return said
    known, spoken = set(FindingKind), by_kind(said)
    found = []
    for entry in listed:
        if entry["finding"] in known:
            one = KeyFinding(FindingKind(entry["finding"]), Presence(entry["status"]))
            own = spoken.get(one.kind)
            found.append(own if own and own.status is one.status else one)
    return tuple(found)


def _label_list(record: Record, name: str, profile: Profile) -> Iterator[Question]:
    """Image to label list, as NV-Reason-CXR was reinforced."""
    known = labelled(record, 0)
    if known is None:
        return
    present = [name for name in LABELS if known.said.get(name) is Presence.PRESENT]
    opening = profile.opening or family_of(Family.NV_REASON_CXR).profile.opening
    assert opening is not None
    shown = record.images[: record.turns[0].image_input_count]
    reference = ", ".join(present)
    yield Question(name, shown, opening.prompt, reference, tagged=True, listed=True)
