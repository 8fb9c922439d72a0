"""One carried cache says exactly what fresh runs over the whole history would say (fp32, CPU)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from cxr_node.domain.ports import PreparedImage
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.prompts import option_words
from cxr_node.reasoning.transformers_model import TransformersModel
from tests.asking import generate, score
from tests.models import picture

STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("projection?", ("PA", "AP", "lateral")),
    ("limits?", ()),
    ("effusion?", ("present", "absent", "uncertain")),
    ("next step?", ("none", "follow up radiograph", "ct", "urgent clinical review")),
    ("describe effusion?", ()),
    ("category?", ("none", "none of these", "1")),
    ("report findings?", ()),
)
LONGEST = 12


class Fresh:
    """The same model without a cache: every question reads everything from the start."""

    def __init__(self, model: TransformersModel, image: PreparedImage) -> None:
        self.engine: Any = model._engine
        self.pictures = model.look([image])
        self.ids: list[int] = self.engine.encode(self.engine.chat.head(self.pictures.tokens))
        self.turns = 0

    def _logits(self, ids: list[int]) -> torch.Tensor:
        network = self.engine.network
        network.model.rope_deltas = None
        tokens = torch.tensor([ids])
        with torch.inference_mode():
            found: torch.Tensor = network(
                input_ids=tokens,
                attention_mask=torch.ones_like(tokens),
                mm_token_type_ids=(tokens == self.engine.picture_id).int(),
                pixel_values=self.pictures.patches,
                image_grid_thw=self.pictures.grid,
                use_cache=False,
            ).logits[0]
        return torch.log_softmax(found, -1)

    def ask(self, prompt: str) -> None:
        self.ids += self.engine.encode(self.engine.chat.question(prompt, first=self.turns == 0))
        self.turns += 1

    def score(self, words: Sequence[str], *, ended: bool) -> list[float]:
        totals = []
        for option in words:
            branch = self.engine.encode(option + self.engine.chat.answer_suffix * ended)
            found = self._logits(self.ids + branch)
            start = len(self.ids) - 1
            totals.append(sum(float(found[start + i, t]) for i, t in enumerate(branch)))
        return totals

    def generate(self, longest: int) -> list[int]:
        answer: list[int] = []
        while len(answer) < longest:
            token = int(self._logits(self.ids + answer)[-1].argmax())
            if token in self.engine.stop_ids:
                break
            answer.append(token)
        return answer

    def settle(self, answer: str) -> None:
        self.ids += self.engine.encode(self.engine.chat.answer(answer))


def _step(
    model: TransformersModel, talk: CachedConversation, prompt: str, options: tuple[str, ...]
) -> tuple[str, tuple[float, ...]]:
    if options:
        scores = score(model, talk, prompt, options)
        answer = options[scores.index(max(scores))]
    else:
        scores, answer = (), generate(model, talk, prompt, LONGEST).text
    talk.settle(answer)
    return answer, scores


@pytest.mark.parametrize(("width", "height"), [(224, 224), (168, 252)])
def test_carried_and_fresh_agree(untrained: TransformersModel, width: int, height: int) -> None:
    image = picture(3, width=width, height=height)
    fresh = Fresh(untrained, image)
    with untrained.begin([image]) as talk:
        assert isinstance(talk, CachedConversation)
        for prompt, options in STEPS:
            answer, scores = _step(untrained, talk, prompt, options)
            fresh.ask(prompt)
            if options:
                expected = fresh.score(options, ended="none of these" in options)
                assert scores == pytest.approx(expected, abs=1e-4)
            else:
                assert answer == fresh.engine.decode(fresh.generate(LONGEST))
            fresh.settle(answer)
            assert list(talk.token_ids) == fresh.ids


def test_two_studies_in_turn_do_not_touch_each_other(untrained: TransformersModel) -> None:
    """The library keeps one rope delta on the model object; a study must not use it."""
    images = picture(1), picture(2, width=140, height=196)

    def alone(image: PreparedImage) -> list[tuple[str, tuple[float, ...]]]:
        with untrained.begin([image]) as talk:
            assert isinstance(talk, CachedConversation)
            return [_step(untrained, talk, prompt, options) for prompt, options in STEPS]

    expected = [alone(image) for image in images]
    with untrained.begin([images[0]]) as first, untrained.begin([images[1]]) as second:
        assert isinstance(first, CachedConversation)
        assert isinstance(second, CachedConversation)
        pairs = [
            (_step(untrained, first, *step), _step(untrained, second, *step)) for step in STEPS
        ]
    assert [a for a, _ in pairs] == expected[0]
    assert [b for _, b in pairs] == expected[1]
    assert expected[0] != expected[1]


def test_a_settled_answer_replaces_what_was_generated(untrained: TransformersModel) -> None:
    """A refused text must not stay in the cache behind the words "not assessed"."""
    fresh = Fresh(untrained, picture(4))
    with untrained.begin([picture(4)]) as talk:
        generate(untrained, talk, "limits?", LONGEST)
        talk.settle("not assessed")
        scores = score(untrained, talk, "effusion?", ("present", "absent"))
    fresh.ask("limits?")
    fresh.settle("not assessed")
    fresh.ask("effusion?")
    assert scores == pytest.approx(fresh.score(("present", "absent"), ended=False), abs=1e-4)


def test_the_picture_matters(untrained: TransformersModel) -> None:
    words = [option_words(untrained.profile.wording, o) for o in ("present", "absent")]
    found = []
    for seed in (1, 2):
        with untrained.begin([picture(seed)]) as talk:
            found.append(score(untrained, talk, "effusion?", words))
    assert found[0] != found[1]


def test_scores_are_probabilities_of_whole_answers(untrained: TransformersModel) -> None:
    every = untrained._engine.tokenizer.get_vocab_size()
    words = [untrained._engine.tokenizer.decode([i]).strip() for i in range(9, every)]
    one_token = [w for w in words if len(untrained._engine.encode(w)) == 1]
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
