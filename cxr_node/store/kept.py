"""Every file that a row stands for, with the digest it had when it was filed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.store.schema import InstanceRow, QuarantineRow, ResultObjectRow

_Table = type[InstanceRow | ResultObjectRow | QuarantineRow]
_TABLES: dict[str, _Table] = {
    "instance": InstanceRow,
    "result": ResultObjectRow,
    "quarantine": QuarantineRow,
}


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file; ``kind`` is instance, result or quarantine, ``key`` the key of its row."""

    kind: str
    key: int
    path: str
    sha256: str


def kept_files(session: Session) -> Iterator[KeptFile]:
    """All whose bytes retention has not taken away."""
    for kind, table in _TABLES.items():
        statement = select(table.id, table.path, table.sha256).where(table.removed_at.is_(None))
        for key, path, sha256 in session.execute(statement.order_by(table.id)):
            yield KeptFile(kind, key, path, sha256)
