"""Whatever a model writes or scores: no crash, no finding without its scored answer, and the
stored run replays to the same reading."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import Reading
from cxr_node.domain.ports import Ask, Conversation, Generated, PreparedImage, Reply
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.answers import present_probability
from cxr_node.reasoning.labels import LABELS
from cxr_node.reasoning.open_model import ModelFacts
from cxr_node.reasoning.profiles import Family, Profile
from cxr_node.reasoning.recorded import first_difference, rebuild
from cxr_node.reasoning.scripted import Script, ScriptedModel
from cxr_node.reasoning.staged import StagedReader
from cxr_node.store.readings import from_document, to_document
from tests.asking import request
from tests.models import picture

LEAST_OUTPUTS = 500
_READINGS = {Family.NV_REASON_CXR: 150}  # it writes one trace a reading
_USUAL_READINGS = 40

_PIECES = (
    *("<think>", "</think>", "<thinking>", "</thinking>", "<answer>", "</answer>"),
    *("<|im_end|>", "<|im_start|>system\n", "<|box_start|>", "<|<|x|>|>", "\x00", "\u202e", "\n"),
    *("(10, 20), (30, 40)", "(300,200),(600,500)", '{"bbox_2d": [10, 20, 90, 95]}', "[", "{", "]"),
    *('["Edema"', '{"labels": ["Pneumothorax"]}', "```json", "and", ",", ";", "- ", "1. ", "."),
    *("none", "no", "Normal chest.", "pneumothorax", "A", " B ", "Yes", "1e999", "٣", "\ud800"),
    *("Left lower lobe.", "Overall, clear.", "the the the the", "é" * 40, "x" * 900, "<", "<think"),
    *LABELS,
)
_FORMS = (
    "<think>{0}</think>\n<answer>{1}</answer>",
    "<think> {0} </think><answer> {1} </answer>",
    "<thinking>{0}</thinking><answer>{1}",
    "<think>{0}<answer>{1}</answer>",
    "{0}{1}",
    "<think> {0}",
)


class _Fuzzed:
    """A scripted model whose every output is replaced by noise, some of it nearly right."""

    def __init__(self, family: Family, seed: int) -> None:
        self.inner = ScriptedModel(script=Script(family=family))
        self.identity = self.inner.identity
        self.image_policy = self.inner.image_policy
        self.profile: Profile = self.inner.profile
        self.outputs = 0
        self._random = random.Random(seed)

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        with self.inner.begin(images) as conversation:
            yield conversation

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        replies = self.inner.answer(asked)
        return [self._noise(reply, ask) for reply, (_, ask) in zip(replies, asked, strict=True)]

    def _noise(self, reply: Reply, ask: Ask) -> Reply:
        if self._random.random() < 0.02:
            return AnswerRefused("the server said no")
        if isinstance(reply, Generated):
            self.outputs += 1
            return Generated(self._text(), truncated=self._random.random() < 0.1)
        return self._scores(len(ask.options))

    def _text(self) -> str:
        form = self._random.choice(_FORMS)
        return form.format(self._some(6), self._some(4))

    def _some(self, most: int) -> str:
        pieces = self._random.choices(_PIECES, k=self._random.randrange(most))
        return self._random.choice((" ", ", ", "")).join(pieces)

    def _scores(self, count: int) -> Reply:
        drawn = [self._random.uniform(-6, 0) for _ in range(count)]
        if self._random.random() < 0.05:
            drawn[0] = self._random.choice((math.nan, math.inf, -math.inf, 1e308))
        return tuple(drawn[: count - (self._random.random() < 0.02)])


def _invented(reading: Reading) -> list[str]:
    """Findings held present without an accepted, scored answer at or above the threshold."""
    said = {t.subject: t for t in reading.turns if t.question == "presence" and t.accepted}
    return [
        f.kind
        for f in reading.present
        if f.kind not in said or present_probability(said[f.kind].probabilities) < f.threshold
    ]


@pytest.mark.parametrize("family", Family)
def test_no_output_crashes_the_reader_or_invents_a_finding(family: Family) -> None:
    outputs = accepted = refused = 0
    for seed in range(_READINGS.get(family, _USUAL_READINGS)):
        model = _Fuzzed(family, seed)
        reading = StagedReader(model).read(request(picture()))
        assert _invented(reading) == [], seed
        assert from_document(to_document(reading)).findings == reading.findings
        facts = ModelFacts(model.identity, model.image_policy, model.profile, model.inner.chat)
        assert first_difference(reading, rebuild(reading, request(picture()), facts)) is None, seed
        written = [t for t in reading.turns if t.raw]
        outputs += model.outputs
        accepted += sum(t.accepted for t in written)
        refused += sum(not t.accepted for t in written)
        assert not any("<|im_" in turn.settled for turn in reading.turns), seed
    assert outputs >= LEAST_OUTPUTS
    assert min(accepted, refused) >= LEAST_OUTPUTS // 20


def test_the_check_itself_sees_an_invented_finding() -> None:
    reading = StagedReader(ScriptedModel({"presence": 0.9})).read(request(picture()))
    assert _invented(reading) == []
    kept = tuple(t for t in reading.turns if t.stage is not StageKey.FINDINGS)
    assert len(_invented(replace(reading, turns=kept))) == len(reading.present)
