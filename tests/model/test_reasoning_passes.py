"""Work that is left out of a pass changes no answer: patches, last layer, the first question."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from PIL import Image
from transformers import Qwen2VLImageProcessorPil

from cxr_node.domain.ports import Ask, Foreseen, Scores
from cxr_node.reasoning import answering
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.forward import Piece, forward
from cxr_node.reasoning.last_layer import LastLayer
from cxr_node.reasoning.patches import Patches
from cxr_node.reasoning.profiles import Architecture
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from tests.families import BuildFamily
from tests.models import picture

CELL = 224  # a multiple of every architecture's
SIZES = ((1, 2, 3), (2, 1, 2))
BARE = Ask("projection?", ("PA", "AP"))
LONG = Ask("next step?", ("follow up radiograph", "urgent clinical review"))


@pytest.fixture(scope="module", params=list(Architecture))
def network(request: pytest.FixtureRequest, sealed: BuildFamily) -> TransformersModel:
    return load_model(sealed(request.param), threads=1, device="cpu")


@pytest.fixture
def passes(untrained: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens of every pass through the language model."""
    counted: list[int] = []
    text = untrained.engine.network.model.language_model
    real = text.forward

    def counting(*args: object, inputs_embeds: torch.Tensor, **more: object) -> object:
        counted.append(inputs_embeds.shape[1])
        return real(*args, inputs_embeds=inputs_embeds, **more)

    monkeypatch.setattr(text, "forward", counting)
    return counted


def test_patches_are_embedded_as_by_the_library(network: TransformersModel) -> None:
    embedding = network.engine.network.model.visual.patch_embed
    patches = network.look([picture(1, width=2 * CELL, height=3 * CELL)]).patches
    with torch.inference_mode():
        library = type(embedding).forward(embedding, patches)
        assert torch.allclose(embedding(patches), library, atol=1e-4)
    assert library.std() > 0.01


@pytest.mark.parametrize("architecture", Architecture)
def test_pictures_are_cut_into_patches_as_by_the_library(
    sealed: BuildFamily, architecture: Architecture
) -> None:
    processor = Qwen2VLImageProcessorPil.from_pretrained(sealed(architecture))
    patches = Patches(processor)
    images = [picture(n, width=w * patches.cell, height=h * patches.cell) for n, w, h in SIZES]
    found = patches.of(images)
    made = processor(
        images=[Image.frombytes("L", (i.width, i.height), i.gray).convert("RGB") for i in images],
        do_resize=False,
        return_tensors="pt",
    )
    assert torch.equal(found.patches, made["pixel_values"])
    assert torch.equal(found.grid, made["image_grid_thw"])
    assert found.tokens == (6, 2)
    assert len(found.patches.unique()) > 200


def test_what_is_not_wanted_of_the_last_layer_changes_nothing(
    network: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def everything(_: LastLayer, *at: object, **__: object) -> Iterator[None]:
        yield

    image = picture(3, width=2 * CELL, height=CELL)
    found = []
    for whole in (False, True):
        if whole:
            monkeypatch.setattr(LastLayer, "only", everything)
        with network.begin([image]) as talk:
            (first,) = network.answer([(talk, BARE)])
            talk.settle("PA")
            found.append((first, network.answer([(talk, LONG)])[0]))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-5)


def test_the_last_layer_computes_what_is_wanted_alone(untrained: TransformersModel) -> None:
    part = untrained.engine.network.model.language_model.layers[-1].mlp
    states = torch.randn(2, 5, part.gate_proj.in_features)
    with torch.inference_mode():
        whole = part(states)
        with untrained.engine.last.only(torch.tensor([1]), torch.tensor([3]), everything=False):
            found = part(states)
    assert torch.allclose(found[1, 3], whole[1, 3], atol=1e-5)
    assert found.count_nonzero() == found[1, 3].count_nonzero() > 0


def test_the_picture_is_read_with_the_first_question(
    untrained: TransformersModel, passes: list[int]
) -> None:
    with untrained.begin([picture()]) as talk:
        assert not passes
        untrained.answer([(talk, BARE)])
        assert len(passes) == 1
        talk.settle("PA")
        untrained.answer([(talk, LONG)])
        assert passes[1] < passes[0] / 2


def test_in_company_or_before_branches_it_is_read_by_itself(
    untrained: TransformersModel, passes: list[int]
) -> None:
    with untrained.begin([picture(1)]) as a, untrained.begin([picture(2)]) as b:
        untrained.answer([(a, BARE), (b, BARE)])
        assert len(passes) == 3
    passes.clear()
    with untrained.begin([picture(1)]) as talk:
        untrained.answer([(talk, LONG)])
        assert len(passes) == 2


def test_a_study_cannot_be_read_without_its_picture(untrained: TransformersModel) -> None:
    with untrained.begin([picture()]) as talk:
        assert isinstance(talk, CachedConversation)
        with pytest.raises(ValueError, match="begins with its pictures"):
            forward(untrained.engine, [Piece(talk.seat, talk.delta, talk.pending, [0])])


def test_behind_an_unexpected_answer_the_first_scores_are_expected(
    untrained: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run behind it is scored anew, this time with what the model itself had said."""
    counted: list[int] = []
    real = answering.forward
    monkeypatch.setattr(answering, "forward", lambda *given: (counted.append(1), real(*given))[1])

    def uncertain(scored: Scores) -> str:
        assert len(scored) == 2
        return "uncertain"

    third = Ask("edema?", ("present", "absent"))
    second = Ask("effusion?", ("present", "absent"))
    behind = Foreseen("absent", third, uncertain)
    first = Ask("projection?", ("PA", "AP"), ahead=(Foreseen("PA", second), behind))
    with untrained.begin([picture()]) as talk:
        untrained.answer([(talk, first)])
        talk.settle("AP")
        untrained.answer([(talk, Ask(second.prompt, second.options, ahead=(behind,)))])
        talk.settle("uncertain")
        (told,) = untrained.answer([(talk, third)])
    assert len(counted) == 2
    with untrained.begin([picture()]) as talk:
        for ask, answer in ((BARE, "AP"), (second, "uncertain")):
            untrained.answer([(talk, ask)])
            talk.settle(answer)
        assert told == pytest.approx(untrained.answer([(talk, third)])[0], abs=1e-4)
