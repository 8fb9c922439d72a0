"""Models are added whole or not at all, under safe names, by a person."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cxr_node.config import parse
from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.ports import FakeClock
from cxr_node.entry.check import explain
from cxr_node.entry.cli import app
from cxr_node.reasoning import registry
from cxr_node.reasoning.acknowledgement import acknowledgement
from cxr_node.reasoning.model_source import inspect
from cxr_node.reasoning.open_model import locate, open_model, read_identity
from cxr_node.reasoning.profiles import (
    Architecture,
    EngineModel,
    Family,
    Manifest,
    identity,
    load_manifest,
    verify,
)
from cxr_node.reasoning.registry import Wish, add, is_name, known_models
from tests.families import BuildFamily

FAMILY = Family.NV_REASON_CXR


@pytest.fixture
def source(published: BuildFamily) -> Path:
    return published(Architecture.QWEN2_5_VL)


@pytest.fixture
def wish(source: Path) -> Wish:
    return Wish(name="nv", family=FAMILY, source=inspect(source))


def added(base: Path, wish: Wish, person: str = "Dr Person", reserve: int = 0) -> Manifest:
    return add(
        base, wish, person=person, clock=FakeClock(), reserve_bytes=reserve, copied=lambda _: None
    )


def test_a_model_is_kept_whole(tmp_path: Path, wish: Wish) -> None:
    seen: list[int] = []
    who = {"person": " Dr Person ", "clock": FakeClock()}
    sealed = add(tmp_path, wish, reserve_bytes=0, copied=seen.append, **who)  # type: ignore[arg-type]
    folder = tmp_path / "nv"
    verify(folder, load_manifest(folder))
    assert load_manifest(folder) == sealed
    assert wish.source is not None
    assert sum(seen) == wish.source.size
    note = acknowledgement(folder, sealed)
    assert note is not None
    assert (note.person, note.at) == ("Dr Person", FakeClock().now())
    assert "NVIDIA" in note.terms
    assert [path.name for path in tmp_path.iterdir()] == ["nv"]


def test_who_acknowledged_does_not_change_the_model(tmp_path: Path, wish: Wish) -> None:
    first = added(tmp_path / "a", wish, "One")
    second = added(tmp_path / "b", wish, "Another")
    assert identity(first) == identity(second)


def test_the_licence_text_of_the_weights_is_shown_and_kept(tmp_path: Path, source: Path) -> None:
    folder = Path(shutil.copytree(source, tmp_path / "download"))
    (folder / "LICENSE").write_text("You may look at it.")
    (folder / "assets").mkdir()
    (folder / "assets" / "figure.png").write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").symlink_to("nowhere")
    wish = Wish(name="nv", family=FAMILY, source=inspect(folder))
    assert wish.source is not None
    assert wish.source.left_out == (".git/", ".gitattributes", "assets/figure.png")
    assert "LICENSE:\nYou may look at it." in registry.terms_of(wish)
    sealed = added(tmp_path / "models", wish)
    assert (tmp_path / "models" / "nv" / "LICENSE.txt").read_text() == "You may look at it."
    assert "LICENSE.txt" in sealed.files


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "A", "-a", "a-", ".hidden", "a b", "a\n", "x" * 65, "ä"]
)
def test_unsafe_names_are_refused(name: str, tmp_path: Path, wish: Wish) -> None:
    assert not is_name(name)
    with pytest.raises(ModelRefused, match="cannot be the name of a model"):
        added(tmp_path, replace(wish, name=name))


@pytest.mark.parametrize("name", ["embedded", "embedded-0.2"])
def test_the_name_of_the_embedded_model_is_not_given_away(
    name: str, tmp_path: Path, wish: Wish
) -> None:
    with pytest.raises(ModelRefused, match="not 'embedded'"):
        added(tmp_path, replace(wish, name=name))


def test_a_taken_name_is_refused_and_the_model_stays(tmp_path: Path, wish: Wish) -> None:
    first = added(tmp_path, wish)
    with pytest.raises(ModelRefused, match="is there already"):
        added(tmp_path, replace(wish, version="2"))
    assert load_manifest(tmp_path / "nv") == first


@pytest.mark.parametrize("person", ["", "  "])
def test_nobody_cannot_acknowledge(person: str, tmp_path: Path, wish: Wish) -> None:
    with pytest.raises(ModelRefused, match="give a name"):
        added(tmp_path / "models", wish, person)
    assert not (tmp_path / "models").exists()


def test_the_reserve_of_the_disk_is_kept(tmp_path: Path, wish: Wish) -> None:
    with pytest.raises(ModelRefused, match="must stay free"):
        added(tmp_path, wish, reserve=1 << 60)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_add_leaves_nothing(tmp_path: Path, wish: Wish) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(tmp_path, wish, person="x", clock=FakeClock(), reserve_bytes=0, copied=stop)
    assert list(tmp_path.iterdir()) == []


_KILLED = """
import os, signal, sys
from pathlib import Path
from cxr_node.domain.ports import FakeClock
from cxr_node.reasoning.model_source import inspect
from cxr_node.reasoning.profiles import Family
from cxr_node.reasoning.registry import Wish, add
wish = Wish(name="nv", family=Family.NV_REASON_CXR, source=inspect(Path(sys.argv[1])))
kill = lambda _: os.kill(os.getpid(), signal.SIGKILL)
add(Path(sys.argv[2]), wish, person="x", clock=FakeClock(), reserve_bytes=0, copied=kill)
"""


def test_a_killed_add_has_no_name_and_the_next_one_succeeds(
    tmp_path: Path, wish: Wish, source: Path
) -> None:
    ran = subprocess.run([sys.executable, "-c", _KILLED, str(source), str(tmp_path)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [".adding-nv"]
    assert known_models(tmp_path) == ()
    with pytest.raises(ModelRefused, match="neither a folder"):
        locate("nv", tmp_path)
    added(tmp_path, wish)
    assert [model.name for model in known_models(tmp_path)] == ["nv"]
    assert [path.name for path in tmp_path.iterdir()] == ["nv"]


def test_two_adds_of_one_name_do_not_mix(tmp_path: Path, wish: Wish) -> None:
    aside = tmp_path / ".adding-nv"
    aside.mkdir()
    (aside / "model.safetensors").write_text("of the other process")
    other = os.open(aside, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ModelRefused, match="being added by another process"):
            added(tmp_path, wish)
    finally:
        os.close(other)
    assert (aside / "model.safetensors").exists()


def test_what_changes_after_the_check_is_found_on_the_copy(tmp_path: Path, source: Path) -> None:
    folder = Path(shutil.copytree(source, tmp_path / "download"))
    wish = Wish(name="nv", family=FAMILY, source=inspect(folder))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"A": "x.Y"}}))
    with pytest.raises(ModelRefused, match="auto_map"):
        added(tmp_path / "models", wish)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelRefused, match=r"tokenizer\.json"):
        added(tmp_path / "models", wish)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_model_on_a_server_has_no_weights_here(tmp_path: Path) -> None:
    served = EngineModel(served_name="org/model")
    wish = Wish(name="far", family=FAMILY, served=served)
    sealed = added(tmp_path, wish)
    assert (sealed.engine, sealed.files, sealed.version) == (served, {}, "as served")
    assert sealed.architecture is Architecture.QWEN2_5_VL
    assert read_identity("far", cache=tmp_path) == identity(sealed)
    with pytest.raises(ModelRefused, match=r"engine\.url"):
        open_model("far", cache=tmp_path)
    several = replace(wish, name="other", family=Family.INSTRUCT)
    with pytest.raises(ModelRefused, match="say which architecture"):
        added(tmp_path, several)
    sealed = added(tmp_path, replace(several, architecture=Architecture.QWEN3_VL))
    assert sealed.architecture is Architecture.QWEN3_VL


def test_a_name_comes_before_a_folder_and_a_path_is_a_path(
    tmp_path: Path, wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(tmp_path / "models", wish)
    (tmp_path / "nv").mkdir()
    monkeypatch.chdir(tmp_path)
    assert locate("nv", tmp_path / "models") == tmp_path / "models" / "nv"
    assert locate("./nv", tmp_path / "models") == Path("nv")
    assert locate("nv", None) == Path("nv")


def _site(tmp_path: Path, path: str = "") -> Path:
    config = tmp_path / "site.toml"
    model = f'[model]\npath = "{path}"\n'
    config.write_text(f'[node]\ndata_dir = "data"\n[spool]\nreserve_bytes = 0\n{model}')
    return config


def _model(*arguments: str, config: Path, answers: str = "") -> tuple[int, str]:
    command = ["model", *arguments, "--config", str(config)]
    ran = CliRunner(env={"COLUMNS": "300"}).invoke(app, command, input=answers)
    return ran.exit_code, ran.output + str(ran.exception or "")


def test_the_licence_is_asked_for(tmp_path: Path, source: Path) -> None:
    config = _site(tmp_path)
    command = ("add", str(source), "--family", FAMILY, "--name", "nv")
    code, said = _model(*command, config=config, answers="n\n")
    assert code
    assert "NVIDIA OneWay Noncommercial" in said
    assert "the licence was not acknowledged; nothing was added" in said
    assert not (tmp_path / "data").exists()
    code, said = _model(*command, config=config, answers="y\nDr Person\n")
    assert not code, said
    note = acknowledgement(tmp_path / "data/models/nv", load_manifest(tmp_path / "data/models/nv"))
    assert note is not None
    assert note.person == "Dr Person"


@pytest.mark.parametrize("arguments", [(), ("SOURCE", "--engine", "x")])
def test_weights_are_here_or_on_a_server(
    arguments: tuple[str, ...], tmp_path: Path, source: Path
) -> None:
    given = [str(source) if word == "SOURCE" else word for word in arguments]
    code, said = _model("add", "--family", FAMILY, *given, config=_site(tmp_path))
    assert code
    assert "name either a folder with weights, or --engine" in said


def test_verify_names_the_first_fault(tmp_path: Path, wish: Wish) -> None:
    config = _site(tmp_path, "nv")
    folder = tmp_path / "data" / "models" / "nv"
    added(folder.parent, wish)
    assert _model("verify", config=config)[0] == 0
    (folder / "vocab.json").write_text("{}")
    code, said = _model("verify", "nv", config=config)
    assert code == 1
    assert "vocab.json: SHA-256 is" in said


def test_a_broken_model_is_listed_with_its_problem(tmp_path: Path, wish: Wish) -> None:
    config = _site(tmp_path, "nv")
    folder = tmp_path / "data" / "models" / "nv"
    added(folder.parent, wish)
    (folder / "acknowledgement.json").unlink()
    (folder.parent / "half").mkdir()
    code, said = _model("list", config=config)
    assert code == 0
    assert "nobody of this site has acknowledged" in said
    assert "half" in said
    assert "cannot be read" in said


def test_check_shows_who_acknowledged_the_model_that_reads(tmp_path: Path, wish: Wish) -> None:
    added(tmp_path / "models", wish)
    console = Console(record=True, width=200)
    text = f"node.data_dir = '{tmp_path}'\nmodel.path = 'nv'\nspool.reserve_bytes = 0"
    problems = explain(parse(text), None, console)
    shown = console.export_text()
    for words in ("nv-reason-cxr, qwen2_5_vl", "Dr Person", "NVIDIA OneWay Noncommercial"):
        assert words in shown
    assert not any(problem.startswith("model") for problem in problems)
    (tmp_path / "models" / "nv" / "acknowledgement.json").unlink()
    problems = explain(parse(text), None, Console(record=True))
    assert any("nobody of this site has acknowledged" in problem for problem in problems)


def test_nothing_of_this_needs_torch() -> None:
    program = "import sys, cxr_node.entry.cli, cxr_node.reasoning.registry\n"
    program += "print('torch' in sys.modules or 'transformers' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout.strip() == "False", ran.stderr
