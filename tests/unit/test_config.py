"""One TOML file, checked whole; problems are named by key."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from cxr_node.config import Configuration, load, parse
from cxr_node.domain.errors import ConfigurationError


def test_nothing_configured_is_a_working_embedded_node() -> None:
    found = parse("")
    assert found.doorbell.kind == "local"
    assert found.database_url.startswith("sqlite:///")
    assert found.listener.host == found.web.host == "127.0.0.1"
    assert not found.destinations


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[node]\nae_titel = 'X'", "node.ae_titel: unknown key"),
        ("[nodes]", "nodes: unknown key"),
        ("[node]\nae_title = 'far too long a title'", "node.ae_title"),
        ("[listener]\nport = 70000", "listener.port"),
        ("[listener]\nmax_pdu_bytes = 0", "listener.max_pdu_bytes"),
        ("[doorbell]\nkind = 'celery'", "broker_url"),
        ("[doorbell]\nkind = 'post'", "doorbell.kind"),
        ("[jobs]\nbeat_seconds = 9", "beat_seconds"),
        ("[[peer]]\nname = 'p'\nae_title = 'P'\nreceives_results = true", "host and port"),
        ("[[peer]]\nname = 'p'", "peer.0.ae_title"),
        ("[[peer]]\nname='p'\nae_title='A'\n[[peer]]\nname='p'\nae_title='B'", "share one name"),
        ("[node", "not valid TOML"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=r"site\.toml") as refused:
        parse(text, "site.toml")
    assert named in str(refused.value)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse("[web]\nport = -1\nprot = 1")
    assert len(str(refused.value).splitlines()) == 2


def test_the_data_folder_lies_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text("[node]\ndata_dir = 'data'\n")
    assert load(path).spool_dir == tmp_path / "data" / "spool"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_every_value_says_what_it_does() -> None:
    for section in Configuration.model_fields.values():
        kind = section.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            assert all(field.description for field in kind.model_fields.values())
