"""The support bundle holds no patient data, whatever stands in the database and the files."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import Boolean, DateTime, Float, Integer
from typer.testing import CliRunner

from cxr_node.entry.cli import app
from cxr_node.store.database import Database
from cxr_node.store.schema import Base
from cxr_node.store.schema_audit import AuditRow

CANARY = "ZZCANARY^QUENTIN"
SECRET = "a-secret-site-key-0123"


@pytest.fixture
def node_folder(tmp_path: Path) -> Path:
    """A node whose every table and file names the canary."""
    (tmp_path / "cxr-node.toml").write_text(
        f'[node]\ndata_dir = "data"\nuid_key = "{SECRET}"\n'
        "[database]\nurl = ''\n[[peer]]\nname = 'pacs'\nae_title = 'PACS'\n"
    )
    path = tmp_path / "data" / "cxr-node.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.dispose()
    with sqlite3.connect(path) as connection:
        for table in Base.metadata.sorted_tables:
            values = [_value(column.type) for column in table.columns]
            marks = ", ".join("?" for _ in values)
            connection.execute(f'INSERT INTO "{table.name}" VALUES ({marks})', values)
    connection.close()
    for folder in ("spool", "spool/quarantine", "canary"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        (tmp_path / "data" / folder / f"{CANARY}.dcm").write_text(CANARY)
    return tmp_path


def _value(kind: object) -> object:
    if isinstance(kind, Boolean):
        return 1
    if isinstance(kind, Integer | Float):
        return 7
    return (
        "2026-01-01 00:00:00"
        if isinstance(kind, DateTime) or "Utc" in str(type(kind))
        else (CANARY)
    )


def test_no_table_and_no_file_shines_through(node_folder: Path) -> None:
    assert AuditRow.__tablename__ in Base.metadata.tables
    log = node_folder / "node.log"
    log.write_text(
        '{"ts": "2026-05-04T12:00:00.000+00:00", "level": "info", "event": "http-request",'
        f' "status": 200, "who": "{CANARY}"}}\n'
        f'{{"event": "{CANARY}"}}\n{CANARY}\n[1, "{CANARY}"]\n'
    )
    out = node_folder / "bundle.zip"
    run = CliRunner().invoke(
        app,
        [
            *("support-bundle", "--out", str(out), "--log", str(log)),
            *("--config", str(node_folder / "cxr-node.toml")),
        ],
    )
    assert run.exit_code == 0, run.output
    with zipfile.ZipFile(out) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    whole = "\n".join([*texts, *texts.values()])
    assert "ZZ" not in whole and "QUENTIN" not in whole
    assert SECRET not in whole
    database = json.loads(texts["database.json"])
    assert set(database["rows"].values()) == {1}
    assert database["revisions"] == {"other": 1}
    assert json.loads(texts["log.jsonl"])["status"] == 200
    assert json.loads(texts["configuration.json"])["peer"][0]["name"] == "pacs"


def test_a_broken_database_is_named_not_fatal(tmp_path: Path) -> None:
    file = tmp_path / "cxr-node.toml"
    file.write_text("[database]\nurl = 'postgresql+psycopg://x:geheim@127.0.0.1:1/x'\n")
    out = tmp_path / "bundle.zip"
    run = CliRunner().invoke(app, ["support-bundle", "--out", str(out), "--config", str(file)])
    assert run.exit_code == 0, run.output
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("database.json")) == {"error": "store-unavailable"}
        assert b"geheim" not in archive.read("configuration.json")
