"""The audit trail on both databases: chained, append-only, and it notices what was done to it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from cxr_node.store import audit_trail
from cxr_node.store.audit_trail import Entry
from cxr_node.store.database import Database

NOON = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)


def _filled(database: Database, number: int = 5) -> Database:
    with database.begin() as session:
        entries = [Entry(NOON, "signed-in", {"user": f"u{n}"}) for n in range(number)]
        audit_trail.append(session, entries)
    return database


def _open_the_table(database: Database) -> None:
    """What an intruder with the database's own rights would do first."""
    with database.begin() as session:
        if database.engine.dialect.name == "postgresql":
            session.execute(text("ALTER TABLE audit_record DISABLE TRIGGER USER"))
        else:
            session.execute(text("DROP TRIGGER audit_record_no_UPDATE"))
            session.execute(text("DROP TRIGGER audit_record_no_DELETE"))


def test_records_come_back_in_order_and_whole(database: Database) -> None:
    _filled(database)
    with database.read() as session:
        found = list(audit_trail.records(session))
        verdict = audit_trail.verify(session)
    assert [record.document["user"] for record in found] == ["u0", "u1", "u2", "u3", "u4"]
    assert (verdict.records, verdict.head, verdict.broken_at) == (5, found[-1].digest, None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_record SET document = '{}' WHERE id = 3",
        "DELETE FROM audit_record WHERE id = 3",
        "DELETE FROM audit_record",
    ],
)
def test_nothing_can_be_changed_or_removed(database: Database, statement: str) -> None:
    _filled(database)
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        session.execute(text(statement))
    with database.read() as session:
        assert audit_trail.verify(session).records == 5


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit_record SET document = replace(document, 'u2', 'u9') WHERE id = 3", 3),
        ("UPDATE audit_record SET event = 'node-started' WHERE id = 2", 2),
        ("UPDATE audit_record SET digest = previous WHERE id = 4", 4),
        ("DELETE FROM audit_record WHERE id = 1", 1),
        ("DELETE FROM audit_record WHERE id = 3", 3),
        ("DELETE FROM audit_record WHERE id = 5", 5),
    ],
)
def test_what_was_done_to_it_is_noticed(database: Database, statement: str, broken: int) -> None:
    _filled(database)
    with database.begin() as session:
        audit_trail.mark_sent(session, 5)
    _open_the_table(database)
    with database.begin() as session:
        session.execute(text(statement))
    with database.read() as session:
        assert audit_trail.verify(session).broken_at == broken


def test_several_writers_make_one_chain(database: Database) -> None:
    def write(name: str) -> None:
        for number in range(5):
            with database.begin() as session:
                audit_trail.append(session, [Entry(NOON, "signed-in", {"user": f"{name}{number}"})])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.read() as session:
        verdict = audit_trail.verify(session)
    assert (verdict.records, verdict.broken_at) == (15, None)


def test_the_repository_is_told_each_record_once(database: Database) -> None:
    _filled(database)
    with database.begin() as session:
        assert [record.number for record in audit_trail.unsent(session, 2)] == [1, 2]
        audit_trail.mark_sent(session, 2)
        assert [record.number for record in audit_trail.unsent(session, 9)] == [3, 4, 5]
        audit_trail.mark_sent(session, 5)
        assert audit_trail.unsent(session, 9) == []
