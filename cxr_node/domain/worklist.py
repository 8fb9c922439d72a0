"""One line of the reading worklist, as MWL, the API and the page all show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState, VisibleState


@dataclass(frozen=True, slots=True)
class ReadingOrder:
    """Which study is read next. Without due times: by priority, then the longest waiting.

    With them, studies of a priority in ``first`` stand before all others, by priority, then the
    longest waiting; the others by the moment at which they are due.
    """

    first: frozenset[Priority] = frozenset(Priority)
    due_seconds: Mapping[Priority, float] = field(default_factory=dict)
    """Seconds from arrival after which a study of the priority is due."""

    def due_at(self, priority: Priority, received_at: datetime) -> datetime | None:
        """When a study is due; None where the order knows no due times."""
        seconds = self.due_seconds.get(priority)
        return None if seconds is None else received_at + timedelta(seconds=seconds)


STRICT = ReadingOrder()


@dataclass(frozen=True, slots=True)
class ReaderClaim:
    """Who reads the study now; it holds until ``until`` unless it is renewed."""

    name: str
    organisation: str
    role: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A flag that a named person must acknowledge, and where that stands."""

    due_at: datetime
    level: int
    """How often it was escalated."""
    acknowledged_at: datetime | None = None
    by: str = ""
    """Name and role of who did."""

    def overdue(self, now: datetime) -> bool:
        """Whether the limit has passed and nobody has acknowledged it."""
        return self.acknowledged_at is None and now > self.due_at


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """Where one result object stands with one destination."""

    destination: str
    state: str
    attempts: int
    last_status: int | None
    last_error: str


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """A study with its active revision, newest facts and one visible state."""

    study: StudyFacts
    patient: PatientFacts
    revision: int
    state: StudyState
    visible: VisibleState
    words: str
    """Why it is not eligible, what to do about a failure, or why it was flagged."""
    priority: Priority
    priority_words: str
    sender: str
    view: str
    findings: tuple[str, ...]
    """Keys of the findings held present by the newest reading."""
    received_at: datetime
    last_image_at: datetime
    flagged_at: datetime | None
    reported_at: datetime | None
    review: bool = False
    """Whether that reading contradicts itself, so that a person should look at it."""
    deliveries: tuple[DeliveryStatus, ...] = ()
    phantom: bool = False
    """Whether its images are marked as quality control images: no patient."""
    due_at: datetime | None = None
    """When it is due by the order of the list; None without due times."""
    claim: ReaderClaim | None = None
    """Who reads it now; a claim that ran out is none."""
    read_at: datetime | None = None
    """When a person said that it is read."""
    critical: Acknowledgement | None = None
