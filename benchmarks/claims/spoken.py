"""A model that can write chains: the embedded one, its vocabulary wider by the words of chains.

Everything that was taught stays: old words keep their number, new ones get new rows of the
embedding. Tags become one token each, so that a completion is short and well formed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from benchmarks.claims.chains import Asked
from cxr_node.reasoning.chat import BRIEF_CHAT
from cxr_node.reasoning.profiles import load_manifest, seal
from cxr_node.reasoning.transformers_model import TransformersModel
from cxr_node.reasoning.words import PAD, SPECIAL_TOKENS
from cxr_node.training.recipe.samples import CELLS
from cxr_node.training.recipe.sight import grids, patches
from cxr_node.training.sft_samples import Sample

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
_ROWS = 64
_WRITTEN = 32
"""Questions answered side by side."""


def widened(base: Path, target: Path, texts: Iterable[str], seed: int = 0) -> None:
    """Write ``base`` into ``target`` with every word of ``texts`` in its vocabulary."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    tokenizer = _with_words(base / "tokenizer.json", texts)
    network = Qwen2_5_VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        rows = -(-tokenizer.get_vocab_size() // _ROWS) * _ROWS
        network.resize_token_embeddings(rows, mean_resizing=False)
    network.save_pretrained(target)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=BRIEF_CHAT.answer_suffix,
        additional_special_tokens=list(SPECIAL_TOKENS),
    ).save_pretrained(target)
    shutil.copy(base / "preprocessor_config.json", target)
    for path in target.iterdir():
        path.chmod(0o644)
    seal(target, load_manifest(base))


def _with_words(path: Path, texts: Iterable[str]) -> Tokenizer:
    cut = Tokenizer.from_file(str(path)).pre_tokenizer
    words = sorted({word for text in texts for word, _ in cut.pre_tokenize_str(text)})
    document = json.loads(path.read_text(encoding="utf-8"))
    known = document["model"]["vocab"]
    for word in words:
        known.setdefault(word, len(known))
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.add_tokens(
        [AddedToken(tag, lstrip=True, rstrip=True, normalized=False) for tag in TAGS]
    )
    return tokenizer


class ChainSamples:
    """Questions as samples of supervised fine-tuning; only the chain and its answer count."""

    def __init__(self, asked: Sequence[Asked], tokenizer: Tokenizer, count: int) -> None:
        self._asked, self._tokenizer, self._count = asked, tokenizer, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Sample:
        one = self._asked[number % len(self._asked)]
        ids = prompt_ids(self._tokenizer, one.question.prompt)
        said = _encoded(self._tokenizer, BRIEF_CHAT.answer(one.target))
        weights = [0.0] * len(ids) + [1.0] * len(said)
        return Sample([*ids, *said], weights, patches(one.picture[None]), grids(1))


def prompt_ids(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """The tokens of one picture and a first question."""
    text = BRIEF_CHAT.head((CELLS * CELLS,)) + BRIEF_CHAT.question(prompt, first=True)
    return _encoded(tokenizer, text)


def _encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


@torch.inference_mode()
def written(model: TransformersModel, asked: Sequence[Asked], longest: int) -> list[str]:
    """What the model writes to every question, the likeliest token each time."""
    network, tokenizer = model.engine.network, model.engine.tokenizer
    pad, end = tokenizer.token_to_id(PAD), tokenizer.token_to_id(BRIEF_CHAT.answer_suffix)
    network.eval()
    said = []
    for start in range(0, len(asked), _WRITTEN):
        some = asked[start : start + _WRITTEN]
        rows = [prompt_ids(tokenizer, one.question.prompt) for one in some]
        width = max(map(len, rows))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        made = network.generate(
            input_ids=ids,
            attention_mask=mask,
            mm_token_type_ids=(ids == model.engine.picture_id).int(),
            pixel_values=torch.cat([patches(one.picture[None]) for one in some]),
            image_grid_thw=grids(len(some)),
            max_new_tokens=longest,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=pad,
        )
        said += [str(tokenizer.decode(row[width:].tolist())).strip() for row in made]
    return said
