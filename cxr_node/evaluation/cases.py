"""One graded case: what is true beside what was said. A file of these is all a report needs.

Every source of an evaluation (phantoms, dialogues, labelled images) makes the same cases, one
JSON line each, so that figures, plots and subgroups know nothing of where a case came from.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from cxr_node.domain.findings import Presence
from cxr_node.reasoning.boxes import PercentBox

NO_FINDING = "no_finding"
SUPPORT_DEVICES = "support_devices"
"""Labels beside the values of :class:`~cxr_node.domain.findings.FindingKind`."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelCase(_Frozen):
    """One label of one study. ``called`` uncertain or not assessed is no call of present."""

    label: str
    truth: bool
    called: Presence
    probability: float | None = None


class AnswerCase(_Frozen):
    """One question with a closed answer; ``given`` is empty when it was refused or not parsed."""

    stage: int
    question: str
    subject: str = ""
    expected: str
    given: str = ""


class BoxCase(_Frozen):
    """One thing to be located, in percent of the picture; any of ``truth`` may be met."""

    subject: str
    truth: tuple[PercentBox, ...]
    said: PercentBox | None = None


class TextCase(_Frozen):
    """One free text of a stage beside its reference; ``report`` is what the study's report says.

    A text is graded as reasoning where ``chain`` is set.
    """

    stage: int
    question: str
    reference: str
    said: str
    report: str = ""
    chain: bool = False


class Case(_Frozen):
    """One study, graded. ``groups`` names its subgroups, as in ``{"view": "AP"}``."""

    key: str
    groups: dict[str, str] = {}
    labels: tuple[LabelCase, ...] = ()
    answers: tuple[AnswerCase, ...] = ()
    boxes: tuple[BoxCase, ...] = ()
    texts: tuple[TextCase, ...] = ()
    flag: LabelCase | None = None
    """Whether the study is time-critical; None where that is not known."""
    ratio: tuple[float, float | None] | None = None
    """True and stated cardiothoracic ratio; None where there is no true one."""
    asked: int = 0
    refused: int = 0
    """Answers that could not be parsed, of those asked."""
    contradictions: int = 0
    seconds: float = 0.0
    failed: str = ""
    """Why the study was not read at all; nothing else is set then."""
