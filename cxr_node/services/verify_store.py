"""Is every byte that a row stands for still there and still the same, and nothing else?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cxr_node.domain.ports import Clock
from cxr_node.spool.files import sha256_of
from cxr_node.spool.sweep import ASIDE, finished_files
from cxr_node.store.database import Database
from cxr_node.store.kept import KeptFile, kept_files

_COMMIT_SECONDS = 600.0
"""A file this young may belong to a transaction that is still to be committed."""


class Fault(StrEnum):
    """What is wrong with a file."""

    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    ORPHAN = "orphan"
    """No row names it: it was never answered 0x0000, or its row is older than it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One file that is not as the database says. ``kind`` and ``key`` name the row."""

    fault: Fault
    path: Path
    kind: str = ""
    key: int = 0


@dataclass(slots=True)
class Count:
    """How much was looked at."""

    files: int = 0
    size: int = 0


class StoreVerification:
    """Compares the spool at ``root`` with the database."""

    def __init__(self, db: Database, clock: Clock, root: Path) -> None:
        self._db = db
        self._clock = clock
        self._root = root
        self.count = Count()

    def findings(self) -> Iterator[Finding]:
        """Everything that is wrong, as it is found; ``count`` grows meanwhile."""
        # Files before rows: what is filed in between has a row by then.
        before = self._clock.now().timestamp() - _COMMIT_SECONDS
        on_disk = {
            path: path.stat().st_mtime for path in finished_files(self._root) if path.exists()
        }
        with self._db.read() as session:
            rows = list(kept_files(session))
        for row in rows:
            fault = self._fault(row)
            if fault is not None:
                yield Finding(fault, Path(row.path), row.kind, row.key)
        named = {row.path for row in rows}
        for path, written in sorted(on_disk.items()):
            if str(path) not in named and written < before:
                yield Finding(Fault.ORPHAN, path)

    def _fault(self, row: KeptFile) -> Fault | None:
        path = Path(row.path)
        try:
            digest, size = sha256_of(path), path.stat().st_size
        except FileNotFoundError:
            return Fault.MISSING
        except OSError:
            return Fault.UNREADABLE
        self.count.files += 1
        self.count.size += size
        return None if digest == row.sha256 else Fault.CHANGED

    def move_aside(self, finding: Finding) -> Path | None:
        """Out of the spool's way, under ``aside``; nothing is ever deleted. None if it is gone."""
        if finding.fault is Fault.MISSING or not finding.path.exists():
            return None
        place = self._root / ASIDE / finding.fault.value
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return finding.path.rename(place / finding.path.name)
