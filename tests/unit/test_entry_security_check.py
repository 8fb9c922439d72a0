"""`check --security` names every open door, and none where all are shut."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxr_node.config import parse
from cxr_node.entry.cli import app
from cxr_node.entry.security_check import open_doors
from tests.certificates import Authority

KEY = "a-site-key-of-32-signs-0123456789"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[listener]\nhost = '0.0.0.0'", "listener.host"),
        (
            "[listener]\nhost = '0.0.0.0'\n[[peer]]\nname = 'p'\nae_title = 'P'",
            "any address may use",
        ),
        (
            "[listener]\nhost = '::'\n[[peer]]\nname='p'\nae_title='P'\nnetworks=['::/0']",
            "every address",
        ),
        (
            "[[peer]]\nname='p'\nae_title='P'\nhost='10.0.0.9'\nport=104\nreceives_results=true",
            "results travel in plain text",
        ),
        ("[web]\nhost = '0.0.0.0'", "web.host"),
        ("[web]\nhost = '10.0.0.1'\ntrusted_proxies = ['0.0.0.0/0']", "web.trusted_proxies"),
        ("[database]\nurl = 'postgresql+psycopg://cxr@db/cxr'", "sslmode"),
        ("[database]\nurl = 'postgresql+psycopg://cxr:cxr@127.0.0.1/cxr'", "tries first"),
        ("[database]\nurl = 'postgresql+psycopg://cxr:x@127.0.0.1/cxr'", "password_file"),
        ("[doorbell]\nkind='celery'\nbroker_url='amqp://guest:guest@mq//'", "amqps"),
        ("[doorbell]\nkind='celery'\nbroker_url='redis://127.0.0.1'", "no password"),
        ("[log]\nlevel = 'debug'", "log.level"),
        ("[model]\npath = 'x.script.json'", "model.path"),
        ("[node]\nuid_key = 'short'", "fewer than 16"),
    ],
)
def test_every_open_door_is_named(text: str, named: str) -> None:
    given = text if "uid_key" in text else f"[node]\nuid_key = '{KEY}'\n{text}"
    doors = list(open_doors(parse(given)))
    assert any(named in door for door in doors), doors


def test_a_site_without_a_key_is_named() -> None:
    assert any("uid_key_file" in door for door in open_doors(parse("")))


def _shut(folder: Path) -> Path:
    """A configuration with everything shut, beyond loopback."""
    authority = Authority(folder)
    own = authority.issue("node", days=90)
    key = folder / "site-key"
    key.write_text(KEY)
    key.chmod(0o600)
    folder.chmod(0o700)
    file = folder / "cxr-node.toml"
    file.write_text(f"""
        [node]
        data_dir = "data"
        uid_key_file = "{key}"
        [listener]
        host = "0.0.0.0"
        tls = true
        [tls]
        certificate_file = "{own.certificate}"
        key_file = "{own.key}"
        ca_file = "{authority.file}"
        [web]
        host = "0.0.0.0"
        certificate_file = "{own.certificate}"
        key_file = "{own.key}"
        [database]
        url = "postgresql+psycopg://cxr@db/cxr?sslmode=verify-full&sslrootcert=ca.pem"
        [doorbell]
        kind = "celery"
        broker_url = "amqps://cxr@mq//"
        broker_password_file = "{key}"
        [[peer]]
        name = "pacs"
        ae_title = "PACS"
        host = "10.0.0.9"
        port = 2762
        receives_results = true
        tls = true
        tls_subject = "pacs.hospital.example"
    """)
    return file


def test_with_everything_shut_nothing_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["check", "--security", "--config", str(_shut(tmp_path))])
    assert (done.exit_code, done.stdout.strip()) == (0, "no open door found")


def test_files_that_everybody_may_read_are_named(tmp_path: Path) -> None:
    file = _shut(tmp_path)
    (tmp_path / "site-key").chmod(0o644)
    (tmp_path / "data").mkdir(mode=0o755)
    done = CliRunner().invoke(app, ["check", "--security", "--config", str(file)])
    assert done.exit_code == 1
    shown = done.stdout.replace("\n", "")
    assert shown.count("site-key") == 2
    assert "node.data_dir" in shown
    assert KEY not in shown


def test_certificates_that_end_are_named(tmp_path: Path) -> None:
    for days, words in ((3, "ends in"), (-1, "expired")):
        own = Authority(tmp_path).issue("node", days=days)
        text = f"""
            [node]
            uid_key = "{KEY}"
            [web]
            certificate_file = "{own.certificate}"
            key_file = "{own.key}"
        """
        assert any(words in door for door in open_doors(parse(text)))
