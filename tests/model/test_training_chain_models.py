"""Chains written by a language model on a server: the same chains when it writes the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cxr_node.config import EngineSection
from cxr_node.domain.errors import ConfigurationError, EngineUnavailable, ModelRefused
from cxr_node.entry.cli import app
from cxr_node.reasoning.engine_client import EngineClient
from cxr_node.training.chain_models import EngineText
from cxr_node.training.chain_rules import RuleModel
from cxr_node.training.record_files import read_records, write_records
from tests.phantom_reports import phantom_dialogue

SERVED = "writer"


class Server(ThreadingHTTPServer):
    """Serves the rules under a name, as an OpenAI-style server would; may refuse or babble."""

    status = 200
    content: str | None = None
    seen: list[dict[str, Any]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(body)
        text = self.server.content
        if text is None:
            text = RuleModel().complete(body["messages"][0]["content"])
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        content = json.dumps({"model": SERVED, "choices": [choice]}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), _Handler)
    made.seen = []
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    write_records(path, map(phantom_dialogue, range(6)))
    return path


def chains(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["dialogues", "chains", *map(str, arguments)])


def test_a_served_model_writes_what_the_rules_would(
    server: Server, source: Path, tmp_path: Path
) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f"[engine]\nurl = '{server.url}'\n")
    few = ("--each", "1", "--single", "1", "--others", "2", "--seed", "5")
    ruled, served = tmp_path / "ruled.jsonl", tmp_path / "served.jsonl"
    assert chains(source, ruled, *few).exit_code == 0
    result = chains(source, served, *few, "--engine", SERVED, "--config", config)
    assert result.exit_code == 0, result.output
    assert served.read_bytes() == ruled.read_bytes()
    assert 3 * sum(1 for _ in read_records(ruled)) == len(server.seen)
    assert {(body["model"], body["temperature"]) for body in server.seen} == {(SERVED, 0.0)}


def test_a_model_that_babbles_gives_no_chain_and_the_reason(
    server: Server, source: Path, tmp_path: Path
) -> None:
    config, out = tmp_path / "node.toml", tmp_path / "out.jsonl"
    config.write_text(f"[engine]\nurl = '{server.url}'\n")
    server.content = "Certainly! Here is my plan."
    result = chains(source, out, "--engine", SERVED, "--config", config, "--others", "2")
    assert result.exit_code == 0
    assert "the reply holds no plan" in result.output
    assert "0 chains" in result.output
    assert out.read_bytes() == b""


def test_a_server_without_the_model_ends_the_run(server: Server) -> None:
    client = EngineClient(EngineSection(url=server.url, retries=0))
    model = EngineText(client, SERVED)
    server.content, server.status = "", 400
    assert model.complete("too long") == ""
    server.status = 404
    with pytest.raises(ModelRefused, match="serves no writer"):
        model.complete("hello")
    server.status = 500
    with pytest.raises(EngineUnavailable):
        model.complete("hello")
    client.close()


def test_one_writer_at_a_time(source: Path, tmp_path: Path) -> None:
    both = chains(source, tmp_path / "x", "--engine", "a", "--model", tmp_path)
    assert isinstance(both.exception, ConfigurationError)
    config = tmp_path / "empty.toml"
    config.write_text("")
    none = chains(source, tmp_path / "x", "--engine", "a", "--config", config)
    assert "engine.url" in str(none.exception)
    assert not (tmp_path / "x").exists()
