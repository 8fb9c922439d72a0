"""The networks that this node can run, and what differs between them.

All are Qwen vision-language models of transformers: three-axis rotary positions, one visual
token for each cell of merged patches. The shapes are read from ``config.json`` and the cell
from the picture settings; here stands what neither says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.ports import SizePolicy
from cxr_node.reasoning.profiles import Architecture, Manifest


@dataclass(frozen=True, slots=True)
class Kind:
    """One architecture: its class in transformers, and the side of a visual token in pixels."""

    network: str
    cell: int


KINDS: dict[Architecture, Kind] = {
    Architecture.QWEN2_VL: Kind("Qwen2VLForConditionalGeneration", 28),
    Architecture.QWEN2_5_VL: Kind("Qwen2_5_VLForConditionalGeneration", 28),
    Architecture.QWEN3_VL: Kind("Qwen3VLForConditionalGeneration", 32),
}


def network_class(architecture: Architecture) -> Any:
    """The class that the weights are loaded into; imports transformers."""
    import transformers

    return getattr(transformers, KINDS[architecture].network)


def check_config(folder: Path, manifest: Manifest) -> None:
    """Compare ``config.json`` with the manifest, before any weight is read.

    Raises :class:`ModelRefused` when it describes another architecture than the manifest
    names, a layer that sees only a window of the text (scores and carried caches would
    silently differ), or a visual token of another size than its pictures have.
    """
    found = _settings(folder / "config.json")
    named = found.get("model_type")
    if named != manifest.architecture:
        raise ModelRefused(
            f"{folder}: config.json describes {named}, the manifest says {manifest.architecture}"
        )
    text = found.get("text_config", found)
    if text.get("use_sliding_window") or "sliding_attention" in (text.get("layer_types") or ()):
        raise ModelRefused(f"{folder}: sliding windows over the text are not supported")
    cell = KINDS[manifest.architecture].cell
    picture = manifest.picture
    sides = picture.multiple if picture.size is SizePolicy.FIT else picture.side
    if sides % cell:
        raise ModelRefused(f"{folder}: picture sides must be multiples of {cell}")


def check_pictures(folder: Path, manifest: Manifest, processor: Any) -> None:
    """Compare the picture settings with the network's. Raises :class:`ModelRefused`."""
    cell = KINDS[manifest.architecture].cell
    if processor.patch_size * processor.merge_size != cell:
        raise ModelRefused(f"{folder}: picture settings do not make visual tokens of {cell} pixels")


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelRefused(f"{path}: cannot be read: {type(error).__name__}") from error
    if not isinstance(found, dict):
        raise ModelRefused(f"{path}: is not an object")
    return found
