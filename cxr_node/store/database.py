"""The connection: SQLite embedded, PostgreSQL scaled; the same promises from both."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from cxr_node.domain.errors import StoreUnavailable

_MIGRATIONS = Path(__file__).with_name("migrations")
_MIGRATION_LOCK = 0x43585231
_POOL = {"pool_size": 8, "max_overflow": 24, "pool_timeout": 10}
_BUSY_SECONDS = 10.0
_PRAGMAS = (
    f"busy_timeout={int(_BUSY_SECONDS * 1000)}",
    "synchronous=FULL",
    "foreign_keys=ON",
)
_POSTGRESQL = {
    "connect_timeout": 5,
    "options": "-c timezone=UTC -c synchronous_commit=on -c lock_timeout=10s "
    "-c idle_in_transaction_session_timeout=60s",
}


class Database:
    """One database; services open a transaction, store functions work inside it."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.engine = _sqlite(parsed) if _is_sqlite(parsed) else _postgresql(parsed)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction, committed on exit and rolled back by any exception.

        Raises :class:`StoreUnavailable` when the database does not answer in time.
        """
        with _unavailable(), self._sessions.begin() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads and holds up no writer."""
        with _unavailable(), self._sessions.begin() as session:
            session.connection(execution_options={"postgresql_readonly": True})
            yield session

    def migrate(self) -> None:
        """Bring the schema to the newest version; of two processes one waits for the other."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with _unavailable(), self.engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK}
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise StoreUnavailable("the database does not answer") from error


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url, hide_parameters=True, pool_pre_ping=True, connect_args=_POSTGRESQL, **_POOL
    )


def _sqlite(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(url, hide_parameters=True, **_POOL)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    # The driver must not open transactions on its own: _begin does, at the right level.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    _use_wal(connection)


def _use_wal(connection: Any) -> None:
    """Switch to WAL once for all; SQLite's own busy wait does not cover this switch."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    """Take the write lock at once: a read turned write would fail instead of waiting."""
    reads = connection.get_execution_options().get("postgresql_readonly", False)
    connection.exec_driver_sql(f"PRAGMA query_only={int(reads)}")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
