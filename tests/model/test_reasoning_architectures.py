"""Folders whose architecture does not fit are refused; windows of a picture in one call."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from cxr_node.domain.errors import ModelRefused
from cxr_node.reasoning import windows
from cxr_node.reasoning.profiles import Architecture, load_manifest, seal
from cxr_node.reasoning.transformers_model import load_model
from cxr_node.reasoning.windows import batch_windows
from tests.families import BuildFamily
from tests.models import picture


@pytest.mark.parametrize(("wide", "high"), [(8, 8), (7, 5), (3, 2)])
def test_windows_of_the_picture_in_one_call(
    sealed: BuildFamily, monkeypatch: pytest.MonkeyPatch, wide: int, high: int
) -> None:
    """As on a card: the same visual tokens, whole windows or cut ones at the edges."""
    model = load_model(sealed(Architecture.QWEN2_5_VL), threads=1, device="cpu")
    network = model.engine.network
    seen = model.look([picture(1, width=28 * wide, height=28 * high), picture(2)])
    with torch.inference_mode():
        expected = network.model.get_image_features(seen.patches, seen.grid).pooler_output
        calls = _count(monkeypatch)
        batch_windows(network)
        found = network.model.get_image_features(seen.patches, seen.grid).pooler_output
    assert calls == [1]
    for mine, other in zip(found, expected, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


def _count(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often the one call for all windows is made."""
    calls: list[int] = []
    whole = windows.scaled_dot_product_attention

    def counted(*parts: torch.Tensor, **more: Any) -> torch.Tensor:
        calls.append(1)
        attended: torch.Tensor = whole(*parts, **more)
        return attended

    monkeypatch.setattr(windows, "scaled_dot_product_attention", counted)
    return calls


def test_layers_without_windows_are_left_alone(sealed: BuildFamily) -> None:
    for architecture in (Architecture.QWEN2_VL, Architecture.QWEN3_VL):
        network = load_model(sealed(architecture), threads=1, device="cpu").engine.network
        batch_windows(network)
        assert all("forward" not in vars(block.attn) for block in network.model.visual.blocks)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model_type": "qwen3_vl"}, "describes qwen3_vl"),
        ({"model_type": None}, "describes None"),
        ({"use_sliding_window": True}, "sliding windows"),
    ],
)
def test_a_configuration_that_does_not_fit_its_manifest_is_refused(
    sealed: BuildFamily, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sealed(Architecture.QWEN2_VL), folder)
    config = json.loads((folder / "config.json").read_text())
    target = config.get("text_config", config) if "use_sliding_window" in settings else config
    target.update(settings)
    (folder / "config.json").write_text(json.dumps(config))
    seal(folder, load_manifest(folder))
    with pytest.raises(ModelRefused, match=words):
        load_model(folder, device="cpu")


@pytest.mark.parametrize("where", ["manifest", "settings"])
def test_pictures_of_another_cell_are_refused(
    sealed: BuildFamily, tmp_path: Path, where: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(sealed(Architecture.QWEN3_VL), folder)
    manifest = load_manifest(folder)
    if where == "manifest":
        cut = manifest.picture.model_copy(update={"side": 28})
        manifest = manifest.model_copy(update={"picture": cut})
    else:
        path = folder / "preprocessor_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"patch_size": 14}))
    seal(folder, manifest)
    with pytest.raises(ModelRefused, match="32"):
        load_model(folder, device="cpu")
