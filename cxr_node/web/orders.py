"""What a person sends to correct or assess, as typed models, and how the page asks for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from cxr_node.domain.amendment import MOST_CORRECTIONS, Person, PersonRole
from cxr_node.domain.assessment import AssessmentVerdict, Opinion
from cxr_node.domain.findings import FindingKind
from cxr_node.domain.priority import Priority
from cxr_node.reasoning.given import LONGEST_ANSWER, placed
from cxr_node.services.amend import AmendmentWish

_Text = Annotated[str, Field(max_length=LONGEST_ANSWER)]


class Order(BaseModel):
    """A JSON object that holds nothing but its own keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PersonOrder(Order):
    """Who speaks. The node believes it: whoever has the token answers for the name."""

    name: _Text = Field(description="Person Name, Family^Given")
    organisation: _Text
    role: PersonRole

    def person(self) -> Person:
        """Raises :class:`AmendmentRefused`."""
        return Person(self.name, self.organisation, self.role)


class CorrectionOrder(Order):
    """One answer in the model's place."""

    place: _Text = Field(description="stage.question/subject, as in findings.presence/edema")
    answer: _Text = Field(
        description="an option, a text, a box (x0, y0), (x1, y1) in percent, or not assessed"
    )


class AmendmentOrder(Order):
    """A correction of a reading."""

    revision: int = Field(description="the revision that was looked at; another newest one is 409")
    person: PersonOrder
    reason: _Text
    corrections: Annotated[list[CorrectionOrder], Field(max_length=MOST_CORRECTIONS)] = []
    verified: bool = Field(False, description="the person answers for the whole report")
    priority: Priority | None = None

    def wish(self) -> AmendmentWish:
        """Raises :class:`AmendmentRefused` saying what would be right."""
        return AmendmentWish(
            person=self.person.person(),
            reason=self.reason,
            corrections=tuple(placed(c.place, c.answer) for c in self.corrections),
            verified=self.verified,
            priority=self.priority,
            revision=self.revision,
        )


class OpinionOrder(Order):
    """A verdict on one finding."""

    finding: FindingKind
    verdict: AssessmentVerdict
    comment: _Text = ""

    def opinion(self) -> Opinion:
        """Raises :class:`AmendmentRefused`."""
        return Opinion(self.finding, self.verdict, self.comment)


class AssessmentOrder(Order):
    """Verdicts on findings of a reading."""

    revision: int = Field(description="the revision whose reading was looked at")
    person: PersonOrder
    findings: Annotated[list[OpinionOrder], Field(min_length=1, max_length=len(FindingKind))]


class Taken(Order):
    """What came of an order."""

    revision: int = Field(description="the revision that will hold, or holds, the reading")
