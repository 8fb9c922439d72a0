"""What training shows the model is what the product shows it, to the token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Qwen2VLImageProcessorPil

from cxr_node.domain.findings import FindingKind, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import PreparedImage
from cxr_node.reasoning.embedded import build_embedded
from cxr_node.reasoning.staged import StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from cxr_node.training.measure import TriageAsker
from cxr_node.training.samples import CHANNELS, Chunk, read_chunk, sample, write_chunk
from cxr_node.training.teach_dialogues import Reader, padded
from cxr_node.training.token_dialogues import IGNORED, Said, Script
from cxr_node.training.tower import patches, see
from tests.asking import request, score

_UID = Uid("1.2.3")


@pytest.fixture(scope="module")
def chunk(tmp_path_factory: pytest.TempPathFactory) -> Chunk:
    return read_chunk(write_chunk(tmp_path_factory.mktemp("data"), 0, 100, 6))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TransformersModel:
    folder = tmp_path_factory.mktemp("model") / "untrained"
    build_embedded(folder)
    return load_model(folder, device="cpu")


def _picture(gray: np.ndarray) -> PreparedImage:
    return PreparedImage(_UID, 224, 224, gray.tobytes(), 0, 0, 224, 224, 224, 224)


def test_patches_are_those_of_the_products_processor(chunk: Chunk) -> None:
    processor = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 224 * 224, "longest_edge": 224 * 224}, patch_size=14, merge_size=2
    )
    pictures = [Image.fromarray(image).convert("RGB") for image in chunk.image[:2]]
    made = processor(images=pictures, do_resize=False, return_tensors="pt")
    assert torch.equal(made["pixel_values"], patches(chunk.image[:2]))


def test_dialogue_has_the_tokens_of_the_products_conversation(
    chunk: Chunk, model: TransformersModel
) -> None:
    turns = Script(np.random.default_rng(0)).triage(chunk.truth[0])
    encoded = Script(np.random.default_rng(0)).encoded(turns)
    with model.begin([_picture(chunk.image[0])]) as conversation:
        for turn in turns:
            score(model, conversation, turn.prompt, ["present", "absent"])
            conversation.settle(turn.answer)
        assert list(conversation.token_ids) == encoded.ids  # type: ignore[attr-defined]


def test_triage_dialogue_asks_what_the_reader_asks(chunk: Chunk, model: TransformersModel) -> None:
    reading = StagedReader(model).read(request(_picture(chunk.image[0]), ReadingKind.TRIAGE))
    turns = Script(np.random.default_rng(0)).triage(chunk.truth[0])
    assert [t.prompt for t in reading.turns] == [t.prompt for t in turns]


def test_batched_scores_are_those_of_the_reader(chunk: Chunk, model: TransformersModel) -> None:
    scores = TriageAsker(model.engine.network).ask(chunk.image[:2])
    for row in range(2):
        with model.begin([_picture(chunk.image[row])]) as conversation:
            found = score(model, conversation, "projection?", ["PA", "AP", "lateral"])
        assert found == pytest.approx(list(scores["projection"][row]), abs=1e-4)
    reading = StagedReader(model).read(request(_picture(chunk.image[0]), ReadingKind.TRIAGE))
    asked = {f"presence:{t.subject}" if t.subject else t.question: t for t in reading.turns}
    assert asked.keys() == scores.keys()


def test_loss_falls_on_answers_alone() -> None:
    script = Script(np.random.default_rng(0))
    encoded = script.encoded([Said("projection?", "PA"), Said("effusion?", "absent", 0.3)])
    learned = [t for t in encoded.targets if t != IGNORED]
    decoded = script._tokenizer.decode(learned, skip_special_tokens=False)
    assert decoded.split() == ["PA<|end|>", "absent<|end|>"]
    assert [w for w in encoded.weights if w] == [1.0, 0.05, 0.3, 0.05]


def test_every_label_is_asked_and_undrawn_ones_are_absent(chunk: Chunk) -> None:
    for truth in chunk.truth:
        said = {t.prompt: t.answer for t in Script(np.random.default_rng(0)).triage(truth)}
        assert len(said) == 2 + len(FindingKind)
        present = sum(answer == "present" for answer in said.values())
        assert present == len(truth["findings"])


def test_later_stages_hold_sides_boxes_and_a_report() -> None:
    _, _, truth = sample(3)
    script = Script(np.random.default_rng(4))
    prompts = {t.prompt for _ in range(12) for t in script._reading(truth)}
    assert {"box of heart?", "box of thorax?", "report impression?", "overall?"} <= prompts
    for kind in truth["findings"]:
        assert any(p.startswith("zone of ") for p in prompts), kind


def test_masks_lie_on_the_side_they_name(chunk: Chunk) -> None:
    seen = 0
    for cells, truth in zip(chunk.cells, chunk.truth, strict=True):
        for channel, (kind, side) in enumerate(CHANNELS):
            found = truth["findings"].get(str(kind))
            shown = found is not None and (side is None or found["side"] == str(side))
            assert bool(cells[channel].any()) == shown
            seen += shown
    assert seen > 4


def test_a_few_steps_lower_the_answer_loss(chunk: Chunk) -> None:
    from cxr_node.reasoning.embedded import new_model

    network = new_model(0).train()
    script = Script(np.random.default_rng(0))
    reader = Reader(network, script.encoded([]).ids)
    ids, wanted, weights = padded([script.encoded(script.triage(t)) for t in chunk.truth[:2]], 0)
    pixels = patches(chunk.image[:2])
    rule = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        loss = reader.answer_loss(reader.hidden(ids, see(network, pixels)), wanted, weights)
        loss.backward()
        rule.step()
        rule.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_chunk_appears_whole_and_is_the_same_again(tmp_path: Path, chunk: Chunk) -> None:
    again = read_chunk(write_chunk(tmp_path, 0, 100, 6))
    assert np.array_equal(again.image, chunk.image)
    assert again.truth == chunk.truth
    assert [p.name for p in tmp_path.iterdir()] == ["chunk-0000.npz"]
