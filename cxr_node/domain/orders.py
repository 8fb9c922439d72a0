"""What another system says of orders and patients, whatever the language it says it in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.notice import Coded
from cxr_node.domain.policy import PatientClass
from cxr_node.domain.priority import Priority


class OrderState(StrEnum):
    """Where an order stands."""

    OPEN = "open"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """One ordered procedure. What was not said is empty."""

    patient: PatientFacts
    accession_number: str = ""
    placer_number: str = ""
    filler_number: str = ""
    study_uid: str = ""
    """Study Instance UID, where the order already names it."""
    priority: Priority = Priority.ROUTINE
    patient_class: PatientClass = PatientClass.UNKNOWN
    reason: str = ""
    """Reason for the exam, as it was written."""
    procedure: Coded | None = None
    scheduled_at: str = ""
    """DICOM DT without fraction: ``YYYYMMDD`` or ``YYYYMMDDHHMMSS``."""
    referring_physician: str = ""
    state: OrderState = OrderState.OPEN

    @property
    def key(self) -> str:
        """What tells this order from others: the first of its numbers that is there."""
        for name in ("accession_number", "filler_number", "placer_number"):
            if value := getattr(self, name):
                return f"{name}:{value}"
        return ""


@dataclass(frozen=True, slots=True)
class PatientChange:
    """New facts of a patient; ``merged_from`` is the patient that is now the same person."""

    patient: PatientFacts
    merged_from: PatientFacts | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """One received message. Sender and control identifier together name it."""

    sender: str
    control_id: str
    sha256: str
    kind: str
    """Message code and trigger event, as in ORM^O01."""
    orders: tuple[OrderFacts, ...] = ()
    change: PatientChange | None = None
