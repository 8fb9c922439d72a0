"""Transactions, migrations and outages, alike on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.store import studies
from cxr_node.store.database import Database
from cxr_node.store.schema import Base, StudyRow
from cxr_node.store.statements import storable
from tests.instances import NOW, add_study, facts


def test_the_migrations_make_exactly_the_schema(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_two_processes_may_migrate_at_once(empty_url: str) -> None:
    start = threading.Barrier(4)

    def migrate(_number: int) -> None:
        database = Database(empty_url)
        start.wait(timeout=30)
        database.migrate()
        database.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, range(4)))
    engine = create_engine(empty_url)
    assert "study" in inspect(engine).get_table_names()
    engine.dispose()


def test_a_migration_can_be_taken_back(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    config = Config()
    config.set_main_option("script_location", "cxr_node:store/migrations")
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    database.migrate()
    assert "study" in inspect(database.engine).get_table_names()
    database.dispose()


def test_an_exception_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(KeyError), database.begin() as session:
        add_study(session)
        raise KeyError
    with database.read() as session:
        assert session.query(StudyRow).count() == 0


def test_times_come_back_as_they_went_in(database: Database) -> None:
    with database.begin() as session:
        add_study(session)
    with database.read() as session:
        study = session.query(StudyRow).one()
        assert study.created_at == NOW
        assert study.created_at.tzinfo is not None


def test_text_that_a_database_refuses_is_made_storable(database: Database) -> None:
    odd = "A\0B\ud800" + "x" * 300
    described = replace(
        facts(),
        study=StudyFacts(Uid("1.2.3.9"), accession_number=odd, description=odd),
        patient=PatientFacts(patient_id=odd, name=odd, sex=odd, birth_date=odd, issuer=odd),
    )
    with database.begin() as session:
        studies.upsert_study(session, described, "MODALITY", NOW)
    with database.read() as session:
        study = session.query(StudyRow).one()
    assert study.accession_number == ("AB?" + "x" * 300)[:64]
    assert study.description == storable(odd)


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.begin() as writer:
        add_study(writer)
        writer.flush()
        with database.read() as reader:
            assert reader.query(StudyRow).count() == 0


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises((DBAPIError, StoreUnavailable)), database.read() as session:
        add_study(session)
    with database.begin() as session:
        add_study(session)


def test_no_answer_is_store_unavailable() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable), database.begin() as session:
        session.execute(text("SELECT 1"))
    with pytest.raises(StoreUnavailable):
        database.migrate()


def test_no_parameter_is_shown_in_an_error(database: Database) -> None:
    with pytest.raises(Exception) as caught, database.begin() as session:
        session.execute(text("SELECT * FROM nothing WHERE name = :name"), {"name": "DOE^JANE"})
    assert "DOE^JANE" not in str(caught.value)
    assert "DOE^JANE" not in str(caught.value.__cause__)


def test_what_sqlite_promises(sqlite_database: Database) -> None:
    with sqlite_database.begin() as session:
        pragmas = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
