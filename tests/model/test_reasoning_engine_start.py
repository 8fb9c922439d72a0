"""A server that cannot be relied on refuses the start, and so does an unsafe configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_node.config import parse
from cxr_node.domain.errors import (
    ConfigurationError,
    CxrNodeError,
    EngineUnavailable,
    ModelRefused,
)
from cxr_node.reasoning.engine_start import look_at_engine, open_engine
from cxr_node.reasoning.profiles import load_manifest
from tests.engine_server import EngineServer, Trouble
from tests.engines import SERVED, Open, ask, free_port, section, served_folder


def lie(**changes: object) -> Callable[[EngineServer], None]:
    def apply(server: EngineServer) -> None:
        for name, value in changes.items():
            setattr(server, name, value)

    return apply


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lie(version="0.10.2"), r"is version 0\.10\.2, tried were >=0\.11,<0\.12"),
        (lie(version="0.12.0"), "tried were"),
        (lie(version="newest"), "tried were"),
        (lie(version=None), "does not say its version"),
        (lie(served="other"), "does not serve tiny: start it with --served-model-name tiny"),
        (lie(honours_choices=False), "structured_outputs"),
        (lie(resizes_to=112), r"makes 16 tokens there instead of 64: it must not be resized"),
        (lie(max_logprobs=5), "400.*--max-logprobs 20"),
        (lie(always=Trouble.NO_LOGPROBS), "log-probabilities"),
        (lie(always=Trouble.OFF_LIST), "none of the options"),
        (lie(always=Trouble.REASONING), "reasoning"),
        (lie(always=Trouble.OTHER_MODEL), "another model"),
        (lie(always=Trouble.INTERNAL), "answers 500: read its log"),
        (lie(token="secret"), "refuses the token"),
    ],
)
def test_a_server_that_cannot_be_relied_on_refuses_the_start(
    spoil: Callable[[EngineServer], None],
    words: str,
    open_served: Open,
    engine_server: EngineServer,
) -> None:
    spoil(engine_server)
    with pytest.raises(CxrNodeError, match=words) as refused:
        open_served(retries=0)
    assert isinstance(refused.value, ModelRefused | EngineUnavailable)


def test_an_engine_that_hangs_refuses_the_start(
    open_served: Open, engine_server: EngineServer
) -> None:
    engine_server.always = Trouble.HANG
    with pytest.raises(EngineUnavailable, match="within 1 seconds"):
        open_served(answer_seconds=1.0)


def test_a_candidate_of_a_tried_version_is_of_it(
    open_served: Open, engine_server: EngineServer
) -> None:
    engine_server.version = "0.11.1rc2.dev7+g1234abc"
    assert open_served().identity.name == "cxr-node embedded"


def test_without_tried_versions_any_will_do_with_a_warning(
    untrained_folder: Path,
    engine_server: EngineServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = served_folder(untrained_folder, tmp_path / "any", versions="")
    engine_server.version = "99"
    open_engine(folder, section(engine_server.url)).close()
    (event,) = [r for r in caplog.records if r.getMessage() == "engine-ready"]
    assert event.levelname == "WARNING"


def test_nobody_listens(engine_folder: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(EngineUnavailable, match="cannot be reached"):
        open_engine(engine_folder, section(url, retries=0))


def test_a_look_asks_no_question(engine_folder: Path, engine_server: EngineServer) -> None:
    said = look_at_engine(load_manifest(engine_folder), section(engine_server.url))
    assert said == f"the inference server at {engine_server.url} (version 0.11.2) serves {SERVED}"
    assert engine_server.requests == []


def test_manifest_and_configuration_must_agree(
    engine_folder: Path, untrained_folder: Path, engine_server: EngineServer
) -> None:
    with pytest.raises(ModelRefused, match=r"set engine\.url"):
        open_engine(engine_folder, section(""))
    with pytest.raises(ModelRefused, match=r"leave engine\.url empty"):
        open_engine(untrained_folder, section(engine_server.url))


@pytest.mark.parametrize("content", [None, b"", b"two words", b"two\nlines", b"\xff\xfe"])
def test_an_unusable_token_file_is_named(
    content: bytes | None, engine_folder: Path, engine_server: EngineServer, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"engine\.token_file") as refused:
        open_engine(engine_folder, section(engine_server.url, token_file=str(path)))
    assert "two" not in str(refused.value)


def test_an_unusable_certificate_file_is_named(engine_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "authority.pem"
    path.write_text("nothing")
    with pytest.raises(ConfigurationError, match=r"engine\.ca_file"):
        open_engine(engine_folder, section("https://127.0.0.1:1/v1", ca_file=str(path)))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://engine.example.org:8000/v1", "put TLS before the server"),
        ("http://192.0.2.7/v1", "put TLS before the server"),
        ("http://localhost.example.org/v1", "put TLS before the server"),
        ("https://user:hunter2@127.0.0.1/v1", "secret belongs into"),
        ("https://127.0.0.1/v1?token=hunter2", "secret belongs into"),
        ("127.0.0.1:8000/v1", "must look like"),
        ("file:///etc/passwd", "must look like"),
    ],
)
def test_an_address_that_would_show_pictures_to_others_is_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        parse(f'[engine]\nurl = "{url}"')
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1", "http://[::1]:8000/v1", "https://engine.example.org/v1"]
)
def test_this_machine_and_tls_are_allowed(url: str) -> None:
    assert parse(f'[engine]\nurl = "{url}"').engine.url == url


def test_an_answer_may_not_outlast_a_lease() -> None:
    with pytest.raises(ConfigurationError, match=r"less than jobs\.stall_seconds"):
        parse('[engine]\nurl = "http://localhost/v1"\nanswer_seconds = 200')


def test_no_proxy_of_the_environment_sees_a_picture(
    open_served: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert isinstance(ask(open_served()), tuple)
