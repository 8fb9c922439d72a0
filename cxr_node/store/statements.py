"""Statements that both databases understand, in one place."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Select, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.base import Executable

from cxr_node.store.schema import Base

type_of_insert = postgresql.Insert | sqlite.Insert


def _insert(session: Session, row: type[Base], values: dict[str, Any]) -> type_of_insert:
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(row).values(values)
    return sqlite.insert(row).values(values)


def insert_once(session: Session, row: type[Base], values: dict[str, Any]) -> int | None:
    """Insert and return the new key; None when a unique constraint says it is there already.

    Waits for a concurrent transaction that inserts the same, so a following select sees it.
    """
    statement = _insert(session, row, values).on_conflict_do_nothing()
    found = session.execute(statement.returning(row.__table__.c.id)).scalar_one_or_none()
    return cast("int | None", found)


def insert_or_update(
    session: Session, row: type[Base], values: dict[str, Any], unique: tuple[str, ...]
) -> None:
    """Insert, or overwrite the row that has the same ``unique`` columns."""
    changed = {name: value for name, value in values.items() if name not in unique}
    statement = _insert(session, row, values)
    session.execute(statement.on_conflict_do_update(index_elements=unique, set_=changed))


def rows_changed(session: Session, statement: Executable) -> int:
    """Execute an UPDATE or DELETE and say how many rows it changed."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def among(column: InstrumentedAttribute[int], keys: Collection[int]) -> ColumnElement[bool]:
    """Whether a key is one of many; they stand in the statement, which is faster than binding."""
    return column.in_(bindparam(None, list(keys), expanding=True, literal_execute=True))


def locked(statement: Select[Any]) -> Select[Any]:
    """Lock the rows until commit, waiting for others (SQLite has one writer anyway).

    The lock leaves foreign keys to these rows free (FOR NO KEY UPDATE).
    """
    return statement.with_for_update(key_share=True).execution_options(populate_existing=True)


def storable(text: str, length: int | None = None) -> str:
    """Text as every database takes it: no NUL, no lone surrogates, cut to the column."""
    clean = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return clean[:length]
