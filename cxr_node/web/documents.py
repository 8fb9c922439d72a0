"""The JSON documents of the API, as typed models; the same content as the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import Field

from cxr_node.domain import eligibility
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState, VisibleState
from cxr_node.domain.worklist import (
    Acknowledgement,
    DeliveryStatus,
    ReaderClaim,
    WorklistEntry,
)
from cxr_node.web import words
from cxr_node.web.reading_documents import Document, ReadingDocument
from cxr_node.web.source import ResultObject, RevisionLine, StoredImage, StudyPage


class Delivery(Document):
    """One result object at one destination."""

    destination: str
    state: str = Field(description="waiting, sending, sent or parked; sent means status 0x0000")
    attempts: int
    last_status: str = Field(description="DIMSE status of the last attempt, or empty")
    last_error: str
    advice: str = Field(description="what happens next, or what to do")

    @classmethod
    def of(cls, status: DeliveryStatus) -> Self:
        return cls(
            destination=status.destination,
            state=status.state,
            attempts=status.attempts,
            last_status=words.dimse_status(status.last_status),
            last_error=words.shown(status.last_error),
            advice=words.delivery_advice(status),
        )


class ClaimDocument(Document):
    """Who reads the study now."""

    name: str = Field(description="Person Name, caret form")
    organisation: str
    role: str
    until: datetime


class AcknowledgementDocument(Document):
    """A time-critical flag that a named person must acknowledge."""

    due_at: datetime
    escalated: int = Field(description="how often it was escalated")
    acknowledged_at: datetime | None
    by: str = Field(description="name and role of who acknowledged it")


class WorklistItem(Document):
    """One line of the reading worklist. Text from DICOM headers is cleaned for display."""

    study_uid: str
    accession_number: str
    patient_id: str
    patient_name: str = Field(description="Person Name as received, caret form")
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    study_description: str
    sender: str
    view: str
    revision: int
    state: StudyState
    visible_state: VisibleState = Field(description="the one state a person sees")
    words: str = Field(description="why, or what to do")
    priority: Priority
    priority_words: str
    findings: list[str] = Field(description="keys of the findings held present")
    review: bool = Field(description="the reading contradicts itself")
    phantom: bool = Field(description="quality control images: no patient")
    received_at: datetime
    last_image_at: datetime
    flagged_at: datetime | None
    reported_at: datetime | None
    due_at: datetime | None = Field(description="when it is due; null without due times")
    claim: ClaimDocument | None
    read_at: datetime | None = Field(description="when a reader said that it is read")
    acknowledgement: AcknowledgementDocument | None
    deliveries: list[Delivery]

    @classmethod
    def of(cls, entry: WorklistEntry) -> Self:
        study, patient, clean = entry.study, entry.patient, words.shown
        return cls(
            study_uid=study.study_uid.text,
            accession_number=clean(study.accession_number),
            patient_id=clean(patient.patient_id),
            patient_name=clean(patient.name),
            birth_date=clean(patient.birth_date),
            sex=clean(patient.sex),
            study_date=clean(study.study_date),
            study_time=clean(study.study_time),
            study_description=clean(study.description),
            sender=clean(entry.sender),
            view=clean(entry.view),
            revision=entry.revision,
            state=entry.state,
            visible_state=entry.visible,
            words=words.why(entry),
            priority=entry.priority,
            priority_words=clean(entry.priority_words),
            findings=[clean(key) for key in entry.findings],
            review=entry.review,
            phantom=entry.phantom,
            received_at=entry.received_at,
            last_image_at=entry.last_image_at,
            flagged_at=entry.flagged_at,
            reported_at=entry.reported_at,
            due_at=entry.due_at,
            claim=_claim(entry.claim),
            read_at=entry.read_at,
            acknowledgement=_acknowledgement(entry.critical),
            deliveries=[Delivery.of(delivery) for delivery in entry.deliveries],
        )


def _claim(claim: ReaderClaim | None) -> ClaimDocument | None:
    if claim is None:
        return None
    name, organisation = words.shown(claim.name), words.shown(claim.organisation)
    return ClaimDocument(name=name, organisation=organisation, role=claim.role, until=claim.until)


def _acknowledgement(asked: Acknowledgement | None) -> AcknowledgementDocument | None:
    if asked is None:
        return None
    return AcknowledgementDocument(
        due_at=asked.due_at,
        escalated=asked.level,
        acknowledged_at=asked.acknowledged_at,
        by=words.shown(asked.by),
    )


class Worklist(Document):
    """The reading worklist: flagged first, then what is due first; what was read stands last."""

    at: datetime
    counts: dict[VisibleState, int]
    queue: dict[str, int] = Field(description="jobs waiting or running, by kind")
    studies: list[WorklistItem]


class ImageDocument(Document):
    """One stored instance."""

    sop_instance_uid: str
    view: str
    rows: int | None
    columns: int | None
    revision: int
    received_at: datetime
    reason: str = Field(description="code of why it is not read; empty for an eligible image")
    reason_words: str

    @classmethod
    def of(cls, image: StoredImage) -> Self:
        return cls(
            sop_instance_uid=image.sop_instance_uid.text,
            view=image.view,
            rows=image.rows,
            columns=image.columns,
            revision=image.revision,
            received_at=image.received_at,
            reason=image.reason.value if image.reason else "",
            reason_words=eligibility.WORDS[image.reason] if image.reason else "",
        )


class RevisionDocument(Document):
    """One revision of the study."""

    number: int
    state: StudyState
    reason: str
    first_received_at: datetime
    last_received_at: datetime

    @classmethod
    def of(cls, line: RevisionLine) -> Self:
        return cls(
            number=line.number,
            state=line.state,
            reason=words.shown(line.reason),
            first_received_at=line.first_received_at,
            last_received_at=line.last_received_at,
        )


class ObjectDocument(Document):
    """One DICOM object the node built."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    predecessor_uid: str
    revision: int
    created_at: datetime
    deliveries: list[Delivery]

    @classmethod
    def of(cls, built: ResultObject) -> Self:
        return cls(
            kind=built.kind,
            sop_class_uid=built.sop_class_uid.text,
            sop_instance_uid=built.sop_instance_uid.text,
            predecessor_uid=built.predecessor_uid,
            revision=built.revision,
            created_at=built.created_at,
            deliveries=[Delivery.of(delivery) for delivery in built.deliveries],
        )


class StudyDocument(Document):
    """All that is known of one study."""

    study: WorklistItem
    images: list[ImageDocument]
    reading: ReadingDocument | None
    reading_revision: int | None = Field(description="the revision that was read")
    milestones: dict[str, datetime]
    revisions: list[RevisionDocument]
    objects: list[ObjectDocument]
    notes: list[str] = Field(description="what other systems said: its order, patient changes")

    @classmethod
    def of(cls, page: StudyPage) -> Self:
        return cls(
            study=WorklistItem.of(page.entry),
            images=[ImageDocument.of(image) for image in page.images],
            reading=ReadingDocument.of(page.reading) if page.reading else None,
            reading_revision=page.reading_revision,
            milestones={name.value: at for name, at in page.milestones.items()},
            revisions=[RevisionDocument.of(line) for line in page.revisions],
            objects=[ObjectDocument.of(built) for built in page.objects],
            notes=list(page.notes),
        )


class Problem(Document):
    """Why a request was not answered."""

    code: str
    message: str


class ComponentDocument(Document):
    """One part of the node."""

    working: bool
    words: str


class Readiness(Document):
    """Whether the node can take and read studies, and the first part that cannot."""

    ready: bool
    first_broken: str | None
    components: dict[str, ComponentDocument]
    alarms: list[str] = Field(description="what a person must look at though the node works")
