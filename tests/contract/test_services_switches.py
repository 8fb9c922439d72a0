"""The stop switch: each part on its own, within a second, over restarts, seen and recorded."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from typer.testing import CliRunner

from cxr_node.config import PeerSection, load, parse
from cxr_node.dicom.archive import ReceivingAE
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.domain.access import Role
from cxr_node.domain.errors import IntakeSuspended, Undeliverable
from cxr_node.domain.events import Event
from cxr_node.domain.ports import FakeClock, SystemClock
from cxr_node.domain.study import StudyState
from cxr_node.domain.switches import Part
from cxr_node.entry.cli import app
from cxr_node.entry.embedded import EmbeddedNode
from cxr_node.entry.stations import Stations
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.services.switches import KEPT_SECONDS, Switches
from cxr_node.store.database import Database
from cxr_node.store.schema import RevisionRow
from cxr_node.web.access import Access
from cxr_node.web.app import create_app
from tests.builders import radiograph, save
from tests.listening import until
from tests.nodes import destination, script
from tests.pages import full_pages
from tests.running_node import toml
from tests.unit.test_web_access import TOKENS, door
from tests.unit.test_web_access import _sections as sections


def test_each_part_is_its_own_switch(database: Database) -> None:
    board = Switches(database, SystemClock())
    assert board.turn(Part.READING, suspended=True, by="op", reason="new\r\nGPU")
    assert not board.turn(Part.READING, suspended=True, by="other")
    assert [board.goes_on(part) for part in Part] == [True, False, True]
    (found,) = board.suspensions()
    assert (found.by, found.reason) == ("op", "new  GPU")
    assert "Reading is suspended" in found.words and "new  GPU" in found.words
    assert board.turn(Part.READING, suspended=False, by="op")
    assert board.goes_on(Part.READING)


def test_another_process_learns_it_within_a_second(sqlite_database: Database) -> None:
    clock = FakeClock()
    here, there = Switches(sqlite_database, clock), Switches(sqlite_database, clock)
    assert there.goes_on(Part.INTAKE)
    here.turn(Part.INTAKE, suspended=True, by="op")
    clock.advance(KEPT_SECONDS)
    assert KEPT_SECONDS <= 0.5
    with pytest.raises(IntakeSuspended):
        there.require_intake()


def test_without_the_database_the_last_answer_stands(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    board = Switches(sqlite_database, clock)
    board.turn(Part.DELIVERY, suspended=True, by="op")
    assert not board.goes_on(Part.DELIVERY)
    broken = Database("postgresql+psycopg://x@127.0.0.1:1/x")
    monkeypatch.setattr(board, "_db", broken)
    clock.advance(60)
    assert not board.goes_on(Part.DELIVERY)
    broken.dispose()


def test_only_an_operator_may_switch_and_it_is_an_event(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    board = Switches(sqlite_database, SystemClock())
    access: Access = door(sections()).access
    served = create_app(full_pages(), access=access, board=board)

    def client(role: Role) -> TestClient:
        headers = {"authorization": f"Bearer {TOKENS[role]}"}
        return TestClient(served, headers=headers, follow_redirects=False)

    order = {"suspended": True, "reason": "PACS upgrade"}
    for role in (Role.VIEWER, Role.READER):
        assert client(role).put("/api/v1/switches/delivery", json=order).status_code == 403
    operator = client(Role.OPERATOR)
    said = operator.put("/api/v1/switches/delivery", json=order).json()
    shown = {one["part"]: (one["suspended"], one["by"]) for one in said}
    assert shown == {
        "intake": (False, ""), "reading": (False, ""), "delivery": (True, "a operator"),
    }  # fmt: skip
    assert client(Role.VIEWER).get("/api/v1/switches").json() == said
    assert operator.put("/api/v1/switches/everything", json=order).status_code == 404
    assert operator.put("/api/v1/switches/intake", content=b"stop").status_code == 422
    assert "Suspend or resume" in operator.get("/").text
    assert "Suspend or resume" not in client(Role.VIEWER).get("/").text
    assert operator.post("/switches/delivery", data={"suspended": "no"}).status_code == 303
    assert board.goes_on(Part.DELIVERY)
    events = [r.message for r in caplog.records if r.message.startswith("part-")]
    assert events == [Event.PART_SUSPENDED, Event.PART_RESUMED]


@pytest.fixture
def config(tmp_path: Path, pacs: ReceivingAE, empty_database: Path) -> Path:
    """The file of a node whose reading is done by the test, with a stand-in PACS."""
    (tmp_path / "data").mkdir()
    shutil.copy(empty_database, tmp_path / "data" / "cxr-node.sqlite3")
    file = tmp_path / "cxr-node.toml"
    sections: dict[str, dict[str, object]] = {
        "node": {"data_dir": "data"},
        "listener": {"port": 0},
        "web": {"port": 0},
        "spool": {"reserve_bytes": 0},
        "assembly": {"quiet_seconds": 0.3},
        "jobs": {"workers": 0},
        "model": {"path": script(tmp_path)},
    }
    sender = PeerSection(name="modality", ae_title="MODALITY")
    file.write_text(toml(sections, (sender, destination(pacs))))
    return file


@contextmanager
def _running(file: Path) -> Iterator[EmbeddedNode]:
    node = EmbeddedNode(load(file), file)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def _send(node: EmbeddedNode, path: Path) -> None:
    peer = PeerSection(name="node", ae_title="CXRNODE", host="127.0.0.1", port=node.dicom_port)
    DimseSender("MODALITY", [peer], 20.0).send("node", path)


def _state(node: EmbeddedNode) -> str:
    with node.node.db.read() as session:
        return session.scalars(select(RevisionRow.state)).one()


def _command(*words: str, file: Path) -> None:
    done = CliRunner().invoke(app, [*words, "--config", str(file)])
    assert done.exit_code == 0, done.output


def test_a_node_obeys_also_after_a_restart(config: Path, tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path)
    _command("suspend", "delivery", "--reason", "PACS upgrade", file=config)
    _command("suspend", "reading", file=config)
    with _running(config) as node:
        _send(node, path)
        assert until(lambda: _state(node) == StudyState.QUEUED, 60)
        assert Stations(node.node).read_batch() == 0
        assert node.health()["worker"].working
    with _running(config) as node:
        stations = Stations(node.node)
        assert stations.read_batch() == 0
        _command("resume", "reading", file=config)
        assert until(lambda: node.node.switches.goes_on(Part.READING), 1.5)
        assert stations.read_batch() > 0
        assert until(lambda: _state(node) == StudyState.REPORTED, 60)
        assert stations.deliver() == 0
        _command("resume", "delivery", file=config)
        assert until(lambda: _state(node) == StudyState.DELIVERED, 60)
        _command("suspend", "intake", file=config)
        assert until(lambda: not node.node.switches.goes_on(Part.INTAKE), 1.5)
        with pytest.raises(Undeliverable) as refused:
            _send(node, path)
        assert refused.value.status == 0xA700
    trail = tmp_path / "trail.jsonl"
    _command("export-audit", "--verify", "--out", str(trail), file=config)
    records = [json.loads(line) for line in trail.read_text().splitlines()]
    suspended = {one["part"] for one in records if one["event"] == "part-suspended"}
    assert suspended == {"delivery", "reading", "intake"}
    recorded = [one["event"] for one in records]
    assert recorded.count("node-started") == 2
    assert "instance-stored" in recorded and "delivery-sent" in recorded


def test_reading_and_delivery_ask_before_every_step(tmp_path: Path) -> None:
    config = parse(f"node.data_dir = '{tmp_path}'")
    node = Node(config, open_bell(config))
    node.db.migrate()
    for part in (Part.READING, Part.DELIVERY):
        node.switches.turn(part, suspended=True, by="op")
    stations = Stations(node)
    assert (stations.read_batch(), stations.deliver()) == (0, 0)
    assert "inference" not in node.__dict__
    node.close()
