"""What every vision model must do, held by the scripted one and the real one alike."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest

from cxr_node.domain.findings import FindingKind, Reading, ReadingKind
from cxr_node.domain.ports import PreparedImage, VisionModel
from cxr_node.domain.stages import GRAPH, AnswerKind, StageKey, Turn
from cxr_node.reasoning import prompts
from cxr_node.reasoning.profiles import Profile, ProfiledModel
from cxr_node.reasoning.scripted import ScriptedModel
from cxr_node.reasoning.staged import StagedReader
from tests.asking import generate, request, score
from tests.models import picture

SICK = {
    "overall": "abnormal",
    "presence/pneumothorax": 0.9,
    "presence/pacemaker": 0.8,
    "presence/edema": 0.7,
}


@pytest.fixture(params=["scripted", "transformers"])
def model(request: pytest.FixtureRequest) -> VisionModel:
    if request.param == "scripted":
        return ScriptedModel(SICK)
    found: VisionModel = request.getfixturevalue("untrained")
    return found


def _profile(model: VisionModel) -> Profile:
    assert isinstance(model, ProfiledModel)
    return model.profile


def _ask(model: VisionModel) -> tuple[str, tuple[str, ...]]:
    """A closed question in the words of this model, with its options."""
    wording = _profile(model).wording
    stage = GRAPH[0]
    question = stage.questions[0]
    words = [prompts.option_words(wording, option) for option in question.options]
    return prompts.question_words(wording, stage.key, question), tuple(words)


def _read(model: VisionModel, image: PreparedImage, kind: ReadingKind) -> Reading:
    return StagedReader(model).read(request(image, kind))


def test_scores_are_log_probabilities_in_order(model: VisionModel) -> None:
    prompt, options = _ask(model)
    with model.begin([picture()]) as talk:
        scores = score(model, talk, prompt, options)
    with model.begin([picture()]) as talk:
        backwards = score(model, talk, prompt, options[::-1])
    assert len(scores) == len(options)
    assert all(math.isfinite(score) and score <= 0 for score in scores)
    assert backwards == pytest.approx(scores[::-1], abs=1e-5)


def test_the_context_holds_all_that_was_asked_and_settled(model: VisionModel) -> None:
    prompt, options = _ask(model)
    with model.begin([picture()]) as talk:
        before = talk.context
        score(model, talk, prompt, options)
        talk.settle("not assessed")
        after = talk.context
    assert before
    assert after.startswith(before)
    assert after.index(prompt) < after.index("not assessed")


def test_the_context_tells_pictures_apart(model: VisionModel) -> None:
    contexts = []
    for seed in (1, 2, 1):
        with model.begin([picture(seed)]) as talk:
            contexts.append(talk.context)
    assert contexts[0] == contexts[2] != contexts[1]


def test_questions_and_answers_alternate(model: VisionModel) -> None:
    prompt, options = _ask(model)
    with model.begin([picture()]) as talk:
        with pytest.raises(RuntimeError):
            talk.settle("PA")
        score(model, talk, prompt, options)
        with pytest.raises(RuntimeError):
            score(model, talk, prompt, options)


def test_a_short_limit_truncates_and_says_so(model: VisionModel) -> None:
    stage = GRAPH[-1]
    prompt = prompts.question_words(_profile(model).wording, stage.key, stage.questions[0])
    with model.begin([picture()]) as talk:
        assert generate(model, talk, prompt, 1).truncated


def test_the_identity_is_a_digest_and_a_uid(model: VisionModel) -> None:
    found = model.identity
    assert len(found.digest) == 64
    assert str(found.device_uid).startswith("2.25.")
    assert found.statement
    assert found.intended_use
    assert model.image_policy.side == 224


@pytest.mark.parametrize("kind", ReadingKind)
def test_a_reading_is_valid(model: VisionModel, kind: ReadingKind) -> None:
    reading = _read(model, picture(), kind)
    _check(reading, reading.turns)
    assert _read(model, picture(), kind) == reading


def _check(reading: Reading, turns: Sequence[Turn]) -> None:
    skipped = {s.stage for s in reading.skipped}
    assert skipped | {turn.stage for turn in turns} == set(StageKey)
    assert [f.kind for f in reading.findings] == list(FindingKind)
    questions = {(s.key, q.key): q for s in GRAPH for q in s.questions}
    for turn in turns:
        question = questions[turn.stage, turn.question]
        closed = question.kind is AnswerKind.CLOSED
        assert len(turn.prompt_sha256) == len(turn.context_sha256) == 64
        if turn.accepted and closed:
            assert turn.answer in question.options
            assert sum(turn.probabilities.values()) == pytest.approx(1)
            assert turn.probabilities.keys() == set(question.options)
        if not turn.accepted:
            assert turn.problem
            assert turn.answer == prompts.NOT_ASSESSED
    for finding in reading.findings:
        if finding.box:
            assert 0 <= finding.box.x0 < finding.box.x1 <= 2000
            assert 0 <= finding.box.y0 < finding.box.y1 <= 2500


def test_stages_of_two_studies_in_turn_are_as_if_alone(model: VisionModel) -> None:
    prompt, options = _ask(model)
    alone = []
    for seed in (1, 2):
        with model.begin([picture(seed)]) as talk:
            alone.append(score(model, talk, prompt, options))
    with model.begin([picture(1)]) as first, model.begin([picture(2)]) as second:
        together = [score(model, first, prompt, options), score(model, second, prompt, options)]
    assert together == alone


def test_the_small_model_is_fast_enough(model: VisionModel) -> None:
    """Wall clock on a busy machine: the limits are the promised ones, the usual is a fifth."""
    _read(model, picture(), ReadingKind.TRIAGE)
    taken = {}
    for kind in ReadingKind:
        start = time.perf_counter()
        _read(model, picture(), kind)
        taken[kind] = time.perf_counter() - start
    assert taken[ReadingKind.TRIAGE] < 1.0
    assert taken[ReadingKind.READ] < 3.0
