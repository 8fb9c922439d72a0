"""The parts of the node that a person can suspend, and what a suspension says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Part(StrEnum):
    """What can be stopped without stopping the node."""

    INTAKE = "intake"
    """New images are refused for now (0xA700); senders keep them and try again."""
    READING = "reading"
    """No further study is read; the one that is being read is read to its end."""
    DELIVERY = "delivery"
    """Nothing further is sent; results wait in the outbox."""


WORDS = {
    Part.INTAKE: "Intake is suspended: new images are refused for now",
    Part.READING: "Reading is suspended: studies arrive and wait unread",
    Part.DELIVERY: "Delivery is suspended: results wait and are not sent",
}


@dataclass(frozen=True, slots=True)
class Suspension:
    """Who suspended a part, when and why."""

    part: Part
    by: str
    reason: str
    at: datetime

    @property
    def words(self) -> str:
        """One sentence for pages and tools."""
        why = f", because: {self.reason}" if self.reason else ""
        return f"{WORDS[self.part]} (by {self.by}{why})"
