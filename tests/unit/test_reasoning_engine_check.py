"""The check names what is wrong with an inference server's settings and starts nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from cxr_node.config import Configuration, parse
from cxr_node.entry.check import explain, find_problems
from cxr_node.reasoning.embedded import embedded_manifest
from cxr_node.reasoning.engine_model import pixel_bounds
from cxr_node.reasoning.families import family_of, manifest_for
from cxr_node.reasoning.profiles import EngineModel, Family, seal

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose weights a server holds."""
    made = tmp_path / "served"
    made.mkdir()
    served = EngineModel(served_name="tiny", versions=">=0.11,<0.12")
    seal(made, embedded_manifest().model_copy(update={"engine": served}))
    return made


@contextmanager
def announcing(**documents: object) -> Iterator[str]:
    """A server that only says who it is; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(documents[self.path.rsplit("/", 1)[-1]]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join(5)


def config(tmp_path: Path, model: Path | str, engine: str) -> Configuration:
    return parse(
        f"node.data_dir = '{tmp_path / 'data'}'\nmodel.path = '{model}'\n[engine]\n{engine}"
    )


def problems(found: Configuration) -> list[str]:
    return [problem for problem in find_problems(found) if problem.startswith("engine")]


def test_a_server_that_is_what_it_should_be_is_no_problem(tmp_path: Path, folder: Path) -> None:
    models = {"data": [{"id": "tiny"}]}
    with announcing(version={"version": "0.11.0"}, models=models) as url:
        assert problems(config(tmp_path, folder, f"url = '{url}'")) == []


def test_another_version_or_name_is_a_problem(tmp_path: Path, folder: Path) -> None:
    for version, name, words in (
        ("0.13.0", "tiny", "is version 0.13.0, tried were"),
        ("0.11.0", "other", "does not serve tiny"),
    ):
        models = {"data": [{"id": name}]}
        with announcing(version={"version": version}, models=models) as url:
            (problem,) = problems(config(tmp_path, folder, f"url = '{url}'"))
        assert words in problem


def test_a_model_without_weights_needs_an_address(tmp_path: Path, folder: Path) -> None:
    (problem,) = problems(config(tmp_path, folder, ""))
    assert "set engine.url" in problem


def test_an_address_that_nothing_uses_is_a_problem(tmp_path: Path) -> None:
    (problem,) = problems(config(tmp_path, "", "url = 'http://127.0.0.1:1/v1'"))
    assert "leave engine.url empty" in problem


def test_the_salt_is_not_printed(tmp_path: Path, folder: Path) -> None:
    console = Console(record=True, width=200)
    models = {"data": [{"id": "tiny"}]}
    with announcing(version={"version": "0.11.0"}, models=models) as url:
        explain(config(tmp_path, folder, f"url = '{url}'\ncache_salt = 'geheim'"), None, console)
    printed = console.export_text()
    assert f"tiny at {url}" in printed
    assert "geheim" not in printed


@pytest.mark.parametrize("family", [f for f in Family if f is not Family.EMBEDDED])
def test_the_guide_gives_the_bounds_that_are_sent(family: Family) -> None:
    table = OPERATIONS.read_text(encoding="utf-8").split("| `min_pixels` |")[1].split("\n\n")[0]
    rows = [line for line in table.splitlines() if line.startswith(f"| `{family}`")]
    for architecture in family_of(family).architectures:
        bounds = pixel_bounds(manifest_for(family, architecture, name="m", version="1"))
        assert any(row.endswith("| {min_pixels} | {max_pixels} |".format(**bounds)) for row in rows)
