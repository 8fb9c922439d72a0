"""Tables. The database is the truth: what is not here did not happen.

All times are aware UTC. Enumerations are stored as their text values.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in and out, also where the database keeps no zone (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time must not reach the database")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Naming convention so that migrations name constraints alike on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        str: String,
    }


class StudyRow(Base):
    """One study as the PACS knows it, with its current reading priority."""

    __tablename__ = "study"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(64), unique=True)
    patient_id: Mapped[str] = mapped_column(String(128), default="")
    issuer: Mapped[str] = mapped_column(String(128), default="")
    patient_name: Mapped[str] = mapped_column(Text, default="")
    birth_date: Mapped[str] = mapped_column(String(16), default="")
    sex: Mapped[str] = mapped_column(String(16), default="")
    accession_number: Mapped[str] = mapped_column(String(64), default="")
    study_id: Mapped[str] = mapped_column(String(64), default="")
    study_date: Mapped[str] = mapped_column(String(16), default="", index=True)
    study_time: Mapped[str] = mapped_column(String(16), default="")
    description: Mapped[str] = mapped_column(Text, default="")
    referring_physician: Mapped[str] = mapped_column(Text, default="")
    quality_control: Mapped[bool] = mapped_column(Boolean, default=False)
    sender: Mapped[str] = mapped_column(String(16), default="")
    """AE title that sent the first instance."""
    priority: Mapped[str] = mapped_column(String(16))
    priority_rank: Mapped[int] = mapped_column(Integer, index=True)
    priority_words: Mapped[str] = mapped_column(Text, default="")
    flagged_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class RevisionRow(Base):
    """One closed or open set of a study's images; a late image opens the next one."""

    __tablename__ = "revision"
    __table_args__ = (
        UniqueConstraint("study_pk", "number"),
        Index("ix_revision_state_last_received", "state", "last_received_at"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text, default="")
    """Reason code for not-eligible, what to do for parked."""
    work_key: Mapped[str] = mapped_column(String(64), default="", index=True)
    complete: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether the modality said that the exam is complete, and all its images are here."""
    first_received_at: Mapped[datetime]
    last_received_at: Mapped[datetime]
    state_at: Mapped[datetime]


class InstanceRow(Base):
    """One SOP instance that was answered 0x0000."""

    __tablename__ = "instance"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    revision_number: Mapped[int] = mapped_column(Integer)
    """The revision this instance first belonged to; later ones contain it too."""
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    series_uid: Mapped[str] = mapped_column(String(64))
    transfer_syntax: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(Integer)
    path: Mapped[str] = mapped_column(Text)
    sender: Mapped[str] = mapped_column(String(16))
    patient_key: Mapped[str] = mapped_column(String(64), default="", index=True)
    """Digest of patient ID and issuer, to see two patients in one study, and one in two."""
    view: Mapped[str] = mapped_column(String(16), default="UNKNOWN")
    rows: Mapped[int | None]
    columns: Mapped[int | None]
    is_image: Mapped[bool] = mapped_column(Boolean, default=True)
    reason: Mapped[str] = mapped_column(String(32), default="")
    """Why this instance is not read; empty for an eligible image."""
    as_prior: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether the node fetched it to compare with, so that it starts no reading."""
    duplicates: Mapped[int] = mapped_column(Integer, default=0)
    conflicts: Mapped[int] = mapped_column(Integer, default=0)
    """How often the same UID came with other bytes; those are kept in quarantine."""
    removed_at: Mapped[datetime | None]
    """When retention took the bytes away; the row stays."""
    received_at: Mapped[datetime]


class QuarantineRow(Base):
    """Bytes that were kept aside: refused data sets and conflicting instances."""

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64))
    path: Mapped[str] = mapped_column(Text)
    sender: Mapped[str] = mapped_column(String(16))
    removed_at: Mapped[datetime | None]
    received_at: Mapped[datetime]


class JobRow(Base):
    """A piece of work. Claimed by one UPDATE … RETURNING, guarded by its fencing token."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("revision_pk", "kind"),
        Index("ix_job_claim", "state", "kind", "priority_rank", "created_at"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    kind: Mapped[str] = mapped_column(String(16))
    """triage, read, amend, publish or shadow."""
    state: Mapped[str] = mapped_column(String(16))
    """waiting, running, done or parked."""
    priority_rank: Mapped[int] = mapped_column(Integer)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    owner: Mapped[str] = mapped_column(String(64), default="")
    token: Mapped[int] = mapped_column(Integer, default=0)
    """Rises with every claim; a result is written only under the current one."""
    lease_until: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    """Nobody claims it before: it waits for an earlier study that is being fetched."""
    error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class PriorFetchRow(Base):
    """The search for an earlier study of one revision's patient in other archives."""

    __tablename__ = "prior_fetch"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"), unique=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    """waiting, running or done."""
    prior_uid: Mapped[str] = mapped_column(String(64), default="", index=True)
    """The study that is being fetched: what comes of it by C-MOVE is not read."""
    source: Mapped[str] = mapped_column(String(64), default="")
    source_ae: Mapped[str] = mapped_column(String(16), default="")
    outcome: Mapped[str] = mapped_column(String(16), default="")
    """fetched, known, none or failed."""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ReadingRow(Base):
    """What one pass said, whole (:class:`cxr_node.domain.findings.Reading` as JSON)."""

    __tablename__ = "reading"
    __table_args__ = (UniqueConstraint("revision_pk", "kind"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    kind: Mapped[str] = mapped_column(String(16))
    model_digest: Mapped[str] = mapped_column(String(64))
    model_seconds: Mapped[float] = mapped_column(Float)
    document: Mapped[dict[str, Any]]
    present: Mapped[str] = mapped_column(Text, default="")
    """Keys of the findings held present, blank-separated, so that lists need not the document."""
    review: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Whether it contradicts itself."""
    created_at: Mapped[datetime]


class ShadowReadingRow(Base):
    """What a second model said of a study that another one reported; delivered nowhere."""

    __tablename__ = "shadow_reading"
    __table_args__ = (UniqueConstraint("revision_pk", "model_digest"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    model_digest: Mapped[str] = mapped_column(String(64))
    model_seconds: Mapped[float] = mapped_column(Float)
    document: Mapped[dict[str, Any]]
    agreement: Mapped[dict[str, Any]]
    """Finding by finding against the reading of the node's own model."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class FollowUpRow(Base):
    """A question that a person put to the model after a full reading, and its answer."""

    __tablename__ = "follow_up"
    __table_args__ = (UniqueConstraint("revision_pk", "model_digest", "turn"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    model_digest: Mapped[str] = mapped_column(String(64))
    turn: Mapped[int] = mapped_column(Integer)
    """Number of the turn in the dialogue; the reading's own turns come first."""
    prompt: Mapped[str] = mapped_column(Text)
    prompt_sha256: Mapped[str] = mapped_column(String(64))
    context_sha256: Mapped[str] = mapped_column(String(64))
    """Digest of everything the model had seen before this prompt."""
    answer: Mapped[str] = mapped_column(Text)
    settled: Mapped[str] = mapped_column(Text)
    """The exact text that later turns see as the answer."""
    asked_by: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[datetime]


class AmendmentRow(Base):
    """A person's correction of a revision's reading; the revision that comes of it is its key."""

    __tablename__ = "amendment"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"), unique=True)
    base_revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    document: Mapped[dict[str, Any]]
    """:class:`cxr_node.domain.amendment.Amendment` as JSON."""
    created_at: Mapped[datetime]


class AssessmentRow(Base):
    """What a person thinks of one finding of a revision's reading. Never changed or removed."""

    __tablename__ = "assessment"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"), index=True)
    finding: Mapped[str] = mapped_column(String(32))
    verdict: Mapped[str] = mapped_column(String(16))
    comment: Mapped[str] = mapped_column(Text, default="")
    person_name: Mapped[str] = mapped_column(Text)
    organisation: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(16))
    assessed_at: Mapped[datetime]


class ResultObjectRow(Base):
    """A DICOM object the node built; its UID is computed from what it says."""

    __tablename__ = "result_object"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    series_uid: Mapped[str] = mapped_column(String(64))
    predecessor_uid: Mapped[str] = mapped_column(String(64), default="")
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class DeliveryRow(Base):
    """One object to one destination. Sent means the destination said 0x0000."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("object_pk", "destination"),
        Index("ix_delivery_due", "state", "next_attempt_at"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    object_pk: Mapped[int] = mapped_column(ForeignKey("result_object.id"), index=True)
    destination: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    """waiting, sending, sent, unconfirmed, confirmed, parked, declined or dropped."""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    token: Mapped[int] = mapped_column(Integer, default=0)
    last_status: Mapped[int | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    transaction_uid: Mapped[str] = mapped_column(
        String(64), default="", server_default="", index=True
    )
    """Storage commitment: the question that its destination has not answered yet."""
    confirm_at: Mapped[datetime | None]
    """Storage commitment: when to ask, or to ask again."""
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class CommitmentRequestRow(Base):
    """A peer asked whether instances are safe here; answered until it has heard."""

    __tablename__ = "commitment_request"
    __table_args__ = (
        UniqueConstraint("transaction_uid", "peer"),
        Index("ix_commitment_request_due", "state", "next_attempt_at"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    peer: Mapped[str] = mapped_column(String(64))
    transaction_uid: Mapped[str] = mapped_column(String(64))
    document: Mapped[dict[str, Any]]
    """``references``: SOP class and instance of each."""
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime]
    last_error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]


class PriorityEventRow(Base):
    """A decision about priority with its rule, also where nothing changed."""

    __tablename__ = "priority_event"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    revision_pk: Mapped[int | None] = mapped_column(ForeignKey("revision.id"))
    before: Mapped[str] = mapped_column(String(16))
    after: Mapped[str] = mapped_column(String(16))
    proposed: Mapped[str] = mapped_column(String(16))
    rule: Mapped[str] = mapped_column(String(64))
    words: Mapped[str] = mapped_column(Text)
    policy_version: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(String(16))
    """triage, read or the name of a person's role."""
    at: Mapped[datetime]


class MilestoneRow(Base):
    """A moment of a revision's life, recorded once."""

    __tablename__ = "milestone"
    __table_args__ = (UniqueConstraint("revision_pk", "name"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision_pk: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    name: Mapped[str] = mapped_column(String(24))
    at: Mapped[datetime]


class CanaryRunRow(Base):
    """One turn of the canary: queued, claimed under a token, and what came of it."""

    __tablename__ = "canary_run"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    scheduled_at: Mapped[datetime]
    token: Mapped[int] = mapped_column(Integer, default=0)
    lease_until: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    model_digest: Mapped[str] = mapped_column(String(64), default="")
    picture_sha256: Mapped[str] = mapped_column(String(64), default="")
    answers: Mapped[dict[str, Any]]
    words: Mapped[str] = mapped_column(Text, default="")
    """What differs from the reference, or why there is no answer; one line each."""
    model_seconds: Mapped[float | None] = mapped_column(Float)


class CanaryReferenceRow(Base):
    """The answers that a model must give again of one picture, to the byte."""

    __tablename__ = "canary_reference"
    __table_args__ = (UniqueConstraint("model_digest", "picture_sha256"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    model_digest: Mapped[str] = mapped_column(String(64))
    picture_sha256: Mapped[str] = mapped_column(String(64))
    answers: Mapped[dict[str, Any]]
    accepted_by: Mapped[str] = mapped_column(String(64), default="")
    """Empty where the first answers were taken."""
    stored_at: Mapped[datetime]
