"""What another system is told of a result: one value that every kind of message is made from.

A notice is fixed when its event happens and travels unchanged, however often it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.priority import Priority, is_flag

NOTICE_CLASS = Uid("2.25.242072302722007778018166401980496484946")
"""Stands where a DICOM object has its SOP class: a notice is none."""


class NoticeEvent(StrEnum):
    """What happened."""

    FLAGGED = "flagged"
    """The quick look raised the priority, before the full reading."""
    REPORTED = "reported"
    """The full reading is done."""
    CORRECTED = "corrected"
    """A person amended the reading."""
    ESCALATED = "escalated"
    """Nobody has acknowledged a time-critical flag in time."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A code with its scheme as DICOM names it (PS3.16 §8) and its meaning."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class NotedFinding:
    """One assessed finding. ``probability`` is 0 to 1; None where a person stated it."""

    key: str
    code: Coded
    presence: str
    presence_code: Coded
    probability: float | None
    threshold: float
    calibrated: bool
    site: Coded
    laterality: Coded | None = None
    severity: Coded | None = None
    words: str = ""
    """As a person reads it: right pneumothorax, moderate, apex (87 %)."""
    by_person: bool = False

    @property
    def present(self) -> bool:
        return self.presence == "present"


@dataclass(frozen=True, slots=True)
class NotedObject:
    """An image that was read, or a report that was built."""

    sop_class_uid: Uid
    sop_instance_uid: Uid
    series_uid: Uid


@dataclass(frozen=True, slots=True)
class NotedModel:
    """What read the study."""

    name: str
    version: str
    manufacturer: str
    device_uid: Uid
    outside_intended_use: str = ""


@dataclass(frozen=True, slots=True)
class NotedPerson:
    """Who corrected the reading, and whether that person answers for all of it."""

    name: str
    organisation: str
    role: str
    verified: bool


@dataclass(frozen=True, slots=True)
class NotedOrder:
    """The order that the study answers, as it came."""

    placer_number: str = ""
    filler_number: str = ""
    procedure: Coded | None = None
    patient_class: str = ""
    priority: str = ""


@dataclass(frozen=True, slots=True)
class NotedEscalation:
    """Which step of the escalation, who is to be told, and since when the flag waits."""

    step: int
    to: str
    raised_at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """One event of one revision of a study."""

    uid: Uid
    event: NoticeEvent
    at: datetime
    station: str
    study: StudyFacts
    patient: PatientFacts
    revision: int
    priority: Priority
    priority_words: str
    rule: str
    policy_version: str
    conclusion: str
    """The one text that stands for the whole result, what limits it first."""
    model: NotedModel
    findings: tuple[NotedFinding, ...] = ()
    images: tuple[NotedObject, ...] = ()
    reports: tuple[NotedObject, ...] = ()
    acr_category: int | None = None
    person: NotedPerson | None = None
    order: NotedOrder | None = None
    escalation: NotedEscalation | None = None
    phantom: bool = False

    @property
    def flagged(self) -> bool:
        """Whether the study stands before the ordinary list."""
        return is_flag(self.priority)
