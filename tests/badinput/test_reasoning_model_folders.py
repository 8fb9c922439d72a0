"""Malformed model folders: refused when added or at the start, naming the file and the cure."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.ports import FakeClock
from cxr_node.reasoning.model_source import inspect
from cxr_node.reasoning.open_model import open_model, read_identity
from cxr_node.reasoning.profiles import (
    ACKNOWLEDGEMENT,
    Architecture,
    Family,
    load_manifest,
    seal,
)
from cxr_node.reasoning.registry import Wish, add
from tests.families import BuildFamily, chat_template

SHARD = "model-00002-of-00003.safetensors"
A = Architecture


@dataclass(frozen=True)
class Site:
    """A downloaded folder and the place for the node's models."""

    source: Path
    models: Path

    def add(self, family: Family = Family.NV_REASON_CXR) -> Path:
        wish = Wish(name="bad", family=family, source=inspect(self.source))
        add(
            self.models,
            wish,
            person="Dr Person",
            clock=FakeClock(),
            reserve_bytes=0,
            copied=lambda _: None,
        )
        return self.models / "bad"

    def refused(self, family: Family = Family.NV_REASON_CXR) -> str:
        """The words with which adding is refused; nothing may be left behind."""
        with pytest.raises(ModelRefused) as refusal:
            self.add(family)
        assert not self.models.exists() or list(self.models.iterdir()) == []
        return str(refusal.value)

    def edit(self, name: str, change: Callable[[Any], object]) -> None:
        path = self.source / name
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))


@pytest.fixture
def site(published: BuildFamily, tmp_path: Path) -> Site:
    source = shutil.copytree(published(A.QWEN2_5_VL), tmp_path / "download")
    return Site(Path(source), tmp_path / "models")


def test_the_folder_is_sound_before_it_is_spoilt(site: Site) -> None:
    site.add()
    assert open_model("bad", threads=1, device="cpu", cache=site.models).identity.name == "bad"


@pytest.mark.parametrize("kind", ["bin", "pt", "pth", "pkl", "pickle", "ckpt", "BIN"])
@pytest.mark.parametrize("folder", ["", "original/"])
def test_pickles_are_refused_beside_safetensors_too(site: Site, kind: str, folder: str) -> None:
    name = f"{folder}pytorch_model.{kind}"
    (site.source / name).parent.mkdir(exist_ok=True)
    (site.source / name).write_bytes(b"\x80\x04.")
    words = site.refused()
    assert f"remove {name}" in words
    assert "can run programs" in words


@pytest.mark.parametrize("name", ["modeling_qwen.py", "custom_generate/generate.py", "lib.so"])
def test_programs_are_refused(site: Site, name: str) -> None:
    (site.source / name).parent.mkdir(exist_ok=True)
    (site.source / name).write_text("raise SystemExit")
    assert f"remove {name}" in site.refused()


@pytest.mark.parametrize(
    "remote",
    [
        {"auto_map": {"AutoModel": "modeling.Model"}},
        {"nested": [{"auto_map": {}}]},
        {"attn_implementation": "someone/kernel"},
        {"text_config": {"_attn_implementation": "someone/kernel@main:run"}},
    ],
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "unknown.json"])
def test_code_from_elsewhere_is_refused(site: Site, name: str, remote: dict[str, object]) -> None:
    if not (site.source / name).exists():
        (site.source / name).write_text("{}")
    site.edit(name, lambda content: content.update(remote))
    assert f"{name}: names code outside the node" in site.refused()


@pytest.mark.parametrize("target", ["file", "folder", "nowhere", "shard"])
def test_links_are_refused(site: Site, target: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    link = site.source / "extra.json"
    if target == "file":
        outside.write_text("{}")
    elif target == "folder":
        outside.mkdir()
    elif target == "shard":
        link = site.source / SHARD
        link.rename(outside)
    link.symlink_to(outside)
    assert "is a link; copy the folder" in site.refused()


def _truncate(path: Path, size: int) -> None:
    os.truncate(path, size)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.unlink(), "but missing"),
        (lambda p: _truncate(p, p.stat().st_size - 1), "its header says"),
        (lambda p: _truncate(p, 5000), "its header says"),
        (lambda p: _truncate(p, 100), "ends within its header"),
        (lambda p: _truncate(p, 0), "not a safetensors file"),
        (lambda p: p.write_bytes(b"\xff" * 64), "not a safetensors file"),
        (lambda p: p.write_bytes(b"\x08" + b"\0" * 7 + b"not json"), "does not hold JSON"),
        (lambda p: p.write_bytes(b"\x02" + b"\0" * 7 + b"[]"), "JSON object"),
        (lambda p: p.write_bytes(p.read_bytes() + b"\0"), "its header says"),
        (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
        (lambda p: save_file({"x": torch.zeros(2)}, p), "should be in it by"),
        (lambda p: save_file(_as_int8(p), p), "quantised weights are not loaded"),
    ],
)
def test_broken_weights_are_refused(
    site: Site, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(site.source / SHARD)
    said = site.refused()
    assert words in said
    assert SHARD in said


def _as_int8(path: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.to(torch.int8) for name, tensor in load_file(path).items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("weight_map"), "no weight_map"),
        (lambda c: c.update(weight_map={"x": "../../etc/passwd"}), "is not the name of a shard"),
        (lambda c: c.update(weight_map={"x": 3}), "is not the name of a shard"),
        (lambda c: c.update(weight_map={"x": "model.bin"}), "is not the name of a shard"),
    ],
)
def test_a_broken_index_is_refused(site: Site, change: Callable[[Any], object], words: str) -> None:
    site.edit("model.safetensors.index.json", change)
    said = site.refused()
    assert words in said
    assert "model.safetensors.index.json" in said


def test_two_sets_of_weights_are_refused(site: Site) -> None:
    save_file({"x": torch.zeros(2)}, site.source / "model.safetensors")
    assert "remove the one that is not meant" in site.refused()


def test_no_weights_are_refused(site: Site) -> None:
    for path in site.source.glob("model*"):
        path.unlink()
    assert "only safetensors weights are loaded" in site.refused()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\xfe{}"])
def test_settings_that_are_missing_or_no_json_are_refused(
    site: Site, name: str, content: bytes | None
) -> None:
    path = site.source / name
    path.unlink() if content is None else path.write_bytes(content)
    said = site.refused()
    assert name in said
    assert "download" in said


def test_quantised_weights_are_refused(site: Site) -> None:
    site.edit("config.json", lambda c: c.update(quantization_config={"bits": 4}))
    assert "use the unquantised ones" in site.refused()


@pytest.mark.parametrize("kind", ["llava", "", None, 7])
def test_an_unknown_network_is_refused(site: Site, kind: object) -> None:
    site.edit("config.json", lambda c: c.update(model_type=kind))
    said = site.refused()
    assert "config.json: model_type is" in said
    assert "this node loads qwen2_vl, qwen2_5_vl, qwen3_vl" in said


@pytest.mark.parametrize(
    ("family", "architecture"),
    [
        (Family.NV_REASON_CXR, A.QWEN2_VL),
        (Family.NV_REASON_CXR, A.QWEN3_VL),
        (Family.CHESTX_REASONER, A.QWEN2_5_VL),
        (Family.EMBEDDED, A.QWEN2_5_VL),
    ],
)
def test_a_network_of_another_family_is_refused(
    family: Family, architecture: Architecture, published: BuildFamily, tmp_path: Path
) -> None:
    said = Site(published(architecture), tmp_path / "models").refused(family)
    assert "these weights are" in said or "is not added" in said


@pytest.mark.parametrize(
    "token", ["<|image_pad|>", "<|vision_start|>", "<|im_end|>", "<|endoftext|>"]
)
def test_a_tokenizer_without_a_needed_token_is_refused(site: Site, token: str) -> None:
    def drop(content: Any) -> None:
        content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] != token]

    site.edit("tokenizer.json", drop)
    assert f"tokenizer.json: does not know the token {token}" in site.refused()


def test_a_tokenizer_of_another_model_is_refused(site: Site) -> None:
    site.edit("config.json", lambda c: c.update(image_token_id=7))
    assert "config.json says 7" in site.refused()


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (chat_template(A.QWEN3_VL), "in another form"),
        ("{{ messages[0].role }}", "in another form"),
        ("{% for", "the chat template fails"),
        ("{{ messages.nothing.at.all }}", "the chat template fails"),
        ("{{ raise_exception('no') }}", "the chat template fails"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "the chat template fails"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "the chat template fails"),
        ("{{ range(999999999) | list }}", "the chat template fails"),
        ("", "no chat template"),
    ],
)
def test_a_dialogue_of_another_form_is_refused(site: Site, template: str, words: str) -> None:
    for name in ("chat_template.json", "tokenizer_config.json"):
        site.edit(name, lambda content: content.update(chat_template=template))
    assert words in site.refused()


def test_the_template_that_the_library_would_use_decides(site: Site) -> None:
    (site.source / "chat_template.jinja").write_text(chat_template(A.QWEN3_VL))
    assert "chat_template.jinja: writes a dialogue in another form" in site.refused()


def test_a_folder_that_is_a_model_already_is_not_added_again(site: Site) -> None:
    added = site.add()
    again = Site(added, site.models / "elsewhere")
    assert "name it in model.path" in again.refused()


def test_a_changed_byte_is_found_at_the_start(site: Site) -> None:
    path = site.add() / SHARD
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelRefused, match=rf"{SHARD}: SHA-256 is .* the manifest says"):
        open_model("bad", threads=1, device="cpu", cache=site.models)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.unlink(), "nobody of this site has acknowledged"),
        (lambda p: p.write_text("{}"), "is not an acknowledgement"),
        (lambda p: _alter(p, "person", ""), "is not an acknowledgement"),
        (lambda p: _alter(p, "terms", "do as you like"), "another licence text"),
        (lambda p: _alter(p, "model_digest", "0" * 64), "another model"),
    ],
)
def test_a_model_without_its_acknowledgement_is_refused_at_the_start(
    site: Site, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(site.add() / ACKNOWLEDGEMENT)
    for opened in (open_model, read_identity):
        with pytest.raises(ModelRefused, match=words) as refusal:
            opened("bad", cache=site.models)
        assert "model add" in str(refusal.value)


def _alter(path: Path, key: str, value: str) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {key: value}))


def test_another_licence_needs_another_acknowledgement(site: Site) -> None:
    folder = site.add()
    seal(folder, load_manifest(folder).model_copy(update={"licence": "anything goes"}))
    with pytest.raises(ModelRefused, match="another licence text"):
        read_identity("bad", cache=site.models)


def test_weights_of_another_shape_are_refused_at_the_start(site: Site) -> None:
    path = site.source / SHARD
    tensors = load_file(path)
    name = next(n for n in tensors if n.endswith("q_proj.weight"))
    tensors[name] = tensors[name][:, :-8].contiguous()
    save_file(tensors, path, {"format": "pt"})
    site.add()
    with pytest.raises(
        ModelRefused, match=r"models/bad: config.json and the safetensors disagree on .*q_proj"
    ):
        open_model("bad", threads=1, device="cpu", cache=site.models)


def test_a_name_that_means_nothing_says_what_is_known(site: Site) -> None:
    site.add()
    with pytest.raises(ModelRefused, match=r"nothing: neither a folder .* known are: bad"):
        read_identity("nothing", cache=site.models)
