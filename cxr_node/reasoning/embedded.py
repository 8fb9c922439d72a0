"""The embedded model: a Qwen2.5-VL of a few million parameters, built here.

It exists for commissioning, demonstration and tests, so that a fresh installation runs
the real code path without a download. Architecture and sizes: depth-4 vision tower and a
three-layer language model, loaded exactly as the 3B model would be.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_node.domain.ports import SizePolicy
from cxr_node.reasoning.chat import BRIEF_CHAT, ChatName
from cxr_node.reasoning.profiles import (
    MANIFEST,
    PHANTOMS,
    Limits,
    Manifest,
    PictureSize,
    Profile,
    seal,
)
from cxr_node.reasoning.prompts import Wording
from cxr_node.reasoning.words import PAD, SPECIAL_TOKENS, build_tokenizer, vocabulary

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

SIDE = 224
"""Pixels of the square picture the embedded model looks at."""

UNTRAINED = "untrained demonstration model: its answers are noise and mean nothing"

_PATCH, _MERGE, _TEMPORAL = 14, 2, 2
_LIMITS = Limits(
    new_tokens={
        "box": 12,
        "anatomy_box": 12,
        "limits": 16,
        "other": 16,
        "description": 16,
        "summary": 16,
        "findings": 64,
        "impression": 32,
    },
    default_new_tokens=16,
    text_characters=400,
)


def embedded_manifest(
    *, version: str = "0.1", trained: bool = False, statement: str = UNTRAINED, **profile: object
) -> Manifest:
    """The embedded model's manifest, without file digests.

    ``profile`` overrides fields of :class:`Profile`, such as thresholds and calibration.
    """
    fields: dict[str, object] = {"wording": Wording.BRIEF, "limits": _LIMITS} | profile
    return Manifest(
        name="cxr-node embedded",
        version=version,
        manufacturer="cxr-node project",
        licence="Apache-2.0",
        intended_use=PHANTOMS,
        statement=statement,
        trained=trained,
        chat=ChatName.BRIEF,
        picture=PictureSize(size=SizePolicy.LETTERBOX, side=SIDE, multiple=_PATCH * _MERGE),
        profile=Profile.model_validate(fields),
        stop_tokens=(BRIEF_CHAT.answer_suffix,),
        accelerator_dtype="float32",
        files={},
    )


def embedded_config() -> Qwen2_5_VLConfig:
    """Architecture of the embedded model."""
    from transformers import Qwen2_5_VLConfig

    ids = vocabulary()
    ends = {"bos_token_id": None, "eos_token_id": ids[BRIEF_CHAT.answer_suffix]}
    text = {
        "vocab_size": -(-len(ids) // 64) * 64,
        "hidden_size": 256,
        "intermediate_size": 640,
        "num_hidden_layers": 3,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "initializer_range": 0.06,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "pad_token_id": ids[PAD],
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e4,
            "mrope_section": [4, 6, 6],  # adds up to half a head
        },
        **ends,
    }
    vision = {
        "depth": 4,
        "hidden_size": 160,
        "intermediate_size": 448,
        "num_heads": 5,
        "patch_size": _PATCH,
        "spatial_merge_size": _MERGE,
        "temporal_patch_size": _TEMPORAL,
        "out_hidden_size": 256,
        "fullatt_block_indexes": [0, 1, 2, 3],
        "initializer_range": 0.06,
    }
    return Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids[BRIEF_CHAT.picture_token],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids[BRIEF_CHAT.picture_prefix],
        vision_end_token_id=ids[BRIEF_CHAT.picture_suffix],
        tie_word_embeddings=True,
    )


def new_model(seed: int = 0) -> Qwen2_5_VLForConditionalGeneration:
    """Fresh weights, the same for the same ``seed``; torch's own random state is kept."""
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(embedded_config())
    model.train(False)
    return model


def save_embedded(
    target: Path, model: Qwen2_5_VLForConditionalGeneration, manifest: Manifest
) -> Manifest:
    """Write weights (in the model's own precision), tokenizer, picture settings and manifest.

    ``target`` is made, or emptied, first.
    """
    from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil

    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    model.save_pretrained(target)
    for path in target.glob("*.safetensors"):
        path.chmod(0o644)
    PreTrainedTokenizerFast(
        tokenizer_object=build_tokenizer(),
        pad_token=PAD,
        eos_token=BRIEF_CHAT.answer_suffix,
        additional_special_tokens=list(SPECIAL_TOKENS),
    ).save_pretrained(target)
    Qwen2VLImageProcessorPil(
        size={"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE},
        patch_size=_PATCH,
        merge_size=_MERGE,
        temporal_patch_size=_TEMPORAL,
    ).save_pretrained(target)
    return seal(target, manifest)


def build_embedded(target: Path, *, seed: int = 0) -> Manifest:
    """Write an untrained embedded model into ``target``."""
    return save_embedded(target, new_model(seed), embedded_manifest())


def embedded_folder(cache: Path | None = None) -> Path:
    """Folder of the embedded model: the one shipped in the package, else one built once.

    ``cache`` is where it is built; by default the user's own data folder. Two processes
    may build at once: each works aside and the first to finish is kept.
    """
    shipped = Path(__file__).with_name("embedded_model")
    if (shipped / MANIFEST).is_file():
        return shipped
    place = (cache or _user_data()) / f"embedded-{embedded_manifest().version}"
    if (place / MANIFEST).is_file():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as aside:
        made = Path(aside) / "model"
        build_embedded(made)
        try:
            made.rename(place)
        except OSError:
            if not (place / MANIFEST).is_file():
                raise
    return place


def _user_data() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "cxr-node"
