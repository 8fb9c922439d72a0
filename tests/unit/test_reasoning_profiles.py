"""A model folder is what its manifest says, or it is refused by name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_node.domain.errors import ModelRefused
from cxr_node.reasoning.embedded import (
    build_embedded,
    embedded_folder,
    embedded_manifest,
    new_model,
    save_embedded,
)
from cxr_node.reasoning.open_model import open_model, read_facts, read_identity
from cxr_node.reasoning.profiles import identity, load_manifest, seal, verify
from cxr_node.reasoning.transformers_model import load_model


@pytest.fixture
def folder(untrained_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(untrained_folder, tmp_path / "model"))


def _edit(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_an_untouched_folder_is_accepted(folder: Path) -> None:
    manifest = load_manifest(folder)
    verify(folder, manifest)
    assert not manifest.trained
    assert "noise" in identity(manifest).statement
    assert identity(manifest).intended_use == "phantoms"


def test_one_flipped_bit_of_the_weights_is_found(folder: Path) -> None:
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelRefused, match=r"model\.safetensors: SHA-256"):
        open_model(str(folder))


@pytest.mark.parametrize("name", ["extra.json", "sub/more.txt", "modeling.py"])
def test_an_unlisted_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    with pytest.raises(ModelRefused, match="not listed"):
        verify(folder, load_manifest(folder))


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelRefused, match=r"tokenizer\.json is listed"):
        verify(folder, load_manifest(folder))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "data.pkl", "model.py"])
def test_files_that_can_hold_code_are_refused_even_when_listed(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    manifest = seal(folder, load_manifest(folder))
    with pytest.raises(ModelRefused, match="only safetensors"):
        verify(folder, manifest)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_remote_code_is_refused_even_when_listed(folder: Path, name: str) -> None:
    _edit(folder / name, lambda c: c.update({"nested": [{"auto_map": {"AutoModel": "x.Y"}}]}))
    manifest = seal(folder, load_manifest(folder))
    with pytest.raises(ModelRefused, match="auto_map"):
        verify(folder, manifest)


def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "link.json").symlink_to(folder / "config.json")
    with pytest.raises(ModelRefused, match="links"):
        verify(folder, load_manifest(folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("licence"), "licence"),
        (lambda c: c.update(format_version=2), "format_version"),
        (lambda c: c.update(surprise=1), "surprise"),
        (lambda c: c.update(prompts_version="0"), "made for prompts 0"),
        (lambda c: c["profile"].update(thresholds={"hiccups": 0.5}), "thresholds"),
    ],
)
def test_a_manifest_that_does_not_fit_says_where(
    folder: Path, change: Callable[[dict[str, object]], object], words: str
) -> None:
    _edit(folder / "manifest.json", change)
    with pytest.raises(ModelRefused, match=words):
        load_manifest(folder)


def test_no_manifest_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="cannot be read"):
        open_model(str(tmp_path))


def test_weights_that_do_not_fit_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x00" * 64)
    seal(folder, load_manifest(folder))
    with pytest.raises(ModelRefused, match="cannot be loaded"):
        open_model(str(folder), threads=1, device="cpu")


def test_weights_with_a_gap_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    removed = next(name for name in tensors if name.endswith("q_proj.weight"))
    save_file({n: t for n, t in tensors.items() if n != removed}, path, {"format": "pt"})
    seal(folder, load_manifest(folder))
    with pytest.raises(ModelRefused, match="disagree on"):
        open_model(str(folder), threads=1, device="cpu")


def test_half_precision_weights_are_computed_in_full(tmp_path: Path) -> None:
    """Shipped weights may be stored in 16 bits; a CPU computes them in 32, positions too."""
    network = new_model(seed=3)
    exact = network.model.language_model.rotary_emb.inv_freq.clone()
    network.to(torch.bfloat16)
    save_embedded(tmp_path / "half", network, embedded_manifest())
    loaded = load_model(tmp_path / "half", threads=1, device="cpu").engine.network
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert torch.equal(loaded.model.language_model.rotary_emb.inv_freq, exact)
    assert torch.equal(loaded.lm_head.weight, network.lm_head.weight.to(torch.float32))
    assert (tmp_path / "half" / "model.safetensors").stat().st_size < 10 * 1024 * 1024


def test_identity_follows_profile_and_weights(folder: Path, untrained_folder: Path) -> None:
    manifest = load_manifest(folder)
    lower = manifest.profile.model_copy(update={"default_threshold": 0.4})
    other = identity(manifest.model_copy(update={"profile": lower}))
    assert identity(manifest) == identity(load_manifest(untrained_folder))
    assert other.digest != identity(manifest).digest
    assert other.device_uid != identity(manifest).device_uid


def test_building_twice_gives_the_same_model(untrained_folder: Path, tmp_path: Path) -> None:
    assert identity(build_embedded(tmp_path / "again")) == identity(load_manifest(untrained_folder))
    assert identity(build_embedded(tmp_path / "other", seed=1)) != identity(
        load_manifest(untrained_folder)
    )


def test_the_embedded_model_is_small(untrained_folder: Path) -> None:
    size = sum(path.stat().st_size for path in untrained_folder.iterdir())
    assert size < 20 * 1024 * 1024


def test_the_embedded_folder_is_there_and_stays(tmp_path: Path) -> None:
    first = embedded_folder(tmp_path)
    verify(first, load_manifest(first))
    before = (first / "manifest.json").stat().st_mtime_ns
    assert embedded_folder(tmp_path) == first
    assert (first / "manifest.json").stat().st_mtime_ns == before
    assert read_identity("", cache=tmp_path) == identity(load_manifest(first))


def test_identity_and_policy_need_no_torch(untrained_folder: Path) -> None:
    program = (
        "import sys\n"
        "from cxr_node.reasoning.open_model import read_facts, read_identity\n"
        f"print(read_identity({str(untrained_folder)!r}).digest)\n"
        f"print(read_facts({str(untrained_folder)!r}).image_policy.side)\n"
        "print('torch' in sys.modules or 'transformers' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    expected = [identity(load_manifest(untrained_folder)).digest, "224", "False"]
    assert done.stdout.split() == expected, done.stderr
    assert read_facts(str(untrained_folder)).image_policy.side == 224


def test_profile_fields_can_be_given_by_a_trained_model() -> None:
    manifest = embedded_manifest(trained=True, statement="x", thresholds={"port": 0.3})
    assert manifest.profile.thresholds == {"port": 0.3}
