"""Second step's material: token dialogues over a phantom, in exactly the product's own words.

These are ids with targets and weights, for the embedded model alone; dialogues as text, in
the format that data sets are exchanged in, are in ``records.py``.
Prompts, option words and chat scaffolding come from :mod:`cxr_node.reasoning`; text is
encoded piece by piece, as the product's conversation does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import GRAPH, QUALITY_DIMENSIONS, Question, StageKey
from cxr_node.phantom.truth import DRAWN
from cxr_node.reasoning import prompts
from cxr_node.reasoning.chat import BRIEF_CHAT
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.words import build_tokenizer
from cxr_node.training.samples import CELLS

IGNORED = -100
_NEVER_DRAWN = 0.15
"""Weight of answers that are the same on every phantom."""
_END = 0.05
_QUESTIONS: dict[tuple[StageKey, str], Question] = {
    (stage.key, question.key): question for stage in GRAPH for question in stage.questions
}
_IN_THE_LUNG = {FindingKind.CONSOLIDATION, FindingKind.LUNG_LESION}


@dataclass(frozen=True, slots=True)
class Said:
    """One turn: the prompt, the answer's words, and how much each of its tokens counts."""

    prompt: str
    answer: str
    weight: float = 1.0
    end_weight: float = _END


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a dialogue; ``targets`` is IGNORED where nothing is learned."""

    ids: list[int]
    targets: list[int]
    weights: list[float]


class Script:
    """Turns truths into dialogues, each time another one."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return build_tokenizer()

    @lru_cache(maxsize=20_000)  # noqa: B019 - one script lives as long as its training run
    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encoded(self, turns: Sequence[Said]) -> Encoded:
        """Ids of the whole dialogue with its picture; the loss falls on answers alone."""
        ids = list(self._encode(BRIEF_CHAT.head((CELLS * CELLS,))))
        targets, weights = [IGNORED] * len(ids), [0.0] * len(ids)
        for number, turn in enumerate(turns):
            asked = self._encode(BRIEF_CHAT.question(turn.prompt, first=number == 0))
            given = self._encode(BRIEF_CHAT.answer(turn.answer))
            ids += [*asked, *given]
            targets += [IGNORED] * len(asked) + list(given)
            weights += [0.0] * len(asked) + [turn.weight] * (len(given) - 1) + [turn.end_weight]
        return Encoded(ids, targets, weights)

    def triage(self, truth: dict[str, Any]) -> list[Said]:
        """The triage dialogue as the product asks it."""
        return [
            _closed(StageKey.QUALITY_VIEW, "projection", truth["projection"]),
            _overall(truth),
            *(_presence(truth, kind) for kind in FindingKind),
        ]

    def batch(self, truths: Sequence[dict[str, Any]]) -> list[Encoded]:
        """Dialogues of one kind for a batch, so that little is spent on padding.

        The kind varies: triage, reordered or thinned, or with the later stages.
        """
        draw = self._rng.random()
        make = self.triage if draw < 0.2 else self._thinned if draw < 0.4 else self._reading
        return [self.encoded(make(truth)) for truth in truths]

    def _thinned(self, truth: dict[str, Any]) -> list[Said]:
        turns = self.triage(truth)
        kept = [t for t in turns if self._rng.random() < self._rng.choice((0.3, 0.7))]
        order = self._rng.permutation(len(kept)) if self._rng.random() < 0.6 else range(len(kept))
        return [kept[i] for i in order] or turns[2:5]

    def _reading(self, truth: dict[str, Any]) -> list[Said]:
        """The full reading, less comparison and outlook; the report is sometimes left out.

        Every finding is asked: were only some, being asked would itself be a hint.
        """
        turns = [*self._quality(truth), _overall(truth)]
        turns += [_presence(truth, kind) for kind in FindingKind]
        turns.append(_text(StageKey.FINDINGS, "other", "none"))
        for kind in FindingKind:
            if str(kind) in truth["findings"]:
                turns += self._attributes(kind, truth["findings"][str(kind)])
        if truth["heart"]:
            turns += [_box("anatomy_box", name, truth[name]) for name in prompts.STRUCTURES]
        if self._rng.random() < 0.4:
            turns += _closing(truth)
        return turns

    def _quality(self, truth: dict[str, Any]) -> Iterator[Said]:
        """Projection, mostly all quality dimensions and what limits the reading."""
        whole = self._rng.random() < 0.8
        yield _closed(StageKey.QUALITY_VIEW, "projection", truth["projection"])
        for name in QUALITY_DIMENSIONS:
            if whole or self._rng.random() < 0.5:
                yield _closed(StageKey.QUALITY_VIEW, name, truth["quality"][name])
        if whole or self._rng.random() < 0.5:
            yield _text(StageKey.QUALITY_VIEW, "limits", _limits(truth))

    def _attributes(self, kind: FindingKind, found: dict[str, Any]) -> Iterator[Said]:
        stage = StageKey.ATTRIBUTES_GROUNDING
        if kind.has_side:
            yield _closed(stage, "side", found["side"], str(kind))
        yield _closed(stage, "zone", found["zone"], str(kind))
        if kind.is_device:
            yield _closed(stage, "position", found["position"], str(kind))
        else:
            yield _closed(stage, "severity", found["severity"], str(kind))
        yield _box("box", str(kind), found["box"])
        if self._rng.random() < 0.4:
            yield _text(stage, "description", _description(kind, found), str(kind))


def _words(stage: StageKey, key: str, subject: str) -> str:
    return prompts.question_words(Wording.BRIEF, stage, _QUESTIONS[stage, key], subject)


def _closed(stage: StageKey, key: str, option: str, subject: str = "", weight: float = 1.0) -> Said:
    answer = prompts.option_words(Wording.BRIEF, option)
    return Said(_words(stage, key, subject), answer, weight)


def _overall(truth: dict[str, Any]) -> Said:
    return _closed(StageKey.FINDINGS, "overall", "abnormal" if truth["abnormal"] else "normal")


def _presence(truth: dict[str, Any], kind: FindingKind) -> Said:
    option = "present" if str(kind) in truth["findings"] else "absent"
    weight = 1.5 if kind in DRAWN else _NEVER_DRAWN
    return _closed(StageKey.FINDINGS, "presence", option, str(kind), weight)


def _box(key: str, subject: str, box: list[float]) -> Said:
    prompt = _words(StageKey.ATTRIBUTES_GROUNDING, key, subject)
    return Said(prompt, prompts.box_words(*box), 0.5, 0.05)


def _text(stage: StageKey, key: str, text: str, subject: str = "") -> Said:
    return Said(_words(stage, key, subject), text, 0.3, 0.3)


def _limits(truth: dict[str, Any]) -> str:
    poor = [name for name, grade in truth["quality"].items() if grade != "adequate"]
    return f"limited {' and '.join(poor)}" if poor else "nothing"


def _description(kind: FindingKind, found: dict[str, Any]) -> str:
    name = prompts.subject_words(Wording.BRIEF, str(kind))
    if kind.is_device:
        tip = prompts.option_words(Wording.BRIEF, found["position"])
        return f"{name} tip in correct position" if tip == "correct" else f"{name} tip too {tip}"
    side = f"{found['side']} " if kind.has_side else ""
    zone = f" in the {found['zone']} zone" if kind in _IN_THE_LUNG else ""
    return f"{found['severity']} {side}{name}{zone}"


def _closing(truth: dict[str, Any]) -> list[Said]:
    """The report from the same words as the descriptions."""
    shown = {FindingKind(k): v for k, v in truth["findings"].items()}
    everything = [_description(k, v) for k, v in shown.items()]
    disease = [_description(k, v) for k, v in shown.items() if not k.is_device]
    findings = ", ".join(everything) or "the lungs are clear and the heart is normal"
    impression = ", ".join(disease) or "no acute finding"
    return [
        _text(StageKey.REPORT, "findings", f"{findings}."),
        _text(StageKey.REPORT, "impression", f"{impression}."),
    ]
