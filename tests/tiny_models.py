"""The smallest models that can be trained in a test: the embedded one's form, random weights.

Own folder, own manifest, the embedded model's words and chat; pictures of 56 x 56 pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.profiles import Limits, Manifest, PictureSize

SIDE = 56
FIRST_STAGES = (StageKey.QUALITY_VIEW, StageKey.FINDINGS)


def tiny_manifest(*, stages: tuple[StageKey, ...] = FIRST_STAGES, **profile: Any) -> Manifest:
    """A manifest for :func:`build_tiny`; it walks no other than ``stages``."""
    from cxr_node.reasoning.embedded import embedded_manifest

    untaught = tuple(stage for stage in StageKey if stage not in stages)
    limits = Limits(default_new_tokens=3, new_tokens={"limits": 3, "other": 3})
    made = embedded_manifest(trained=True, untaught=untaught, limits=limits, **profile)
    size = PictureSize(size=made.picture.size, side=SIDE, multiple=made.picture.multiple)
    return made.model_copy(update={"picture": size, "name": "tiny"})


def build_tiny(folder: Path, *, seed: int = 0, manifest: Manifest | None = None) -> Path:
    """Write a random tiny model into ``folder`` with its manifest."""
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration

    from cxr_node.reasoning.embedded import embedded_config, save_embedded

    config = embedded_config()
    text, vision = config.text_config, config.vision_config
    text.hidden_size, text.intermediate_size, text.num_hidden_layers = 32, 64, 1
    text.num_attention_heads, text.num_key_value_heads = 2, 1
    text.layer_types = ["full_attention"]
    text.rope_parameters = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    vision.depth, vision.hidden_size, vision.intermediate_size, vision.num_heads = 1, 32, 48, 2
    vision.out_hidden_size, vision.fullatt_block_indexes = 32, [0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Qwen2_5_VLForConditionalGeneration(config)
    save_embedded(folder, network, manifest or tiny_manifest())
    return folder
