"""Files that no row names: left by a crash between the rename and the commit.

They were never answered 0x0000, so nothing is lost by removing them; this only reports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from cxr_node.spool.files import PARTIAL, QUARANTINE

ASIDE = "aside"
"""What an operator's repair moved out of the way."""


def spooled_files(root: Path) -> Iterator[Path]:
    """Every finished file, quarantine left out."""
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and folder.name not in (PARTIAL, QUARANTINE, ASIDE):
            yield from sorted(folder.glob("*.dcm"))


def finished_files(root: Path) -> Iterator[Path]:
    """Every finished file, quarantine included."""
    yield from spooled_files(root)
    if (root / QUARANTINE).is_dir():
        yield from sorted((root / QUARANTINE).glob("*/*.dcm"))


def orphans(root: Path, known: Collection[str], *, written_before: float) -> list[Path]:
    """Files whose path is not in ``known`` and that are older than ``written_before``.

    ``written_before`` (seconds since the epoch) spares files whose commit is still to come.
    """
    return [
        path
        for path in spooled_files(root)
        if str(path) not in known and path.stat().st_mtime < written_before
    ]
