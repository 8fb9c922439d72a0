"""GRPO on a tiny model: what is learned from, what is not, and that a run can be repeated."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.ports import Ask
from cxr_node.domain.stages import QUALITY_DIMENSIONS, StageKey
from cxr_node.reasoning import prompts
from cxr_node.reasoning.profiles import load_manifest
from cxr_node.reasoning.tags import with_tags
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from cxr_node.training import grpo
from cxr_node.training.chat_processor import load_processor
from cxr_node.training.grpo_marks import Truth, marks
from cxr_node.training.grpo_questions import (
    RECIPES,
    Question,
    QuestionCase,
    Recipe,
    reward_functions,
)
from cxr_node.training.grpo_rollout import NOT_DRAWN, Study, Trajectory, roll_out
from cxr_node.training.grpo_sampling import DrawingModel
from cxr_node.training.grpo_trainer import ReadingTrainer
from cxr_node.training.key_findings import conclusions
from cxr_node.training.live_plot import read_figures
from cxr_node.training.run_folder import RunFolder, open_run
from tests.models import picture
from tests.tiny_models import SIDE, build_tiny

S = StageKey
TRUTH: Truth = {
    (S.QUALITY_VIEW, "projection", ""): "AP",
    **{(S.QUALITY_VIEW, name, ""): "limited" for name in QUALITY_DIMENSIONS},
    (S.FINDINGS, "overall", ""): "abnormal",
    **{(S.FINDINGS, "presence", kind): "uncertain" for kind in FindingKind},
}
"""The same for every picture, so that even this model can learn it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("grpo") / "tiny")


@pytest.fixture
def model(folder: Path) -> TransformersModel:
    return load_model(folder, threads=1, device="cpu")


def study(seed: int = 0) -> Study:
    return Study(f"study {seed}", (picture(seed, width=SIDE, height=SIDE),), TRUTH)


def reinforced(folder: Path, run: RunFolder, **changes: Any) -> TransformersModel:
    """A fresh model after a run over two studies."""
    model = load_model(folder, threads=1, device="cpu")
    stop = changes.pop("stop_after", None)
    settings = grpo.Settings(steps=4, group=4, batch=2, rate=1e-2, warm_up=0, save_every=2)
    grpo.reinforce_readings(
        model,
        load_processor(folder, load_manifest(folder)),
        [study(0), study(1)],
        run,
        replace(settings, **changes),
        texts=False,
        penalties={"contradictions": 0.5},
        stop_after=stop,
    )
    return model


def weights(model: TransformersModel) -> Mapping[str, torch.Tensor]:
    return dict(model.engine.network.state_dict())


def same(one: TransformersModel, other: TransformersModel) -> bool:
    theirs = weights(other)
    return all(torch.equal(value, theirs[name]) for name, value in weights(one).items())


def fresh(base: Path, name: str) -> RunFolder:
    return open_run(base / name, {"name": name}, resume=False)


def test_only_drawn_tokens_are_marked_as_such(model: TransformersModel) -> None:
    torch.manual_seed(1)
    drawn, likeliest = (
        roll_out(DrawingModel(model, texts=texts), [study()])[0] for texts in (True, False)
    )
    for trajectory in (drawn, likeliest):
        spoken = _spoken(model, trajectory)
        for number, turn in enumerate(trajectory.reading.turns):
            if turn.probabilities:  # a closed question: its option and nothing else
                words = prompts.option_words(model.profile.wording, turn.answer)
                assert model.engine.decode(spoken[number]) == words
    texts = [n for n, turn in enumerate(drawn.reading.turns) if not turn.probabilities]
    assert texts
    assert all(_spoken(model, drawn)[n] for n in texts)
    assert not any(n in _spoken(model, likeliest) for n in texts)


def _spoken(model: TransformersModel, trajectory: Trajectory) -> dict[int, list[int]]:
    """The drawn tokens of each turn."""
    found: dict[int, list[int]] = {}
    for token, number in zip(trajectory.ids, trajectory.answers, strict=True):
        if number != NOT_DRAWN:
            found.setdefault(number, []).append(token)
    assert sum(trajectory.mask) == sum(map(len, found.values()))
    return found


def test_a_drawn_text_stands_in_the_dialogue_as_it_was_drawn(model: TransformersModel) -> None:
    torch.manual_seed(2)
    trajectory = roll_out(DrawingModel(model), [study()])[0]
    suffix = model.engine.encode(model.engine.chat.answer_suffix)
    for number, tokens in _spoken(model, trajectory).items():
        place = trajectory.answers.index(number)
        assert list(trajectory.ids[place : place + len(tokens)]) == tokens
        ended = tokens[-1] in model.engine.stop_ids
        assert ended or list(trajectory.ids[place + len(tokens) :][: len(suffix)]) == suffix


def test_two_readings_drawn_together_are_whole_and_not_the_same(model: TransformersModel) -> None:
    torch.manual_seed(3)
    first, second = roll_out(DrawingModel(model), [study(), study()])
    assert first.prompt_ids == second.prompt_ids
    assert first.ids != second.ids
    assert first.reading.turns[0].prompt == "projection?"
    assert {turn.stage for turn in first.reading.turns} == {S.QUALITY_VIEW, S.FINDINGS}
    assert len(first.reading.turns) == 9 + len(FindingKind)


class Watching(ReadingTrainer):
    """Keeps the log-probabilities of a step with their gradients."""

    seen: torch.Tensor
    given: dict[str, Any]

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        logps, *rest = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        if logps.requires_grad:
            logps.retain_grad()
            self.seen = logps
        return logps, *rest

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        self.given = inputs
        return super()._compute_loss(model, inputs)


@pytest.fixture
def watched(
    folder: Path, model: TransformersModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Watching:
    """A trainer after one step of which everything is known."""
    made: list[Watching] = []

    def trainer(*args: Any, **kwargs: Any) -> Watching:
        made.append(Watching(*args, **kwargs))
        return made[0]

    monkeypatch.setattr(grpo, "ReadingTrainer", trainer)
    processor = load_processor(folder, load_manifest(folder))
    settings = grpo.Settings(steps=1, group=4, batch=1, rate=0.0, warm_up=0)
    run = fresh(tmp_path, "watched")
    grpo.reinforce_readings(model, processor, [study()], run, settings)
    return made[0]


def test_what_was_not_drawn_has_no_gradient(watched: Watching) -> None:
    """Questions and the node's own tokens are context; of the drawn, those with an advantage."""
    mask, advantages = watched.given["tool_mask"], watched.given["advantages"]
    real = watched.given["completion_mask"] * mask
    gradient = watched.seen.grad
    assert gradient is not None
    assert not gradient[real == 0].any()
    credited = (real == 1) & (advantages.abs() > 1e-6)
    assert credited.sum() > 20
    # d/dlogp of ratio * advantage, averaged over a reading's drawn tokens, then over readings
    share = real.sum(1, keepdim=True).float() * len(real)
    torch.testing.assert_close(gradient[credited], -(advantages / share)[credited])


def test_tokens_and_advantages_belong_together(watched: Watching) -> None:
    """What may be learned from is what was drawn; all tokens of an answer share its advantage."""
    given = watched.given
    real = given["completion_mask"] * given["tool_mask"]
    for ids, mask, advantage in zip(
        given["completion_ids"].tolist(), real.tolist(), given["advantages"].tolist(), strict=True
    ):
        drawn = next(t for t in watched._drawn if tuple(ids[: len(t.ids)]) == t.ids)
        assert mask == [int(n != NOT_DRAWN) for n in drawn.answers] + [0] * (
            len(ids) - len(drawn.ids)
        )
        by_answer: dict[int, set[float]] = {}
        for number, value in zip(drawn.answers, advantage, strict=False):
            by_answer.setdefault(number, set()).add(value)
        assert by_answer.pop(NOT_DRAWN) == {0.0}
        assert all(len(values) == 1 for values in by_answer.values())


def test_the_trainer_sees_the_probabilities_that_were_drawn_from(
    watched: Watching, model: TransformersModel
) -> None:
    """Option scores of the node's own cached path equal the training forward to 1e-5."""
    trajectory = watched._drawn[0]
    ids = watched.given["completion_ids"].tolist()
    row = next(n for n, r in enumerate(ids) if tuple(r[: len(trajectory.ids)]) == trajectory.ids)
    learned = watched.seen[row].detach()
    compared = 0
    with model.begin(trajectory.pictures) as talk:
        for number, turn in enumerate(trajectory.reading.turns):
            if not turn.scores:
                break  # a text stands as it was drawn there, and as it was cleaned here
            options = [prompts.option_words(model.profile.wording, o) for o in turn.scores]
            (scores,) = model.answer([(talk, Ask(turn.prompt, options=tuple(options)))])
            place = trajectory.answers.index(number)
            chosen = list(turn.scores).index(turn.answer)
            assert isinstance(scores, tuple)
            assert float(learned[place]) == pytest.approx(scores[chosen], abs=1e-5)
            talk.settle(turn.settled)
            compared += 1
    assert compared == 1 + len(QUALITY_DIMENSIONS)


def test_the_reward_rises(folder: Path, tmp_path: Path) -> None:
    run = fresh(tmp_path, "rising")
    start = weights(load_model(folder, threads=1, device="cpu"))
    model = reinforced(folder, run, steps=12, group=8)
    patches = "model.visual.patch_embed.proj.weight"
    assert not torch.equal(weights(model)[patches], start[patches])  # the tower learns, too
    rewards = [figures["reward"] for figures in read_figures(run.figures)]
    assert len(rewards) == 12
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.3
    torch.manual_seed(0)
    after = roll_out(DrawingModel(model), [study(9)])[0]  # a picture that was not trained on
    assert marks(after.reading.turns, TRUTH, model.profile).stages[S.QUALITY_VIEW] > 0.6


def test_a_run_goes_on_as_if_it_had_not_stopped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same seed, same weights; stopped and resumed, the same again; and no name is looked up."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a training run looked up a name")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    straight = reinforced(folder, fresh(tmp_path, "straight"), beta=0.05)
    stopped = fresh(tmp_path, "stopped")
    half = reinforced(folder, stopped, beta=0.05, stop_after=2)
    assert stopped.newest() == stopped.checkpoints / "checkpoint-2"
    whole = reinforced(folder, stopped, beta=0.05)
    assert not same(half, straight)
    assert same(whole, straight)
    figures = read_figures(stopped.figures)
    assert [row["step"] for row in figures] == [1, 2, 3, 4]
    assert figures[0]["kl"] == pytest.approx(0.0, abs=1e-6)  # it is still the first model
    assert figures[3]["kl"] > 1e-4


def test_adapters_are_merged_into_the_network(folder: Path, tmp_path: Path) -> None:
    model = reinforced(folder, fresh(tmp_path, "lora"), lora=4, steps=2)
    start = load_model(folder, threads=1, device="cpu")
    assert weights(model).keys() == weights(start).keys()
    changed = {
        n for n, value in weights(model).items() if not torch.equal(value, weights(start)[n])
    }
    assert changed
    assert all(name.endswith(("weight", "bias")) and "embed_tokens" not in name for name in changed)


THOUGHTS = "There is a left pleural effusion. The heart is normal."


def case(recipe: Recipe) -> QuestionCase:
    image = picture(4, width=SIDE, height=SIDE)
    listed = recipe is Recipe.NV_REASON
    asked = Question("one", ("a",), "overall?", "Pleural Effusion" if listed else "A")
    chain = conclusions(THOUGHTS)
    return QuestionCase(replace(asked, chain=chain, tagged=True, listed=listed), (image,))


@pytest.mark.parametrize("recipe", [Recipe.PROCESS, Recipe.NV_REASON])
def test_single_questions_are_rewarded_part_by_part(
    folder: Path, model: TransformersModel, tmp_path: Path, recipe: Recipe
) -> None:
    run = fresh(tmp_path, recipe)
    grpo.reinforce_questions(
        model,
        load_processor(folder, load_manifest(folder)),
        [case(recipe)],
        RECIPES[recipe],
        run,
        grpo.Settings(steps=1, group=4, batch=1, longest=6, warm_up=0, mask_truncated=False),
    )
    (figures,) = read_figures(run.figures)
    assert {f"rewards/{part}/mean" for part in RECIPES[recipe]} <= figures.keys()
    total = sum(w * figures[f"rewards/{part}/mean"] for part, w in RECIPES[recipe].items())
    assert figures["reward"] == pytest.approx(total, abs=1e-6)


def test_a_right_answer_with_its_reasons_earns_everything() -> None:
    right = with_tags(THOUGHTS, "A")
    guessed = with_tags("There is no pleural effusion. The heart is normal.", "A")
    bare = "A"
    said = [[{"role": "assistant", "content": text}] for text in (right, guessed, bare)]
    cases = [case(Recipe.PROCESS)] * 3
    found = {
        reward.__name__: reward(said, [[0] * 5] * 3, case=cases, trainer_state=None)
        for reward in reward_functions(list(RECIPES[Recipe.PROCESS]))
    }
    assert found["outcome"] == [1.0, 1.0, 0.0]
    assert found["process"] == [1.0, 0.5, 0.0]
    assert found["form"] == [1.0, 1.0, 0.0]
