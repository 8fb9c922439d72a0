"""From the event to the repository: what is recorded, what is told, and what survives silence."""

from __future__ import annotations

import socket
import ssl
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxr_node.audit.messages import KINDS, audit_message
from cxr_node.audit.syslog import Repository, Wire
from cxr_node.audit.trail_handler import TrailHandler
from cxr_node.config import Configuration
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.entry.audit_wiring import audit_key
from cxr_node.entry.cli import app
from cxr_node.services.auditing import MOST_WAITING, AuditTeller, AuditWriter
from cxr_node.store import audit_trail
from cxr_node.store.audit_trail import Record
from cxr_node.store.database import Database
from cxr_node.transport_security import accepting_context, requesting_context
from tests.certificates import Authority
from tests.listening import until

FEEDS_THE_LOG = True  # values that must not reach the trail are what is tested
KEY = b"a site key of the test"
STUDY = Uid("1.2.826.0.1.3680043.8.498.4711")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def writer(sqlite_database: Database) -> Iterator[AuditWriter]:
    found = AuditWriter(sqlite_database, KEY)
    handler = TrailHandler(found.hear)
    handler.attach()
    yield found
    handler.detach()


def _trail(database: Database) -> list[Record]:
    with database.read() as session:
        return list(audit_trail.records(session))


def test_what_is_logged_is_recorded_without_what_names_a_patient(
    writer: AuditWriter, sqlite_database: Database
) -> None:
    emit(Event.INSTANCE_STORED, peer="CT1", study=STUDY, instance=STUDY, reason="")
    emit(Event.ACCESS_REFUSED, reason="token", address="192.0.2.7")
    emit(Event.SIGNED_IN, user="DOE^JANE\r\nforged")
    emit(Event.JOB_QUEUED, kind="read")
    assert writer.write() == 3
    records = _trail(sqlite_database)
    assert [r.event for r in records] == ["instance-stored", "access-refused", "signed-in"]
    assert records[0].document["peer"] == "CT1"
    assert len(records[0].document["study"]) == 16
    text = str([r.document for r in records])
    assert STUDY.text not in text and "DOE" not in text and "forged" not in text


def test_a_flood_of_the_same_becomes_one_record_with_a_count(
    writer: AuditWriter, sqlite_database: Database
) -> None:
    for _ in range(1_500):
        emit(Event.TLS_REFUSED, reason="not-tls", address="192.0.2.7")
    emit(Event.TLS_REFUSED, reason="not-tls", address="192.0.2.8")
    writer.write()
    counts = {r.document["address"]: r.document.get("count") for r in _trail(sqlite_database)}
    assert counts == {"192.0.2.7": 1_500, "192.0.2.8": None}


def test_more_than_memory_holds_is_recorded_as_lost(
    writer: AuditWriter, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxr_node.services.auditing.MOST_WAITING", 3)
    for number in range(5):
        emit(Event.SIGNED_IN, user=f"u{number}")
    while writer.write():
        pass
    last = _trail(sqlite_database)[-1]
    assert (last.event, last.document["count"]) == ("audit-lost", 2)
    assert MOST_WAITING >= 100_000


@pytest.mark.parametrize("event", list(KINDS))
def test_every_message_has_the_parts_that_the_standard_demands(event: Event) -> None:
    document = {"peer": "CT1", "study": "ab12", "patient": "cd34", "reason": "x<&", "count": 2}
    root = ET.fromstring(audit_message(event, NOON, document, "CXRNODE"))
    identification = root.find("EventIdentification")
    assert identification is not None
    assert identification.get("EventActionCode") in tuple("CRUDE")
    assert identification.get("EventOutcomeIndicator") in ("0", "4", "8", "12")
    code = identification.find("EventID")
    assert code is not None and code.get("csd-code", "").startswith("1101")
    assert root.find("AuditSourceIdentification") is not None
    users = [found.get("UserID") for found in root.findall("ActiveParticipant")]
    assert users == ["CT1", "CXRNODE"]
    requestors = [found.get("UserIsRequestor") for found in root.findall("ActiveParticipant")]
    assert requestors.count("true") == 1
    objects = [
        f.get("ParticipantObjectID") for f in root.findall("ParticipantObjectIdentification")
    ]
    assert objects[:2] == ["ab12", "cd34"]


class Collector:
    """An audit repository that can go and come back under the same port."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.received = bytearray()
        self._listening.close()

    @contextmanager
    def up(self) -> Iterator[None]:
        listening = socket.create_server(("127.0.0.1", self.port))
        thread = threading.Thread(target=self._serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            socket.socket.shutdown(listening, socket.SHUT_RDWR)
            listening.close()
            thread.join(10)

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                plain, _ = listening.accept()
                with self._context.wrap_socket(plain, server_side=True) as wire:
                    wire.settimeout(10)
                    while part := wire.recv(65_536):
                        self.received += part
            except ssl.SSLError:
                continue
            except OSError:
                return

    def messages(self) -> list[bytes]:
        """The messages in the frames, which must fit exactly."""
        rest, found = bytes(self.received), []
        while rest:
            length, _, rest = rest.partition(b" ")
            whole, rest = rest[: int(length)], rest[int(length) :]
            assert whole.startswith(b"<85>1 ")
            found.append(whole.partition(b"\xef\xbb\xbf")[2])
        return found


def test_nothing_is_lost_while_the_repository_is_away(
    writer: AuditWriter, sqlite_database: Database, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server = accepting_context(authority.section(authority.issue("arr")))
    collector = Collector(server)
    own = authority.section(authority.issue("node"))
    wire = Wire(Repository("127.0.0.1", collector.port, 2.0, requesting_context(own, "arr")))
    teller = AuditTeller(sqlite_database, wire, "CXRNODE", "node 1")

    for number in range(450):
        emit(Event.SIGNED_IN, user=f"u{number}")
    writer.write()
    assert teller.tell() == 0
    with collector.up():
        while teller.tell():
            pass
        assert until(lambda: len(collector.messages()) == 450)
        wire.close()
    names = [ET.fromstring(m).find("ActiveParticipant") for m in collector.messages()]
    assert [n.get("UserID") for n in names if n is not None] == [f"u{n}" for n in range(450)]
    emit(Event.SIGNED_IN, user="later")
    writer.write()
    assert teller.tell() == 0
    with collector.up():
        assert teller.tell() >= 1
        assert until(lambda: b"later" in collector.received)
        wire.close()
    assert [r.event for r in _trail(sqlite_database)][-1] == "signed-in"


def test_a_repository_of_another_name_is_told_nothing(
    writer: AuditWriter, sqlite_database: Database, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    collector = Collector(accepting_context(authority.section(authority.issue("other"))))
    own = authority.section(authority.issue("node"))
    wire = Wire(Repository("127.0.0.1", collector.port, 2.0, requesting_context(own, "arr")))
    emit(Event.SIGNED_IN, user="u")
    writer.write()
    with collector.up():
        assert AuditTeller(sqlite_database, wire, "CXRNODE", "node").tell() == 0
    assert collector.received == b""


def test_the_trail_is_exported_and_verified(tmp_path: Path) -> None:
    file = tmp_path / "cxr-node.toml"
    file.write_text('[node]\ndata_dir = "data"\nuid_key = "0123456789abcdef"\n')
    database = Database(f"sqlite:///{tmp_path / 'data' / 'cxr-node.sqlite3'}")
    database.migrate()
    writing = AuditWriter(database, KEY)
    writing.hear(Event.SIGNED_IN, NOON, {"user": "u"})
    writing.write()
    options = ["--config", str(file)]
    for form, words in (("json", '"event": "signed-in"'), ("dicom", "<AuditMessage>")):
        out = tmp_path / form
        run = CliRunner().invoke(
            app, ["export-audit", "--out", str(out), "--form", form, "--verify", *options]
        )
        assert run.exit_code == 0, run.output
        assert words in out.read_text()
    assert [r.event for r in _trail(database)] == ["signed-in", "audit-exported", "audit-exported"]
    with database.begin() as session:
        session.connection().exec_driver_sql("DROP TRIGGER audit_record_no_UPDATE")
        session.connection().exec_driver_sql("UPDATE audit_record SET digest = 'x' WHERE id = 2")
    database.dispose()
    run = CliRunner().invoke(app, ["export-audit", "--verify", *options])
    assert run.exit_code == 1
    assert "BROKEN at record 2" in run.output


def test_a_site_without_a_key_gets_one_that_stays(tmp_path: Path) -> None:
    config = Configuration.model_validate({"node": {"data_dir": tmp_path / "data"}})
    assert audit_key(config) == audit_key(config)
    assert (tmp_path / "data" / "audit-key").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["audit-key"]
