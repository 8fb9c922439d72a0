"""Migrated, empty databases for tests: SQLite everywhere, PostgreSQL where both are held alike."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from cxr_node.store.database import Database

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.peers)]
_NUMBERS = count(1)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One migrated file, copied for each test: a tenth of the time of a migration."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture
def empty_database(_sqlite_template: Path) -> Path:
    """A migrated SQLite file to be copied where a node will look for it."""
    return _sqlite_template


@pytest.fixture
def sqlite_database(_sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated SQLite database of its own."""
    path = tmp_path / "database" / "node.sqlite3"
    path.parent.mkdir()
    shutil.copy(_sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_url: str) -> str:
    _create(postgresql_url, "template_node")
    database = Database(_named(postgresql_url, "template_node"))
    database.migrate()
    database.dispose()
    return postgresql_url


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated database of its own, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_database")
        return
    url = request.getfixturevalue("_postgresql_template")
    name = f"node_{next(_NUMBERS)}"
    _create(url, name, "TEMPLATE template_node")
    found = Database(_named(url, name))
    yield found
    found.dispose()


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty' / 'node.sqlite3'}"
    url: str = request.getfixturevalue("postgresql_url")
    name = f"empty_{next(_NUMBERS)}"
    _create(url, name)
    return _named(url, name)


def _named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _create(url: str, name: str, options: str = "") -> None:
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {options}".encode())


@pytest.fixture
def new_postgresql(postgresql_url: str) -> str:
    """URL of an empty PostgreSQL database of its own."""
    name = f"empty_{next(_NUMBERS)}"
    _create(postgresql_url, name)
    return _named(postgresql_url, name)
