"""Questions scored ahead: the same replies in fewer passes, whatever the answers are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.domain.ports import Ask, Conversation, Foreseen, PreparedImage, Reply, VisionModel
from cxr_node.reasoning import answering
from cxr_node.reasoning.embedded import embedded_folder
from cxr_node.reasoning.profiles import Profile
from cxr_node.reasoning.staged import StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from tests.asking import request
from tests.models import picture


class _Blind:
    """The same model, never told what may follow."""

    def __init__(self, model: TransformersModel) -> None:
        self._model = model
        self.identity = model.identity
        self.image_policy = model.image_policy
        self.profile: Profile = model.profile

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        with self._model.begin(images) as talk:
            yield talk

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        return self._model.answer([(talk, replace(ask, ahead=())) for talk, ask in asked])


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each pass of the network over text."""
    counted: list[int] = []
    real = answering.forward

    def counting(engine: object, pieces: Sequence[object]) -> object:
        counted.append(len(pieces))
        return real(engine, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr(answering, "forward", counting)
    return counted


@pytest.fixture(scope="module")
def shipped() -> TransformersModel:
    return load_model(embedded_folder(), threads=1, device="cpu")


def _read(model: VisionModel, image: PreparedImage, kind: ReadingKind) -> Reading:
    return StagedReader(model).read(request(image, kind))


def _agree(a: Reading, b: Reading) -> None:
    for one, other in zip(a.turns, b.turns, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)
        unscored = {"scores": {}, "probabilities": {}}
        assert replace(one, **unscored) == replace(other, **unscored)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ReadingKind)
def test_readings_are_those_of_a_model_that_is_told_nothing(
    shipped: TransformersModel, untrained: TransformersModel, kind: ReadingKind, passes: list[int]
) -> None:
    for model in (shipped, untrained):
        for seed in range(4):
            foreseeing = _read(model, picture(seed), kind)
            ours = len(passes)
            blind = _read(_Blind(model), picture(seed), kind)
            _agree(foreseeing, blind)
            assert ours < len(passes) - ours
            passes.clear()


def test_expected_answers_take_one_pass(untrained: TransformersModel, passes: list[int]) -> None:
    second = Ask("effusion?", ("present", "absent", "not at all"))
    third = Ask("next step?", ("none", "none of these", "ct"))
    first = Ask(
        "projection?",
        ("PA", "AP", "lateral"),
        ahead=(
            Foreseen("AP", second),
            Foreseen("absent", third),
        ),
    )
    with untrained.begin([picture()]) as talk:
        told = []
        for ask, answer in ((first, "AP"), (second, "absent"), (third, "ct")):
            told += untrained.answer([(talk, ask)])
            talk.settle(answer)
    assert len(passes) == 1
    with untrained.begin([picture()]) as talk:
        for reply, ask, answer in zip(
            told, (first, second, third), ("AP", "absent", "ct"), strict=True
        ):
            (alone,) = untrained.answer([(talk, replace(ask, ahead=()))])
            assert reply == pytest.approx(alone, abs=1e-4)
            talk.settle(answer)


@pytest.mark.parametrize(
    ("settled", "next_ask"),
    [
        ("lateral", Ask("effusion?", ("present", "absent"))),
        ("AP", Ask("edema?", ("present", "absent"))),
        ("AP", Ask("effusion?", ("absent", "present"))),
        ("AP", Ask("effusion?", ("present", "absent"), lead="so")),
        ("AP", Ask("effusion?", max_new_tokens=5)),
        ("not assessed", Ask("effusion?", ("present", "absent"))),
    ],
)
def test_what_falls_otherwise_is_asked_as_if_nothing_had_been_foreseen(
    untrained: TransformersModel, settled: str, next_ask: Ask
) -> None:
    first = Ask("projection?", ("PA", "AP", "lateral"))
    hint = Foreseen("AP", Ask("effusion?", ("present", "absent")))
    last = Ask("report findings?", max_new_tokens=6)
    found = []
    for ask in (first, replace(first, ahead=(hint,))):
        with untrained.begin([picture(2)]) as talk:
            replies = untrained.answer([(talk, ask)])
            talk.settle(settled)
            replies += untrained.answer([(talk, next_ask)])
            talk.settle("so be it")
            replies += untrained.answer([(talk, last)])
            found.append(replies)
    for plain, hinted in zip(*found, strict=True):
        if isinstance(plain, tuple):
            assert hinted == pytest.approx(plain, abs=1e-4)
        else:
            assert hinted == plain


def test_a_hint_beyond_the_context_is_left_aside(untrained: TransformersModel) -> None:
    long = " ".join(["effusion"] * untrained.engine.positions)
    ask = Ask("projection?", ("PA", "AP"), ahead=(Foreseen("PA", Ask(long, ("a", "b"))),))
    with untrained.begin([picture()]) as talk:
        (reply,) = untrained.answer([(talk, ask)])
    with untrained.begin([picture()]) as talk:
        assert reply == pytest.approx(untrained.answer([(talk, replace(ask, ahead=()))])[0])


def test_studies_of_a_batch_are_told_different_things(shipped: TransformersModel) -> None:
    reader = StagedReader(shipped)
    requests = [request(picture(seed), ReadingKind.TRIAGE) for seed in range(3)]
    alone = [reader.read(one) for one in requests]
    with (
        reader.begin(requests[0]) as a,
        reader.begin(requests[1]) as b,
        reader.begin(requests[2]) as c,
    ):
        while any(reading.ask for reading in (a, b, c)):
            reader.advance([reading for reading in (a, b, c) if reading.ask])
        for together, one in zip((a, b, c), alone, strict=True):
            _agree(together.reading(), one)
