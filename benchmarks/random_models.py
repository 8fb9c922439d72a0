"""Random models of a chosen size for measurements, and what their arithmetic costs at least.

Only the size of these models is real. Their words are those of the embedded tokenizer, so
that an answer can be read back; every other row of the vocabulary is zero and never written.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
)

from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import PreparedImage, SizePolicy
from cxr_node.reasoning.chat import BRIEF_CHAT, Chat
from cxr_node.reasoning.embedded import embedded_manifest
from cxr_node.reasoning.families import manifest_for
from cxr_node.reasoning.profiles import Architecture, Family, Limits, PictureSize
from cxr_node.reasoning.transformers_model import TransformersModel, assembled
from cxr_node.reasoning.words import REPORT_WORDS, build_tokenizer, vocabulary
from tests import families

Numbering = Callable[[str], int]
"""The number of a token in the vocabulary."""

CELL = 28
"""Pixels of the side of one visual token."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a Qwen2.5-VL."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    words: int
    vision_layers: int
    vision_width: int
    vision_feed_forward: int
    vision_heads: int
    full_attention: tuple[int, ...]

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def body(self) -> int:
        """Parameters of the language model without its vocabulary."""
        attention = 2 * self.width * (self.heads + self.kv_heads) * self.head_width
        return self.layers * (attention + 3 * self.width * self.feed_forward)

    @property
    def vocabulary(self) -> int:
        return self.words * self.width

    @property
    def cache_bytes_a_token(self) -> int:
        """At two bytes a number."""
        return 2 * self.layers * self.kv_heads * self.head_width * 2


SHAPES = {
    "48M": Shape(6, 512, 2752, 8, 2, 8192, 6, 320, 852, 8, (2, 5)),
    "3B": Shape(36, 2048, 11008, 16, 2, 151_936, 32, 1280, 3420, 16, (7, 15, 23, 31)),
}
"""``3B`` has the published sizes of Qwen2.5-VL-3B."""


def random_model(shape: Shape, *, device: str, new_tokens: int, side: int) -> TransformersModel:
    """A model of random weights in the precision of the device, from a fixed seed."""
    limits = Limits(default_new_tokens=new_tokens, text_characters=10_000)
    manifest = embedded_manifest(limits=limits).model_copy(
        update={
            "picture": PictureSize(size=SizePolicy.STRETCH, side=side),
            "accelerator_dtype": "bfloat16",
        }
    )
    ids = vocabulary()
    config = _config(shape, shape.words, ids.__getitem__, BRIEF_CHAT)
    network = _network(Qwen2_5_VLForConditionalGeneration, config, device)
    _silence(network, [i for token, i in ids.items() if re.fullmatch("Ġ[A-Za-z]+", token)])
    network.generation_config.eos_token_id = ids[BRIEF_CHAT.answer_suffix]
    network.generation_config.pad_token_id = 0
    return assembled(network, build_tokenizer(), _processor(side), manifest)


def family_model(
    family: Family, architecture: Architecture, *, side: int, new_tokens: int
) -> TransformersModel:
    """A random 48M model that is asked as ``family`` is, on a processor, from a fixed seed.

    Open answers take ``new_tokens`` each, boxes at most 12; so do thoughts and an opening trace.
    No finding is held present, whatever its weights say: the shortest of full readings.
    """
    tokenizer = families.build_tokenizer(architecture)
    manifest = manifest_for(family, architecture, name="random", version="1")
    limits = manifest.profile.limits.model_copy(
        update={
            "default_new_tokens": new_tokens,
            "thought_tokens": new_tokens,
            "new_tokens": {box: min(new_tokens, 12) for box in ("box", "anatomy_box")},
            "text_characters": 10_000,
        }
    )
    opening = manifest.profile.opening
    if opening is not None:
        opening = opening.model_copy(update={"new_tokens": new_tokens})
    profile = manifest.profile.model_copy(
        update={"limits": limits, "opening": opening, "default_threshold": 1.0}
    )
    manifest = manifest.model_copy(
        update={"profile": profile, "picture": PictureSize(size=SizePolicy.STRETCH, side=side)}
    )
    is_older = architecture is Architecture.QWEN2_VL
    words = tokenizer.get_vocab_size()
    make_config = _older_config if is_older else _config
    config = make_config(SHAPES["48M"], words, tokenizer.token_to_id, manifest.scaffolding)
    made_as = Qwen2VLForConditionalGeneration if is_older else Qwen2_5_VLForConditionalGeneration
    network = _network(made_as, config, "cpu")
    written = [i for token, i in tokenizer.get_vocab().items() if re.fullmatch("Ġ[a-z]+", token)]
    _silence(network, written)
    return assembled(network, tokenizer, _processor(side), manifest)


def _network(made_as: Any, config: Any, device: str) -> Any:
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return made_as(config)
    finally:
        torch.set_default_dtype(before)


def _processor(side: int) -> Any:
    size = {"shortest_edge": CELL * CELL, "longest_edge": side * side}
    return Qwen2VLImageProcessorPil(size=size, patch_size=14)


def _older_config(shape: Shape, words: int, number: Numbering, chat: Chat) -> Qwen2VLConfig:
    """The same sizes as a Qwen2-VL: every layer of its tower sees the whole picture."""
    newer = _config(shape, words, number, chat)
    text = newer.text_config.to_dict()
    vision = {
        "depth": shape.vision_layers,
        "embed_dim": shape.vision_width,
        "hidden_size": shape.width,
        "num_heads": shape.vision_heads,
        "mlp_ratio": 4,
        "initializer_range": text["initializer_range"],
    }
    kept = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    del text["model_type"]
    return Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=True,
        **{name: getattr(newer, name) for name in kept},
    )


def _config(shape: Shape, words: int, number: Numbering, chat: Chat) -> Qwen2_5_VLConfig:
    text = {
        "vocab_size": words,
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "initializer_range": 0.06 if shape.width < 1024 else 0.02,
        "max_position_embeddings": 32_768,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": 0,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e6,
            "mrope_section": [shape.head_width // 8, *[shape.head_width * 3 // 16] * 2],
        },
    }
    vision = {
        "depth": shape.vision_layers,
        "hidden_size": shape.vision_width,
        "intermediate_size": shape.vision_feed_forward,
        "num_heads": shape.vision_heads,
        "out_hidden_size": shape.width,
        "initializer_range": text["initializer_range"],
        "fullatt_block_indexes": list(shape.full_attention),
    }
    return Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=number(chat.picture_token),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number(chat.picture_prefix),
        vision_end_token_id=number(chat.picture_suffix),
        tie_word_embeddings=True,
    )


def _silence(network: Any, written: Sequence[int]) -> None:
    """Zero all rows of the vocabulary but some, so that only these are ever written."""
    rows = network.get_input_embeddings().weight
    keep = torch.zeros(rows.shape[0], 1, dtype=rows.dtype, device=rows.device)
    keep[written] = 1
    with torch.inference_mode():
        rows.mul_(keep)


def words(count: int, seed: int) -> str:
    """So many words, each one token."""
    known = sorted({word for word in REPORT_WORDS if word.isalpha() and word.islower()})
    return " ".join(random.Random(seed).choices(known, k=count))


def noise(side: int, seed: int) -> PreparedImage:
    """A square picture of noise."""
    return PreparedImage(
        sop_instance_uid=Uid(f"1.2.3.{seed + 1}"),
        width=side,
        height=side,
        gray=random.Random(seed).randbytes(side * side),
        left=0,
        top=0,
        content_width=side,
        content_height=side,
        original_columns=2000,
        original_rows=2000,
    )


@dataclass(frozen=True, slots=True)
class Card:
    """What an accelerator can do at best, for two-byte numbers."""

    bytes_a_second: float
    operations_a_second: float


def vision_operations(shape: Shape, side: int) -> float:
    """Encoding one square picture; windows of 64 patches in all but the full layers."""
    patches, width = (side // 14) ** 2, shape.vision_width
    a_patch = shape.vision_layers * (4 * width**2 + 3 * width * shape.vision_feed_forward)
    merger = (4 * width) ** 2 + 4 * width * shape.width
    full = len(shape.full_attention)
    seen = full * patches + (shape.vision_layers - full) * min(64, patches)
    return 2.0 * patches * a_patch + 2.0 * patches / 4 * merger + 4.0 * patches * seen * width


def prefill_operations(shape: Shape, new: int, past: int = 0) -> float:
    """Reading ``new`` tokens behind ``past`` ones, with the scores of the last alone."""
    attention = 4 * shape.layers * (new * past + new * new / 2) * shape.heads * shape.head_width
    return 2.0 * shape.body * new + attention + 2.0 * shape.vocabulary


def step_seconds(shape: Shape, card: Card, batch: int, context: float) -> float:
    """One token for each of ``batch`` studies: weights and caches are read once, at best."""
    read = 2 * (shape.body + shape.vocabulary) + batch * context * shape.cache_bytes_a_token
    attention = 4 * shape.layers * context * shape.heads * shape.head_width
    done = batch * (2 * (shape.body + shape.vocabulary) + attention)
    return max(read / card.bytes_a_second, done / card.operations_a_second)
