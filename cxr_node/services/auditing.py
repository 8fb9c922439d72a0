"""The audit trail's two hands: one writes what was heard, the other tells the repository.

What was heard waits in memory until it is committed, a fraction of a second; the table itself is
the buffer for a repository that cannot be reached, so nothing is lost however long that takes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cxr_node.audit.log import digest, safe_value
from cxr_node.audit.messages import audit_message
from cxr_node.audit.syslog import Wire, framed
from cxr_node.domain.errors import Undeliverable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.store import audit_trail
from cxr_node.store.audit_trail import Entry
from cxr_node.store.database import Database

MOST_WAITING = 100_000
_BATCH = 2_000
_NOT_KEPT = frozenset({"instance", "seconds", "job", "revision_pk"})


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as it was logged."""

    event: Event
    at: datetime
    fields: Mapping[str, Any]


class AuditWriter:
    """Collects events from any thread, and writes them in batches from one."""

    def __init__(self, db: Database, key: bytes) -> None:
        self._db = db
        self._key = key
        self._waiting: list[Heard] = []
        self._lost = 0
        self._lock = threading.Lock()

    def hear(self, event: Event, at: datetime, fields: Mapping[str, Any]) -> None:
        """Take one event; beyond the limit it is counted, and the count is recorded."""
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(Heard(event, at, dict(fields)))
            else:
                self._lost += 1

    def write(self) -> int:
        """Commit what waits; the number of events. Raises :class:`StoreUnavailable`.

        Events that say the same within one batch become one record with a count.
        """
        with self._lock:
            batch, lost = self._waiting[:_BATCH], self._lost
        if not batch:
            return 0
        with self._db.begin() as session:
            studies = {h.fields["study"].text for h in batch if _names_study(h)}
            patients = audit_trail.patients_of(session, studies)
            audit_trail.append(session, self._entries(batch, patients))
        with self._lock:
            del self._waiting[: len(batch)]
            self._lost -= lost
        if lost:
            emit(Event.AUDIT_LOST, count=lost)
        return len(batch)

    def _entries(self, batch: Sequence[Heard], patients: Mapping[str, str]) -> list[Entry]:
        first: dict[tuple[Any, ...], Entry] = {}
        counts: Counter[tuple[Any, ...]] = Counter()
        for heard in batch:
            document = self._document(heard, patients)
            alike = (heard.event, *sorted((k, str(v)) for k, v in document.items()))
            first.setdefault(alike, Entry(heard.at, heard.event.value, document))
            counts[alike] += 1
        return [
            Entry(entry.at, entry.event, {**entry.document, "count": counts[alike]})
            if counts[alike] > 1
            else entry
            for alike, entry in first.items()
        ]

    def _document(self, heard: Heard, patients: Mapping[str, str]) -> dict[str, Any]:
        document = {
            name: safe_value(value, self._key)
            for name, value in heard.fields.items()
            if name not in _NOT_KEPT
        }
        patient = patients.get(heard.fields["study"].text) if _names_study(heard) else None
        if patient:
            document["patient"] = digest(patient, self._key)
        return document


def _names_study(heard: Heard) -> bool:
    return isinstance(heard.fields.get("study"), Uid)


class AuditTeller:
    """Tells the repository, in order, what it has not been told; each record once it can."""

    def __init__(self, db: Database, wire: Wire, source: str, host: str) -> None:
        self._db = db
        self._wire = wire
        self._source = source
        self._host = host
        self._reached = True

    def tell(self) -> int:
        """Send one batch; 0 when there is none or the repository takes nothing."""
        with self._db.read() as session:
            records = audit_trail.unsent(session, _BATCH // 10)
        if not records:
            return 0
        frames = [
            framed(
                record.at,
                self._host,
                self._source,
                audit_message(Event(record.event), record.at, record.document, self._source),
            )
            for record in records
        ]
        try:
            self._wire.send(frames)
        except Undeliverable:
            self._say(reached=False)
            return 0
        with self._db.begin() as session:
            audit_trail.mark_sent(session, records[-1].number)
        self._say(reached=True)
        return len(records)

    def _say(self, *, reached: bool) -> None:
        """One event when the repository goes and one when it comes back."""
        if reached is not self._reached:
            emit(Event.AUDIT_REPOSITORY_BACK if reached else Event.AUDIT_REPOSITORY_GONE)
        self._reached = reached
