"""What a modality says of an exam (Modality Performed Procedure Step, PS3.4 Annex F)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

from cxr_node.domain.identifiers import Uid


class ExamState(StrEnum):
    """Performed Procedure Step Status (0040,0252)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


class ExamAnswer(Enum):
    """What came of a report."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    FINAL = "final"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Exam:
    """One report: a state of None leaves the state as it is."""

    uid: Uid
    state: ExamState | None
    study_uid: str
    images: tuple[str, ...]
    wrong_entry: bool
