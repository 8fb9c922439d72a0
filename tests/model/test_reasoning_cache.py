"""One carried cache says exactly what fresh runs over the whole history would say (fp32, CPU)."""

from __future__ import annotations

import pytest

from cxr_node.domain.ports import Ask, Conversation
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.profiles import Architecture
from cxr_node.reasoning.prompts import option_words
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from tests.asking import agree, generate, score, settled
from tests.families import BuildFamily
from tests.fresh import Fresh
from tests.models import picture

LONGEST = 12
STEPS = (
    Ask("projection?", ("PA", "AP", "lateral")),
    Ask("limits?", max_new_tokens=LONGEST),
    Ask("effusion?", ("present", "absent", "uncertain")),
    Ask("next step?", ("none", "follow up radiograph", "ct", "urgent clinical review")),
    Ask("describe effusion?", max_new_tokens=LONGEST),
    Ask("category?", ("none", "none of these", "1")),
    Ask("report findings?", max_new_tokens=LONGEST),
)


@pytest.fixture(params=["embedded", *Architecture])
def network(request: pytest.FixtureRequest, sealed: BuildFamily) -> TransformersModel:
    if request.param == "embedded":
        found: TransformersModel = request.getfixturevalue("untrained")
        return found
    return load_model(sealed(request.param), threads=1, device="cpu")


def _cells(model: TransformersModel, wide: int, high: int) -> dict[str, int]:
    cell = 32 if "qwen3" in type(model.engine.network).__name__.lower() else 28
    return {"width": wide * cell, "height": high * cell}


@pytest.mark.parametrize(("wide", "high"), [(8, 8), (6, 9)])
def test_carried_and_fresh_agree(network: TransformersModel, wide: int, high: int) -> None:
    image = picture(3, **_cells(network, wide, high))
    fresh = Fresh(network, [image])
    with network.begin([image]) as talk:
        assert isinstance(talk, CachedConversation)
        for ask in STEPS:
            (reply,) = network.answer([(talk, ask)])
            agree(reply, fresh.answer(ask))
            talk.settle(settled(ask, reply))
            fresh.settle(settled(ask, reply))
            assert list(talk.token_ids) == fresh.ids


def test_two_studies_in_turn_do_not_touch_each_other(network: TransformersModel) -> None:
    """The library keeps one rope delta on the model object; a study must not use it."""
    images = picture(1, **_cells(network, 8, 8)), picture(2, **_cells(network, 5, 7))
    fresh = [Fresh(network, [image]) for image in images]
    with network.begin([images[0]]) as first, network.begin([images[1]]) as second:
        for ask in STEPS:
            for talk, other in zip((first, second), fresh, strict=True):
                (reply,) = network.answer([(talk, ask)])
                agree(reply, other.answer(ask))
                talk.settle(settled(ask, reply))
                other.settle(settled(ask, reply))
    assert fresh[0].ids != fresh[1].ids


def test_an_answer_goes_on_from_a_lead_and_ends_before_a_stop(network: TransformersModel) -> None:
    # On some pictures an untrained network writes the mark of a picture, which no library takes.
    image = picture(11, **_cells(network, 6, 6))
    with network.begin([image]) as talk:
        spoken = generate(network, talk, "limits?", 20, lead="lungs:").text
    stop = spoken[len(spoken) // 2 :][:3]
    steps = (
        Ask("limits?", max_new_tokens=20, lead="lungs:", stop=(stop, "no such text")),
        Ask("", options=("present", "absent"), lead=f"lungs:{spoken[:4]} so "),
        Ask("", max_new_tokens=6, lead=f"lungs:{spoken[:4]} so "),
    )
    fresh = Fresh(network, [image])
    with network.begin([image]) as talk:
        for ask in steps:
            (reply,) = network.answer([(talk, ask)])
            agree(reply, fresh.answer(ask))
            assert not (ask.stop and stop in getattr(reply, "text", stop))
        talk.settle("lungs: clear")
        fresh.settle("lungs: clear")
        agree(network.answer([(talk, STEPS[0])])[0], fresh.answer(STEPS[0]))


def test_going_on_with_all_that_was_written_reads_one_token(network: TransformersModel) -> None:
    with network.begin([picture(6, **_cells(network, 6, 6))]) as talk:
        assert isinstance(talk, CachedConversation)
        before = talk.held
        first = network.answer([(talk, Ask("limits?", ("present", "absent"), lead="lungs:"))])
        again = network.answer([(talk, Ask("", ("present", "absent"), lead="lungs:"))])
        assert talk.held == talk.tokens > before
    agree(again[0], first[0])


def test_a_settled_answer_replaces_what_was_generated(network: TransformersModel) -> None:
    """A refused text must not stay in the cache behind the words "not assessed"."""
    image = picture(4, **_cells(network, 8, 8))
    fresh = Fresh(network, [image])
    with network.begin([image]) as talk:
        generate(network, talk, "limits?", LONGEST)
        talk.settle("not assessed")
        scores = score(network, talk, "effusion?", ("present", "absent"))
    fresh.answer(Ask("limits?", max_new_tokens=0))
    fresh.settle("not assessed")
    agree(scores, fresh.answer(Ask("effusion?", ("present", "absent"))))


def test_what_was_said_is_not_read_again(untrained: TransformersModel) -> None:
    """Settling the generated words themselves leaves only the end of the answer to read."""
    with untrained.begin([picture(4)]) as talk:
        assert isinstance(talk, CachedConversation)
        said = generate(untrained, talk, "limits?", LONGEST)
        written = len(talk.draft)
        held = talk.held
        talk.settle(said.text)
        assert written > 2
        assert talk.held >= held - 1


def test_several_pictures_of_different_size(
    network: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [picture(i, **_cells(network, *s)) for i, s in enumerate([(4, 6), (7, 5)])]
    fresh = Fresh(network, images)
    monkeypatch.setattr(
        TransformersModel, "profile", network.profile.model_copy(update={"pictures": 2})
    )
    with network.begin(images) as talk:
        for ask in STEPS[:3]:
            (reply,) = network.answer([(talk, ask)])
            agree(reply, fresh.answer(ask))
            talk.settle(settled(ask, reply))
            fresh.settle(settled(ask, reply))


def test_the_picture_matters(untrained: TransformersModel) -> None:
    words = [option_words(untrained.profile.wording, o) for o in ("present", "absent")]
    found = []
    for seed in (1, 2):
        with untrained.begin([picture(seed)]) as talk:
            found.append(score(untrained, talk, "effusion?", words))
    assert found[0] != found[1]


def test_scores_are_probabilities_of_whole_answers(untrained: TransformersModel) -> None:
    every = untrained.engine.tokenizer.get_vocab_size()
    words = [untrained.engine.tokenizer.decode([i]).strip() for i in range(9, every)]
    one_token = [w for w in words if len(untrained.engine.encode(w)) == 1]
    with untrained.begin([picture()]) as talk:
        scores = score(untrained, talk, "effusion?", sorted(set(one_token)))
    assert 0 < sum(2.718281828**score for score in scores) <= 1


def test_a_picture_of_another_size_than_the_profile_allows_is_refused(
    untrained: TransformersModel,
) -> None:
    with pytest.raises(ValueError, match="multiples of 28"), untrained.begin([picture(width=230)]):
        pass
    with pytest.raises(ValueError, match="1 to 1"), untrained.begin([]):
        pass


def test_a_question_needs_an_open_study(untrained: TransformersModel) -> None:
    with untrained.begin([picture()]) as talk:
        left: Conversation = talk
        with pytest.raises(RuntimeError, match="no question"):
            untrained.answer([(talk, Ask("", max_new_tokens=1, lead="so"))])
        with pytest.raises(ValueError, match="at a time"):
            untrained.answer([(talk, STEPS[0]), (talk, STEPS[1])])
    with pytest.raises(RuntimeError, match="closed"):
        untrained.answer([(left, STEPS[0])])
