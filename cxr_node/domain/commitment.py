"""Storage commitment (PS3.4 Annex J): who takes responsibility for which instances."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class FailureReason(IntEnum):
    """Failure Reason (0008,1197) of one instance (PS3.3 C.14.1.1)."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    RESOURCE_LIMITATION = 0x0213


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance; both values are valid UIDs."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """What a peer wants to be told is safe, under its own transaction."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """The answer to a request: what is safe, and what is not, with the reason's code."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...] = ()
