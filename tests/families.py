"""Tiny random models in the published folder layout of each family, built on the spot.

What a site has after its own download, with a few dozen hidden dimensions and no meaning:
sharded safetensors under the published key names, configuration, tokenizer with the family's
special tokens, picture settings and chat template.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cxr_node.domain.ports import SizePolicy
from cxr_node.reasoning.profiles import (
    Architecture,
    Family,
    Limits,
    Manifest,
    PictureSize,
    Profile,
    seal,
)
from cxr_node.reasoning.prompts import LETTERS, Wording, every_option, every_prompt
from cxr_node.reasoning.words import REPORT_WORDS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BuildFamily = Callable[[Architecture], Path]

# In the published order; their ids follow the vocabulary.
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# Known to the tokenizer, but ordinary text for decoding.
PLAIN_TOKENS = ("<tool_call>", "</tool_call>")
THINK_TOKENS = ("<think>", "</think>")

SYSTEM_LINE = "You are a helpful assistant."
_SYSTEM = (
    "{% if loop.first and message.role != 'system' %}"
    "{{ '<|im_start|>system\\n" + SYSTEM_LINE + "<|im_end|>\\n' }}{% endif %}"
)
_TEMPLATE = (
    "{% for message in messages %}@SYSTEM@"
    "{{ '<|im_start|>' + message.role + '\\n' }}"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}"
    "{% if part.type == 'image' or 'image' in part %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{% elif part.type == 'video' or 'video' in part %}"
    "{{ '<|vision_start|><|video_pad|><|vision_end|>' }}"
    "{% elif 'text' in part %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_HIDDEN = 64
_SHARD = "200KB"


def chat_template(architecture: Architecture) -> str:
    """ChatML; Qwen2-VL and Qwen2.5-VL put in a system line where the dialogue has none."""
    system = "" if architecture is Architecture.QWEN3_VL else _SYSTEM
    return _TEMPLATE.replace("@SYSTEM@", system)


def build_family(
    folder: Path, architecture: Architecture, *, seed: int = 0, published: bool = True
) -> Path:
    """Write a random model of ``architecture`` into ``folder`` (made first); no manifest.

    ``published`` writes ``config.json`` in the older form that the published folders have.
    """
    folder.mkdir(parents=True)
    tokenizer = build_tokenizer(architecture)
    network = new_network(architecture, tokenizer, seed)
    network.save_pretrained(folder, max_shard_size=_SHARD)
    if published:
        publish_config(folder / "config.json", architecture)
    write_tokenizer(folder, tokenizer, architecture)
    _write(folder / "preprocessor_config.json", picture_settings(architecture))
    ends = [tokenizer.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>")]
    generation = {"do_sample": True, "eos_token_id": ends, "pad_token_id": ends[1]}
    _write(folder / "generation_config.json", generation | {"temperature": 0.7, "top_p": 0.8})
    (folder / "README.md").write_text("# Random weights for tests\n\nThey know nothing.\n")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    return folder


def publish_config(path: Path, architecture: Architecture) -> None:
    """Rewrite a configuration of transformers 5 as those of 4 were, with which all were published.

    Qwen2-VL and Qwen2.5-VL then had the settings of the text at the top.
    """
    config = json.loads(path.read_text())
    text, vision = config.pop("text_config"), config["vision_config"]
    rope = text.pop("rope_parameters")
    text.pop("layer_types", None)
    text["rope_theta"] = rope.pop("rope_theta")
    vision.pop("rope_parameters")
    kind = config.pop("dtype")
    config["transformers_version"] = "4.41.2"
    if architecture is Architecture.QWEN3_VL:
        config["text_config"] = text | {"rope_scaling": rope, "dtype": kind}
    else:
        rope["type"] = "mrope"
        del rope["rope_type"], text["model_type"]
        vision["in_chans"] = vision.pop("in_channels")
        vision["spatial_patch_size"] = vision["patch_size"]
        config = text | config | {"rope_scaling": rope, "torch_dtype": kind}
    _write(path, config)


def build_tokenizer(architecture: Architecture) -> Tokenizer:
    """Byte-level BPE over our own words, with the family's special tokens after it."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, trainers
    from tokenizers import pre_tokenizers as pre

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre.Split(Regex(_SPLIT), behavior="isolated")
    tokenizer.pre_tokenizer = pre.Sequence([split, pre.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    said = [*every_prompt(Wording.PLAIN), *every_option(Wording.PLAIN), " ".join(REPORT_WORDS)]
    trainer = trainers.BpeTrainer(
        vocab_size=900, initial_alphabet=pre.ByteLevel.alphabet(), show_progress=False
    )
    letters = " ".join(f" {letter}" for letter in LETTERS * 50)  # one token each, as published
    tokenizer.train_from_iterator([*said, letters], trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    thinks = THINK_TOKENS if architecture is Architecture.QWEN3_VL else ()
    plain = [*PLAIN_TOKENS, *thinks]
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in plain])
    return tokenizer


def write_tokenizer(folder: Path, tokenizer: Tokenizer, architecture: Architecture) -> None:
    """Every file that a published folder describes its tokenizer in."""
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.model.save(str(folder))  # vocab.json and merges.txt
    added = {
        str(number): {
            "content": token.content,
            "lstrip": token.lstrip,
            "normalized": token.normalized,
            "rstrip": token.rstrip,
            "single_word": token.single_word,
            "special": token.special,
        }
        for number, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    template = chat_template(architecture)
    settings = {
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "bos_token": None,
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    _write(folder / "tokenizer_config.json", settings)
    _write(folder / "chat_template.json", {"chat_template": template})
    special = {
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
    }
    _write(folder / "special_tokens_map.json", special)


def picture_settings(architecture: Architecture) -> dict[str, Any]:
    """``preprocessor_config.json`` as published."""
    if architecture is Architecture.QWEN3_VL:
        return {
            "size": {"longest_edge": 16777216, "shortest_edge": 65536},
            "patch_size": 16,
            "temporal_patch_size": 2,
            "merge_size": 2,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "processor_class": "Qwen3VLProcessor",
            "image_processor_type": "Qwen2VLImageProcessorFast",
        }
    is_older = architecture is Architecture.QWEN2_VL
    return {
        "min_pixels": 3136,
        "max_pixels": 12845056,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor" if is_older else "Qwen2_5_VLProcessor",
    }


def new_network(architecture: Architecture, tokenizer: Tokenizer, seed: int) -> Any:
    """The network with random weights, large enough that answers vary."""
    import torch
    import transformers

    classes = {
        Architecture.QWEN2_VL: ("Qwen2VLConfig", "Qwen2VLForConditionalGeneration"),
        Architecture.QWEN2_5_VL: ("Qwen2_5_VLConfig", "Qwen2_5_VLForConditionalGeneration"),
        Architecture.QWEN3_VL: ("Qwen3VLConfig", "Qwen3VLForConditionalGeneration"),
    }
    config, network = (getattr(transformers, name) for name in classes[architecture])
    tied = architecture is not Architecture.QWEN2_VL  # the 7B is not, the small ones are
    settings = config(
        text_config=_text(architecture, tokenizer) | {"tie_word_embeddings": tied},
        vision_config=_vision(architecture),
        image_token_id=tokenizer.token_to_id("<|image_pad|>"),
        video_token_id=tokenizer.token_to_id("<|video_pad|>"),
        vision_start_token_id=tokenizer.token_to_id("<|vision_start|>"),
        vision_end_token_id=tokenizer.token_to_id("<|vision_end|>"),
        tie_word_embeddings=tied,
    )
    transformers.utils.logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = network(settings)
        for table in (made.get_input_embeddings(), made.get_output_embeddings()):
            # No trained model writes a picture's place; a row of nothing is never the likeliest.
            table.weight.data[[settings.image_token_id, settings.video_token_id]] = 0
        made.to(torch.bfloat16)
    made.train(False)
    return made


def _text(architecture: Architecture, tokenizer: Tokenizer) -> dict[str, Any]:
    is_third = architecture is Architecture.QWEN3_VL
    rope = {"rope_type": "default", "rope_theta": 5e6 if is_third else 1e6}
    sections = {"mrope_section": [4, 2, 2] if is_third else [2, 3, 3]}  # adds up to half a head
    return {
        "vocab_size": -(-tokenizer.get_vocab_size() // 64) * 64,
        "hidden_size": _HIDDEN,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.12,
        "max_position_embeddings": 32768,
        "bos_token_id": tokenizer.token_to_id("<|endoftext|>"),
        "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
        "rope_parameters": rope | sections | ({"mrope_interleaved": True} if is_third else {}),
        **({"head_dim": 16} if is_third else {}),
    }


def _vision(architecture: Architecture) -> dict[str, Any]:
    common = {"depth": 2, "num_heads": 2, "spatial_merge_size": 2, "temporal_patch_size": 2}
    common |= {"initializer_range": 0.12}
    if architecture is Architecture.QWEN2_VL:
        return common | {"embed_dim": 32, "hidden_size": _HIDDEN, "patch_size": 14}
    own = {"hidden_size": 32, "intermediate_size": 80, "out_hidden_size": _HIDDEN}
    if architecture is Architecture.QWEN2_5_VL:
        return common | own | {"patch_size": 14, "window_size": 112, "fullatt_block_indexes": [1]}
    places = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
    return common | own | {"patch_size": 16} | places


def seal_plainly(folder: Path, architecture: Architecture, **profile: object) -> Manifest:
    """A manifest for a built folder with bare scored options, for tests of the network alone."""
    cell = 32 if architecture is Architecture.QWEN3_VL else 28
    limits = Limits(default_new_tokens=12, new_tokens={"findings": 24, "impression": 16})
    manifest = Manifest(
        name=f"random {architecture}",
        version="1",
        family=Family.INSTRUCT,
        architecture=architecture,
        manufacturer="tests",
        licence="none",
        intended_use="tests",
        statement="random weights",
        trained=False,
        picture=PictureSize(size=SizePolicy.LETTERBOX, side=8 * cell, multiple=cell),
        profile=Profile.model_validate({"limits": limits} | profile),
        stop_tokens=("<|im_end|>", "<|endoftext|>"),
        files={},
    )
    (folder / ".gitattributes").unlink(missing_ok=True)
    return seal(folder, manifest)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> BuildFamily:
    """The folder of an architecture as downloaded, built once; copy it before changing it."""
    base = tmp_path_factory.mktemp("published")

    def folder(architecture: Architecture) -> Path:
        place = base / architecture
        return place if place.is_dir() else build_family(place, architecture)

    return folder


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> BuildFamily:
    """Such a folder with a plain manifest, as ``load_model`` takes it; built once."""
    base = tmp_path_factory.mktemp("sealed")

    def folder(architecture: Architecture) -> Path:
        place = base / architecture
        if not place.is_dir():
            seal_plainly(build_family(place, architecture), architecture)
        return place

    return folder
