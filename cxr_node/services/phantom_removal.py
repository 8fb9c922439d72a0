"""Removes phantoms that a commissioning sent: rows first, then the bytes."""

from __future__ import annotations

from collections.abc import Collection

from cxr_node.domain.events import Event, emit
from cxr_node.store.database import Database
from cxr_node.store.removal import phantom_studies, remove_studies


def remove_phantoms(db: Database, study_uids: Collection[str], prefix: str) -> int:
    """Remove those of the studies that are phantoms of that patient prefix; their number.

    A file that is left over by a crash between the two steps is named by no row.
    """
    with db.begin() as session:
        found = phantom_studies(session, study_uids, prefix)
        files = remove_studies(session, found)
    for path in files:
        path.unlink(missing_ok=True)
    if found:
        emit(Event.PHANTOMS_REMOVED, count=len(found))
    return len(found)
