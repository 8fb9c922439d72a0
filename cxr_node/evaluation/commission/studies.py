"""One phantom study of a commissioning: what is true of it, and what the node made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState

PATIENT_PREFIX = "QCC-"
"""Every patient ID of a commissioning begins so; no patient's may."""


@dataclass(frozen=True, slots=True)
class PhantomStudy:
    """A study as it is sent. Findings and sides are keyed by the vocabulary's own words."""

    name: str
    """What it is there for, in words."""
    seed: int
    maker: str
    study_uid: str
    patient_id: str
    patient_name: str
    accession_number: str
    images: tuple[str, ...]
    """SOP Instance UIDs."""
    files: tuple[Path, ...]
    projection: str
    refused_for: str = ""
    """Reason code for which the node must not read it; empty for one that must be read."""
    priority: Priority = Priority.ROUTINE
    """What the site's own policy makes of the true findings."""
    findings: dict[str, str] = field(default_factory=dict)
    """Kind to present or absent; what the truth leaves open is not in it."""
    sides: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SaidFinding:
    """One finding of a report; ``sides`` is empty where none was named."""

    presence: str
    sides: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReportRead:
    """What a reader of the Structured Report finds in it; empty texts where it says nothing."""

    study_uid: str
    patient_id: str
    patient_name: str
    accession_number: str
    images: frozenset[str]
    verified: bool
    model_digest: str
    projection: str
    findings: dict[str, SaidFinding]


@dataclass(frozen=True, slots=True)
class StudyAnswer:
    """What the node made of one study, as it says itself and as its results show."""

    state: StudyState | None
    """None when the node does not list the study at all."""
    words: str = ""
    reason: str = ""
    """Reason code of a study that is not eligible."""
    priority: Priority | None = None
    findings: tuple[str, ...] = ()
    """Kinds held present, as the node's page lists them."""
    last_image_at: datetime | None = None
    flagged_at: datetime | None = None
    reported_at: datetime | None = None
    undelivered: tuple[str, ...] = ()
    """Destinations that hold no report of it, each with the reason."""
    reports: tuple[ReportRead, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Why a result object could not be read as a Structured Report."""
    refused: str = ""
    """What was answered at the door instead of 0x0000; empty when all was taken."""
    listed: Priority | None = None
    """Priority that a Modality Worklist query was answered."""
    place: int | None = None
    """Its place in that answer, from 0."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A study with its answer."""

    study: PhantomStudy
    answer: StudyAnswer

    @property
    def readable(self) -> bool:
        return not self.study.refused_for

    @property
    def report(self) -> ReportRead | None:
        """The report that is graded: the first that could be read."""
        return next(iter(self.answer.reports), None)

    @property
    def flag_seconds(self) -> float | None:
        """From the last image to the flag; a flag that came earlier counts as 0."""
        return _seconds(self.answer.last_image_at, self.answer.flagged_at)

    @property
    def report_seconds(self) -> float | None:
        """From the last image to the report."""
        return _seconds(self.answer.last_image_at, self.answer.reported_at)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return max((end - start).total_seconds(), 0.0) if start and end else None
