"""The command line: every verb explains itself, and errors are one clear line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.main import get_command

from cxr_node.config import parse
from cxr_node.entry.check import explain, find_problems
from cxr_node.entry.cli import app


def _verbs(group: Any, before: str = "") -> dict[str, Any]:
    """Every verb by all its words, groups and their verbs included."""
    found = {}
    for name, command in group.commands.items():
        found[f"{before}{name}"] = command
        if hasattr(command, "commands"):
            found |= _verbs(command, f"{before}{name} ")
    return found


VERBS = _verbs(get_command(app))
PEERS = """
[[peer]]
name = "modality"
ae_title = "MODALITY"
[[peer]]
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
port = 104
receives_results = true
"""


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    command = VERBS[verb]
    assert command.help
    assert f"cxr-node {verb}" in command.epilog
    assert all(p.help for p in command.params if p.param_type_name == "option")


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cxr_node.entry.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )


def test_a_wrong_file_is_one_line_and_exit_two(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[node]\nae_titel = 'X'\n")
    ran = run("check", "--config", "bad.toml", folder=tmp_path)
    assert ran.returncode == 2
    assert "node.ae_titel: unknown key" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_check_finds_no_fault_with_a_sound_configuration(tmp_path: Path, model: str) -> None:
    config = parse(
        f"[node]\ndata_dir = '{tmp_path}'\n[listener]\nport=0\n[web]\nport=0\n{model}{PEERS}"
    )
    assert list(find_problems(config)) == []


@pytest.fixture
def model(tmp_path: Path) -> str:
    script = tmp_path / "m.script.json"
    script.write_text("{}")
    return f"[model]\npath = '{script}'\n[spool]\nreserve_bytes = 0\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no peer may send"),
        ("", "no peer receives results"),
        ("[web]\nhost = '0.0.0.0'", "other machines are refused"),
        ("[listener]\nhost = '0.0.0.0'" + PEERS, "any address may use its AE title"),
        ("[model]\npath = '/nowhere'" + PEERS, "model.path"),
        ("[templates]\npath = '/nowhere'" + PEERS, "templates.path"),
        ("[spool]\nreserve_bytes = 9000000000000000000" + PEERS, "spool"),
        ("[database]\nurl = 'postgresql+psycopg://x@127.0.0.1:1/x'" + PEERS, "database.url"),
    ],
)
def test_check_names_each_problem(text: str, words: str, tmp_path: Path) -> None:
    base = f"node.data_dir = '{tmp_path}'\n"
    problems = list(find_problems(parse(base + text)))
    assert any(words in problem for problem in problems), problems


def test_check_prints_values_their_source_and_no_password(tmp_path: Path) -> None:
    config = parse(
        f"node.data_dir = '{tmp_path}'\nnode.uid_key = 'geheim'\n"
        "[database]\nurl = 'postgresql+psycopg://cxr:geheim@127.0.0.1:1/x'"
    )
    console = Console(record=True, width=200)
    explain(config, None, console)
    printed = console.export_text()
    assert "listener.port" in printed
    assert "default" in printed and "file" in printed
    assert "geheim" not in printed
