"""What goes to a destination and what came of it, whatever language the destination speaks.

The outbox knows parcels and outcomes only: back-off, dead letter, replay and order are the
same for a PACS, an HL7 receiver, a FHIR server and a webhook.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Verdict(StrEnum):
    """What the destination made of a parcel."""

    DONE = "done"
    RETRY = "retry"
    """Not now: it is tried again with growing pauses."""
    REFUSED = "refused"
    """Never: it becomes a dead letter, and a person must act."""
    NOT_TAKEN = "not-taken"
    """Nothing of this kind is taken there; what stands beside a report may be missing."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One thing on its way to one destination.

    ``uid`` is the same at every attempt, so that a receiver can tell a repetition; ``path``
    holds the bytes that are sent. ``attempt`` counts this one.
    """

    destination: str
    kind: str
    uid: str
    path: Path
    attempt: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt. ``words`` are shown to operators: no patient data in them.

    ``status`` is the receiver's own number (a DIMSE or HTTP status) where there is one;
    ``after_seconds`` is how long the receiver asked to be left alone.
    """

    verdict: Verdict
    words: str = ""
    status: int | None = None
    after_seconds: float = 0.0


class Destination(Protocol):
    """Somewhere results go. One instance serves one destination, one parcel at a time."""

    def send(self, parcel: Parcel) -> Outcome:
        """One bounded attempt. Raises nothing for what a receiver or a network can do."""
