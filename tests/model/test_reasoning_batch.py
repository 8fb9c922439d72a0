"""Studies answered together say what each says alone, afresh (fp32, CPU)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
import torch

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.domain.ports import Ask, Conversation, Generated, PreparedImage
from cxr_node.domain.stages import Turn
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.forward import Pictures
from cxr_node.reasoning.profiles import Architecture
from cxr_node.reasoning.slots import Slots
from cxr_node.reasoning.staged import StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from tests.asking import agree, request, settled
from tests.families import BuildFamily
from tests.fresh import Fresh
from tests.models import picture

SIDES = ("right", "left", "bilateral")
DIALOGUES = (
    (Ask("projection?", ("PA", "AP", "lateral")), Ask("limits?", max_new_tokens=9)),
    (
        Ask("report?", max_new_tokens=15),
        Ask("effusion?", ("present", "absent", "uncertain")),
        Ask("category?", ("none", "none of these", "1", "urgent clinical review")),
        Ask("describe?", max_new_tokens=3, lead="the lungs"),
        Ask("side of effusion?", SIDES),
    ),
    (
        Ask("next step of many?", ("none", "follow up radiograph", "ct"), lead="so: "),
        Ask("overall?", ("normal", "abnormal")),
        Ask("limits?", max_new_tokens=1),
        Ask("report findings, all of them?", max_new_tokens=24),
    ),
    (
        Ask("limits?", max_new_tokens=6),
        Ask("limits?", max_new_tokens=20),
        Ask("side?", SIDES),
        Ask("side of all?", SIDES),
    ),
    (Ask("describe everything?", max_new_tokens=17), Ask("side?", SIDES)),
)
SIZES = ((8, 8), (4, 6), (7, 5), (3, 3), (6, 9))


@pytest.fixture(params=Architecture)
def model(request: pytest.FixtureRequest, sealed: BuildFamily) -> TransformersModel:
    return load_model(sealed(request.param), threads=1, device="cpu")


def _picture(model: TransformersModel, number: int) -> PreparedImage:
    side = model.image_policy.side // 8
    wide, high = SIZES[number]
    return picture(number, width=wide * side, height=high * side)


class Study:
    """One dialogue, asked of a batch and afresh, step by step."""

    def __init__(self, model: TransformersModel, talk: Conversation, number: int) -> None:
        assert isinstance(talk, CachedConversation)
        self.talk = talk
        self.left = list(DIALOGUES[number])
        self.fresh = Fresh(model, [_picture(model, number)])


@contextmanager
def _open(model: TransformersModel, number: int) -> Iterator[Study]:
    with model.begin([_picture(model, number)]) as talk:
        yield Study(model, talk, number)


def _together(model: TransformersModel, studies: Sequence[Study]) -> None:
    """One question of each that has one left, in one call; compared with fresh runs."""
    asked = [(study, study.left.pop(0)) for study in studies if study.left]
    replies = model.answer([(study.talk, ask) for study, ask in asked])
    for (study, ask), reply in zip(asked, replies, strict=True):
        agree(reply, study.fresh.answer(ask))
        study.talk.settle(settled(ask, reply))
        study.fresh.settle(settled(ask, reply))
        assert list(study.talk.token_ids) == study.fresh.ids


def test_a_batch_of_different_studies(model: TransformersModel) -> None:
    """Sizes, questions and answer lengths differ, closed and open ones meet in every call."""
    with ExitStack() as stack:
        studies = [stack.enter_context(_open(model, number)) for number in range(5)]
        while any(study.left for study in studies):
            _together(model, studies)
    assert model.engine.slots.seats == 0


def test_studies_leave_and_join_between_questions(model: TransformersModel) -> None:
    """A seat that was left is taken by the next study; what it held does not shine through."""
    with ExitStack() as stack, ExitStack() as early:
        first = early.enter_context(_open(model, 4))
        others = [stack.enter_context(_open(model, number)) for number in (1, 2)]
        _together(model, [first, *others])
        early.close()
        joined = stack.enter_context(_open(model, 3))
        assert joined.talk.seat == first.talk.seat
        _together(model, others)
        while joined.left or any(other.left for other in others):
            _together(model, [joined, *others])


def test_some_of_the_open_studies_are_asked(model: TransformersModel) -> None:
    """Those between them sit idle, or are left out; both ways nothing of them is touched."""
    with ExitStack() as stack:
        studies = [stack.enter_context(_open(model, number)) for number in range(5)]
        for chosen in ((0, 2), (0, 4), (4, 1), (3,), (2, 0, 4), (1, 3), (0, 1, 2, 3, 4)):
            _together(model, [studies[number] for number in chosen])


def test_an_urgent_study_steps_in_between_two_questions(model: TransformersModel) -> None:
    with _open(model, 1) as routine:
        _together(model, [routine])
        with _open(model, 0) as urgent:
            while urgent.left:
                _together(model, [urgent])
        while routine.left:
            _together(model, [routine])


@pytest.mark.parametrize("kind", ReadingKind)
def test_whole_readings_advanced_together(model: TransformersModel, kind: ReadingKind) -> None:
    reader = StagedReader(model)
    requests = [request(_picture(model, number), kind) for number in (0, 1, 3)]
    alone = [reader.read(one) for one in requests]
    with ExitStack() as stack:
        opened = [stack.enter_context(reader.begin(one)) for one in requests]
        while any(reading.ask for reading in opened):
            reader.advance(opened)
        together = [reading.reading() for reading in opened]
    for found, expected in zip(together, alone, strict=True):
        _same(found, expected)
    assert alone[0].turns != alone[1].turns


def _same(found: Reading, expected: Reading) -> None:
    for mine, other in zip(found.turns, expected.turns, strict=True):
        assert mine.scores == pytest.approx(other.scores, abs=1e-4)
        assert mine.probabilities == pytest.approx(other.probabilities, abs=1e-4)
        assert _text(mine) == _text(other)
    assert [(f.kind, f.presence) for f in found.findings] == [
        (f.kind, f.presence) for f in expected.findings
    ]
    assert found.skipped == expected.skipped


def _text(turn: Turn) -> Turn:
    return replace(turn, scores={}, probabilities={})


def test_a_dialogue_that_grows_too_long_is_refused_alone(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _open(model, 0) as long, _open(model, 1) as short:
        small = replace(model.engine, positions=long.talk.tokens + 6)
        monkeypatch.setattr(model, "_engine", small)
        asks = (Ask("limits?", max_new_tokens=4), Ask("side?", SIDES))
        for ask in asks:
            expected = short.fresh.answer(ask)
            refused, kept = model.answer([(long.talk, ask), (short.talk, ask)])
            assert isinstance(refused, AnswerRefused)
            agree(kept, expected)
            for study in (long, short):
                study.talk.settle("not assessed")
            short.fresh.settle("not assessed")


def test_an_answer_ends_where_the_model_does(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _open(model, 3) as study:
        monkeypatch.setattr(
            model, "_engine", replace(model.engine, positions=study.talk.tokens + 16)
        )
        (reply,) = model.answer([(study.talk, Ask("limits?", max_new_tokens=500))])
    assert isinstance(reply, Generated)
    assert reply.truncated


def test_a_study_that_is_not_a_number_is_refused_alone(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing behind for whoever takes its seat."""

    def broken(images: Sequence[PreparedImage]) -> Pictures:
        whole = TransformersModel.look(model, images)
        return replace(whole, patches=torch.full_like(whole.patches, torch.nan))

    with ExitStack() as stack, ExitStack() as early:
        with monkeypatch.context() as patched:
            patched.setattr(model, "look", broken)
            bad = early.enter_context(model.begin([_picture(model, 4)]))
        good = stack.enter_context(_open(model, 1))
        for ask in (Ask("side?", SIDES), Ask("limits?", max_new_tokens=5)):
            expected = good.fresh.answer(ask)
            refused, kept = model.answer([(bad, ask), (good.talk, ask)])
            assert isinstance(refused, AnswerRefused)
            agree(kept, expected)
            for talk in (bad, good.talk, good.fresh):
                talk.settle("none")
        early.close()
        joined = stack.enter_context(_open(model, 3))
        _together(model, [joined, good])


def test_a_seat_is_free_again_after_an_error(model: TransformersModel) -> None:
    with pytest.raises(ZeroDivisionError), model.begin([_picture(model, 0)]):
        raise ZeroDivisionError
    with pytest.raises(ValueError, match="multiples"), model.begin([picture(width=100)]):
        pass
    assert model.engine.slots.seats == 0


def test_the_store_doubles_and_keeps_what_it_holds() -> None:
    slots, heads, size = Slots(), 2, 4
    with torch.inference_mode(), slots.seat() as a, slots.seat() as b:
        held = {a: torch.zeros(1, heads, 0, size), b: torch.zeros(1, heads, 0, size)}
        for step, (seat, width) in enumerate([(a, 300), (b, 7), (a, 500), (b, 1), (a, 1)]):
            new = torch.full((1, heads, width, size), float(step))
            keys, values = slots.rows([seat], width).update(new, -new, 0)
            slots.advance(seat, width)
            held[seat] = torch.cat([held[seat], new], 2)
            assert torch.equal(keys, held[seat])
            assert torch.equal(values, -held[seat])
        assert slots.length(a) == 801
        assert slots.memory_bytes == 2 * 2 * heads * 1024 * size * 4
    assert slots.seats == 0
