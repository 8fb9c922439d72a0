"""A local language model of the transformers library writes for chains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from cxr_node.domain.errors import ModelRefused
from cxr_node.reasoning.words import build_tokenizer
from cxr_node.training.chain_models import LocalText
from cxr_node.training.chain_records import mined_records
from cxr_node.training.chain_tasks import Sampling
from cxr_node.training.chains import Dropped
from cxr_node.training.record_files import write_records
from tests.phantom_reports import phantom_dialogue

TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %} answer"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("llama")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=build_tokenizer(), eos_token="<|end|>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8192,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_the_same_prompt_is_completed_alike(folder: Path) -> None:
    model = LocalText(folder, new_tokens=8)
    first = model.complete("is there an effusion?")
    assert first == model.complete("is there an effusion?")
    assert first.strip()
    assert "is there an effusion?" not in first


def test_the_chat_template_is_used_where_there_is_one(folder: Path) -> None:
    plain, chat = LocalText(folder, 8), LocalText(folder, 8)
    chat._tokenizer.chat_template = TEMPLATE
    assert chat.complete("effusion?") == plain.complete("effusion? answer")


def test_a_prompt_without_room_for_an_answer_gives_none(folder: Path) -> None:
    assert LocalText(folder, new_tokens=8192).complete("is there an effusion?") == ""


def test_an_untrained_model_makes_no_chain_and_breaks_nothing(folder: Path, tmp_path: Path) -> None:
    path, dropped = tmp_path / "in.jsonl", Dropped()
    write_records(path, map(phantom_dialogue, range(2)))
    rules = Sampling(0, 0, multiple=0, listed=2, temporal=0)
    assert list(mined_records(path, LocalText(folder, 12), rules, dropped)) == []
    assert set(dropped.chains) <= {
        "the reply holds no plan",
        "the reply is broken JSON",
        "the report does not bear the answer out",
    }
    assert dropped.chains.total() == 2


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="no such folder"):
        LocalText(tmp_path / "none")
    with pytest.raises(ModelRefused, match="cannot be loaded"):
        LocalText(tmp_path)
