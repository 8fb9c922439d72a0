"""Secrets come from files or from the configuration, never from both, and are never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_node.config import Configuration, parse
from cxr_node.domain.errors import ConfigurationError
from cxr_node.secret_files import readable_by_others, secret


def test_a_secret_is_the_value_or_the_line_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    assert secret("", "", "web.token") == ""
    assert secret("plain", "", "web.token") == "plain"
    assert secret("", str(file), "web.token") == "s3cret"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"one\ntwo\n", b"\xff\xfe", b"x" * 70_000])
def test_an_unusable_file_is_named_without_what_it_holds(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"web\.token_file") as refused:
        secret("", str(file), "web.token")
    assert "two" not in str(refused.value)


def test_both_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not both") as refused:
        secret("hidden", str(tmp_path / "x"), "node.uid_key")
    assert "hidden" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        secret("", str(tmp_path / "x"), "node.uid_key")


def test_passwords_are_put_into_the_urls(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss/word\n")
    config = parse(
        f"""
        [database]
        url = "postgresql+psycopg://cxr@db/cxr"
        password_file = "{file}"
        [doorbell]
        kind = "celery"
        broker_url = "amqps://cxr@broker//"
        broker_password_file = "{file}"
        [node]
        uid_key_file = "{file}"
        """
    )
    assert config.database_url == "postgresql+psycopg://cxr:p%40ss%2Fword@db/cxr"
    assert config.broker_url == "amqps://cxr:p%40ss%2Fword@broker//"
    assert config.site_key == "p@ss/word"
    assert "p@ss" not in config.model_dump_json()


def test_without_files_everything_is_as_written() -> None:
    config = Configuration()
    assert config.database_url.startswith("sqlite:///")
    assert config.broker_url == ""
    assert config.site_key == ""


@pytest.mark.parametrize(("mode", "open_to_all"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_file_that_everybody_may_read_is_noticed(
    tmp_path: Path, mode: int, open_to_all: bool
) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(mode)
    assert readable_by_others(str(file)) is open_to_all
    assert not readable_by_others(str(tmp_path / "none"))
