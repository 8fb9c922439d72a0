"""Two parts of the vision towers computed with fewer or larger calls, to the same result.

Patches: the library convolves each patch with a kernel of its own size, which is one product of
matrices, and several times slower. Windows of Qwen2.5-VL: the library walks through them one by
one, some eighty calls a layer for a radiograph of 1008 pixels; on a card the calls, not the
arithmetic, are then what takes the time.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn.functional import linear, scaled_dot_product_attention


def multiply_patches(network: Any) -> None:
    """Let the tower of ``network`` embed all patches of a picture in one product."""
    embedding = network.model.visual.patch_embed
    embedding.forward = partial(_embed, embedding.proj)


def _embed(kernel: Any, patches: torch.Tensor) -> torch.Tensor:
    """Stands in for the embedding's ``forward``: (patches, pixels of one) to (patches, hidden)."""
    weight = kernel.weight.flatten(1)
    return linear(patches.to(weight.dtype), weight, kernel.bias)


def batch_windows(network: Any) -> None:
    """Let the windowed layers of ``network`` attend in one call each; same result."""
    tower = network.model.visual
    whole = getattr(tower, "fullatt_block_indexes", None)
    if whole is None:  # every layer sees the whole picture: Qwen2-VL, Qwen3-VL
        return
    for index, block in enumerate(tower.blocks):
        if index not in whole:
            block.attn.forward = partial(_attend, block.attn)


def _attend(
    layer: Any,
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    **_: Any,
) -> torch.Tensor:
    """Stands in for the layer's ``forward``: patches (patches, hidden) ordered by window.

    ``cu_seqlens`` holds where windows begin and, last, the number of patches.
    """
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb_vision

    patches = hidden_states.shape[0]
    mixed = layer.qkv(hidden_states).reshape(patches, 3, layer.num_heads, -1)
    query, key, value = mixed.unbind(1)
    query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
    lengths = cu_seqlens.diff()
    longest = int(lengths.max())
    steps = torch.arange(longest, device=lengths.device)
    valid = steps < lengths.unsqueeze(1)
    # Short windows, at the edges, are filled up with a patch that nothing looks at.
    places = torch.where(valid, cu_seqlens[:-1].unsqueeze(1) + steps, 0)
    query, key, value = (part[places].transpose(1, 2) for part in (query, key, value))
    seen = scaled_dot_product_attention(
        query, key, value, attn_mask=valid[:, None, None], scale=layer.scaling
    )
    joined = seen.transpose(1, 2)[valid].reshape(patches, -1)
    projected: torch.Tensor = layer.proj(joined)
    return projected
