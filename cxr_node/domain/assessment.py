"""What a person thinks of one finding of a reading (IHE AI Result Assessment, trial use).

An assessment changes no reading. It is kept for ever, beside the later ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cxr_node.domain.amendment import Person, plain_text
from cxr_node.domain.errors import AmendmentRefused
from cxr_node.domain.findings import FindingKind

LONGEST_COMMENT = 1000


class AssessmentVerdict(StrEnum):
    """What the person does with what the model said of one finding."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPPLEMENTED = "supplemented"
    """Right as far as it goes; the comment says what is missing."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verdict on one finding, before it is known who gave it and when.

    Raises :class:`AmendmentRefused` for a supplement without words, or text out of bounds.
    """

    finding: FindingKind
    verdict: AssessmentVerdict
    comment: str = ""

    def __post_init__(self) -> None:
        words = plain_text("comment", self.comment, LONGEST_COMMENT)
        object.__setattr__(self, "comment", words)
        if self.verdict is AssessmentVerdict.SUPPLEMENTED and not words:
            raise AmendmentRefused(f"{self.finding}: say in a comment what is missing")


@dataclass(frozen=True, slots=True)
class Assessment:
    """One recorded verdict on one finding of one revision's reading."""

    revision: int
    opinion: Opinion
    person: Person
    at: datetime
