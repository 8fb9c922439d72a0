"""One line of the reading worklist, as MWL, the API and the page all show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.priority import RANK, Priority
from cxr_node.domain.study import StudyState, VisibleState


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

    @property
    def order(self) -> tuple[int, float]:
        """Sort key: highest priority first, then the longest waiting."""
        return (-RANK[self.priority], self.received_at.timestamp())
