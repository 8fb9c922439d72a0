"""The folder that a training run leaves: a whole model of the node, sealed, with its lineage.

All files are those of the model that was taught, but for the weights. What was fitted to the
old weights, calibration and operating points, is not carried over: it would claim too much.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from cxr_node.domain.errors import ModelRefused, TrainingRefused
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.profiles import (
    ACKNOWLEDGEMENT,
    MANIFEST,
    Lineage,
    Manifest,
    seal,
)

_WEIGHTS = "*.safetensors"
_INDEX = "model.safetensors.index.json"


def check_base(folder: Path, base: Manifest, device: str) -> None:
    """Whether the model in ``folder`` can be taught on ``device``, "cpu" or "cuda".

    Raises :class:`ModelRefused` for one without weights, :class:`TrainingRefused` without a card.
    """
    if base.engine is not None:
        raise ModelRefused(f"{folder}: has no weights; an inference server holds them")
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingRefused("--device is cuda, but no CUDA device is usable")


def write_taught(network: Any, base: Path, target: Path, manifest: Manifest) -> Manifest:
    """Write ``network`` (adapters merged) into ``target``, emptied first, and seal it.

    ``base`` is the folder of the model that was taught, ``manifest`` comes from
    :func:`taught_manifest`. Weights keep the precision they have in ``base``.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as aside:
        made, saved = Path(aside) / "model", Path(aside) / "saved"
        left = shutil.ignore_patterns(_WEIGHTS, _INDEX, MANIFEST, ACKNOWLEDGEMENT)
        shutil.copytree(base, made, ignore=left)
        network.to(_stored_dtype(base)).save_pretrained(saved)
        for path in (*saved.glob(_WEIGHTS), *saved.glob(_INDEX)):
            path.chmod(0o644)
            path.rename(made / path.name)
        sealed = seal(made, manifest)
        made.rename(target)
    return sealed


def taught_manifest(
    base: Manifest, lineage: Lineage, *, name: str = "", stages: Collection[StageKey] = ()
) -> Manifest:
    """The manifest of weights taught from those of ``base``, without digests.

    ``stages`` are those that were taught now.
    """
    profile = base.profile.model_copy(
        update={
            "thresholds": {},
            "calibration": {},
            "untaught": tuple(s for s in base.profile.untaught if s not in stages),
        }
    )
    return base.model_copy(
        update={
            "name": name or base.name,
            "version": f"{base.version}+{lineage.method}",
            "trained": True,
            "statement": (
                f"taught further by {lineage.method} from {lineage.base}; not evaluated since, "
                f"probabilities not calibrated; of the model before: {base.statement}"
            ),
            "profile": profile,
            "files": {},
            "lineage": lineage,
        }
    )


def _stored_dtype(base: Path) -> torch.dtype:
    """The precision of the weights in ``base``, as its configuration says."""
    config = json.loads((base / "config.json").read_bytes())
    named = config.get("dtype") or config.get("torch_dtype") or "float32"
    dtype: torch.dtype = getattr(torch, named)
    return dtype
