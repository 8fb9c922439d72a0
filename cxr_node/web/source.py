"""What the pages and the API are made from, as one protocol and its plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.findings import Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState, VisibleState
from cxr_node.domain.worklist import DeliveryStatus, WorklistEntry


@dataclass(frozen=True, slots=True)
class Component:
    """One part of the node: whether it works, and in words what it says of itself."""

    working: bool
    words: str


@dataclass(frozen=True, slots=True)
class Address:
    """Where studies are to be sent, for the page that has none yet."""

    ae_title: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One instance the node keeps; ``reason`` is None for an image that may be read."""

    sop_instance_uid: Uid
    view: str
    rows: int | None
    columns: int | None
    is_image: bool
    reason: Reason | None
    revision: int
    sender: str
    received_at: datetime
    duplicates: int = 0
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class RevisionLine:
    """One revision of the study, for the list of predecessors."""

    number: int
    state: StudyState
    reason: str
    first_received_at: datetime
    last_received_at: datetime


@dataclass(frozen=True, slots=True)
class ResultObject:
    """A DICOM object the node built, with where it stands at each destination."""

    kind: str
    sop_class_uid: Uid
    sop_instance_uid: Uid
    predecessor_uid: str
    revision: int
    created_at: datetime
    deliveries: tuple[DeliveryStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class PriorityStep:
    """One decision about the priority, also where nothing changed."""

    before: Priority
    after: Priority
    rule: str
    words: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StudyPage:
    """All that one study's page shows."""

    entry: WorklistEntry
    images: tuple[StoredImage, ...]
    reading: Reading | None
    """The newest reading: of its revision the full one, else the triage."""
    reading_revision: int | None
    """The revision that ``reading`` read; an earlier one while the newest is unread."""
    milestones: Mapping[Milestone, datetime]
    revisions: tuple[RevisionLine, ...]
    objects: tuple[ResultObject, ...] = ()
    priority_steps: tuple[PriorityStep, ...] = ()
    notes: tuple[str, ...] = ()
    """What other systems said of it: the order, and changes of the patient."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Studies per visible state and waiting or running jobs per kind."""

    studies: Mapping[VisibleState, int]
    queue: Mapping[str, int]


class PageSource(Protocol):
    """What the pages ask for. Each call may raise :class:`StoreUnavailable`."""

    @property
    def address(self) -> Address: ...

    def worklist(self) -> Sequence[WorklistEntry]:
        """In the order in which studies should be read."""

    def list_state(self) -> tuple[object, ...]:
        """Something that differs whenever the list may look different."""

    def study(self, study_uid: Uid) -> StudyPage | None: ...

    def picture(self, study_uid: Uid, sop_instance_uid: Uid) -> bytes | None:
        """PNG of one image of that study; None if there is none or it cannot be shown."""

    def health(self) -> Mapping[str, Component]:
        """Every part of the node, in the order in which a study meets them."""

    def alarms(self) -> Sequence[str]:
        """What a person must look at though every part works, in words."""

    def metrics(self) -> bytes:
        """Prometheus text exposition."""

    def counts(self) -> Counts: ...
