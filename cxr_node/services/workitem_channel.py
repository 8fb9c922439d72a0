"""Events of work items for one who listens on an open channel (PS3.18 §11.13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cxr_node.dicom import ups_dataset
from cxr_node.dicom.worklist_match import put
from cxr_node.domain.ports import Clock
from cxr_node.store import ups_subscriptions
from cxr_node.store.database import Database


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """One event as DICOM JSON, and its key."""

    key: int
    document: dict[str, Any]


class WorkitemChannel:
    """What waits for a receiver; an event goes when it was sent."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def waiting(self, receiver: str) -> list[ChannelEvent]:
        """In the order in which it happened."""
        with self._db.read() as session:
            rows = ups_subscriptions.due_events(session, receiver, self._clock.now(), by_web=True)
            return [
                ChannelEvent(row.id, _message(row.id, row.uid, row.kind, row.document))
                for row in rows
            ]

    def sent(self, keys: Sequence[int]) -> None:
        """These were put on the wire."""
        with self._db.begin() as session:
            ups_subscriptions.told(session, keys)


def _message(key: int, uid: str, kind: int, document: bytes) -> dict[str, Any]:
    report = ups_dataset.decoded(document)
    put(report, "AffectedSOPClassUID", "UI", ups_dataset.PUSH)
    put(report, "MessageID", "US", key % 65_536)
    put(report, "AffectedSOPInstanceUID", "UI", uid)
    put(report, "EventTypeID", "US", kind)
    found: dict[str, Any] = report.to_json_dict(suppress_invalid_tags=True)
    return found
