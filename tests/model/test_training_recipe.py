"""What the recipe shows the model is what the product shows it, to the token; and it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers import Qwen2VLImageProcessorPil

from cxr_node.domain.findings import FindingKind, PriorStudy, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.embedded import embedded_manifest, new_model, save_embedded
from cxr_node.reasoning.staged import PriorPicture, StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from cxr_node.training.muon import MuonWithAdamW
from cxr_node.training.recipe import script
from cxr_node.training.recipe.heads import SIGNS, Heads, targets, tower_loss
from cxr_node.training.recipe.joint import PhantomDialogues, TowerSide, teach_dialogues
from cxr_node.training.recipe.pool import BATCH, Pool
from cxr_node.training.recipe.samples import (
    CHANNELS,
    Kind,
    drawn,
    read_chunk,
    token_masks,
    unpacked,
    write_chunk,
)
from cxr_node.training.recipe.sight import grids, patches, see
from cxr_node.training.recipe.tower import teach_tower, tower_figures
from cxr_node.training.run_folder import open_run
from tests.asking import request, score

_UID = Uid("1.2.3")
_SEEDS = range(31_000_000, 31_000_016)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen samples of each kind."""
    root = tmp_path_factory.mktemp("data")
    for kind in Kind:
        (root / kind).mkdir()
        write_chunk(root / kind, 0, drawn(kind, _SEEDS))
    return root


@pytest.fixture(scope="module")
def pools(data: Path) -> dict[Kind, Pool]:
    return {kind: Pool(data / kind, np.random.default_rng(0)) for kind in Kind}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TransformersModel:
    folder = tmp_path_factory.mktemp("model") / "untrained"
    save_embedded(folder, new_model(0), embedded_manifest(pictures=2))
    return load_model(folder, device="cpu")


def _picture(gray: np.ndarray) -> PreparedImage:
    return PreparedImage(_UID, 224, 224, gray.tobytes(), 0, 0, 224, 224, 224, 224)


def test_patches_are_those_of_the_products_processor(pools: dict[Kind, Pool]) -> None:
    processor = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 224 * 224, "longest_edge": 224 * 224}, patch_size=14, merge_size=2
    )
    images = pools[Kind.SINGLE].get([0, 1]).images
    pictures = [Image.fromarray(image).convert("RGB") for image in images]
    made = processor(images=pictures, do_resize=False, return_tensors="pt")
    assert torch.equal(made["pixel_values"], patches(images))
    assert torch.equal(made["image_grid_thw"], grids(2))


def test_triage_asks_what_the_reader_asks(
    pools: dict[Kind, Pool], model: TransformersModel
) -> None:
    batch = pools[Kind.SINGLE].get([0])
    reading = StagedReader(model).read(request(_picture(batch.images[0]), ReadingKind.TRIAGE))
    assert [t.prompt for t in reading.turns] == [t.prompt for t in script.triage(batch.truths[0])]


def test_a_dialogue_has_the_tokens_of_the_products_conversation(
    pools: dict[Kind, Pool], model: TransformersModel
) -> None:
    batch = pools[Kind.SINGLE].get([0])
    turns = script.triage(batch.truths[0])
    ids, weights = PhantomDialogues(pools, 16, 0).tokens(turns)
    with model.begin([_picture(batch.images[0])]) as conversation:
        for turn in turns:
            score(model, conversation, turn.prompt, ["present", "absent"])
            conversation.settle(turn.answer)
        assert list(conversation.token_ids) == ids  # type: ignore[attr-defined]
    assert sum(weight > 0 for weight in weights) == 2 * len(turns)


def test_a_reading_with_a_prior_opens_with_the_products_words(
    pools: dict[Kind, Pool], model: TransformersModel
) -> None:
    batch = pools[Kind.PAIR].get([0])
    current, earlier = _picture(batch.images[0]), _picture(batch.others[0])
    asked = request(current, ReadingKind.TRIAGE)
    told = PriorStudy(Uid("1.2.4"), "20260101", ())
    both = type(asked)(
        asked.images,
        asked.references,
        asked.kind,
        quality_control=True,
        prior=PriorPicture(told, earlier),
    )
    reading = StagedReader(model).read(both)
    turns = script.compared(script.triage(batch.truths[0]))
    assert [t.prompt for t in reading.turns] == [t.prompt for t in turns]


def test_every_answer_is_one_the_stage_graph_allows(pools: dict[Kind, Pool]) -> None:
    options = {
        script.prompts.question_words(script.Wording.BRIEF, stage, question, ""): {
            script.prompts.option_words(script.Wording.BRIEF, option) for option in question.options
        }
        for (stage, _), question in script._QUESTIONS.items()
        if question.options and question.loop == "once"
    }
    rng = np.random.default_rng(0)
    for kind, pool in pools.items():
        for truth in pool.get(range(16)).truths:
            for turn in script.reading(truth, rng):
                assert turn.prompt not in options or turn.answer in options[turn.prompt]
            assert (truth["stages"][StageKey.COMPARISON] is not None) == (kind is Kind.PAIR)


def test_samples_come_back_as_they_were_drawn(pools: dict[Kind, Pool], data: Path) -> None:
    chunk = read_chunk(data / Kind.VIEWS / "chunk-0000.npz")
    films = list(drawn(Kind.VIEWS, _SEEDS))
    assert chunk.image.shape == chunk.other.shape == (16, 224, 224)
    masks = unpacked(chunk.cells)
    for row, (film, lateral, _) in enumerate(films):
        assert lateral is not None
        assert np.array_equal(masks[row], token_masks(film))
    assert masks.shape == (16, len(CHANNELS), 8, 8)
    assert masks.any(axis=(1, 2, 3)).sum() > 8
    sided = [k for k, (_, side) in enumerate(CHANNELS) if side is not None]
    whole = masks[:, : len(SIGNS)].any(axis=(1, 2, 3))
    assert masks[:, sided].any(axis=(1, 2, 3)).sum() <= whole.sum()


def test_the_same_number_is_always_the_same_sample(pools: dict[Kind, Pool]) -> None:
    first, again = (PhantomDialogues(pools, 640, 3) for _ in range(2))
    for number in (0, 17, 639):
        one, other = first[number], again[number]
        assert one.ids == other.ids
        assert torch.equal(one.patches, other.patches)
    pictures = {len(first[BATCH * n].grid) for n in range(40)}
    assert pictures == {1, 2}


def test_a_token_that_shows_a_sign_tells_its_box(pools: dict[Kind, Pool]) -> None:
    batch = pools[Kind.SINGLE].get(range(16))
    wanted, heads = targets(batch.cells, batch.truths), Heads(256)
    tokens = torch.randn(16, 64, 256)
    assert all(np.isfinite(part) for part in tower_loss(heads, tokens, wanted)[1].values())
    shown = wanted.mask[..., : len(SIGNS)] > 0
    exact = wanted.box.unsqueeze(1).expand(16, 64, len(SIGNS), 4)
    with torch.no_grad():
        heads.spot.weight.zero_()
        heads.spot.bias.zero_()
    far = tower_loss(heads, tokens, wanted)[1]["spot"]
    assert far == pytest.approx(float(exact[shown].mean()) - 0.01, abs=0.02)


def test_a_tower_learns_and_goes_on_where_it_stood(data: Path, tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    figures = []
    for out, stops in ((whole, (12,)), (parted, (12, 12))):
        out.mkdir()
        for steps in stops:
            torch.manual_seed(0)
            network, heads = new_model(0).train(), Heads(256)
            teach_tower(network, heads, data / Kind.SINGLE, out, steps)
        figures.append(tower_figures(network, heads, Pool(data / Kind.SINGLE, _rng()), 16))
    assert figures[0] == pytest.approx(figures[1], nan_ok=True)
    assert (whole / "tower.html").exists()


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_dialogues_teach_through_the_library_with_the_towers_losses(
    pools: dict[Kind, Pool], tmp_path: Path
) -> None:
    network, heads = new_model(0), Heads(256)
    before = see(network, patches(pools[Kind.SINGLE].get([0]).images)).detach().clone()
    run = open_run(tmp_path / "run", {"steps": 2}, resume=False)
    taught = teach_dialogues(network, heads, pools, run, 2)
    assert not torch.equal(see(taught, patches(pools[Kind.SINGLE].get([0]).images)), before)
    assert '"looked"' in run.figures.read_text()
    assert TowerSide(heads).module is heads


def test_muon_moves_hidden_matrices_and_adamw_the_rest_and_both_resume() -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
            self.head = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = torch.tanh(layer(x))
            out: torch.Tensor = self.head(x)
            return out

    def step(net: Small, rule: MuonWithAdamW) -> float:
        loss = nn.functional.cross_entropy(net(x), y)
        rule.zero_grad()
        loss.backward()
        rule.step()
        return float(loss.detach())

    x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
    net = Small()
    rule = MuonWithAdamW([net], 1e-2)
    assert [len(g["params"]) for g in rule.param_groups] == [1, 3, 2]
    losses = [step(net, rule) for _ in range(60)]
    assert losses[-1] < losses[0]
    other = Small()
    other.load_state_dict(net.state_dict())
    again = MuonWithAdamW([other], 1e-2)
    again.load_state_dict(rule.state_dict())
    for group in again.param_groups:
        group["lr"] = 0.0
    assert step(net, rule) == step(other, again)
    assert not torch.equal(net.layers[0].weight, other.layers[0].weight)
    with pytest.raises(ValueError, match="closure"):
        rule.step(lambda: None)


def test_every_finding_of_the_vocabulary_can_be_true(pools: dict[Kind, Pool]) -> None:
    found: set[str] = set()
    for pool in pools.values():
        for truth in pool.get(range(16)).truths:
            said = truth["stages"]["findings"]["presence"]
            found |= {kind for kind, state in said.items() if state == "present"}
    assert len(found) >= len(FindingKind) - 3
