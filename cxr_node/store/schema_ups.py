"""Tables of Unified Procedure Steps: work items, who follows them, and what they are to be told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from cxr_node.store.schema import Base

__all__ = ["Base", "ExamRow", "UpsEventRow", "UpsSubscriptionRow", "WorkitemRow"]


class WorkitemRow(Base):
    """One work item; columns are what is searched by, the data set is the truth of the rest."""

    __tablename__ = "workitem"
    __table_args__ = (Index("ix_workitem_state_rank", "state", "priority_rank"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    uid: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    priority_rank: Mapped[int] = mapped_column(Integer, default=1)
    """0 low, 1 medium, 2 high."""
    transaction_uid: Mapped[str] = mapped_column(String(64), default="")
    study_uid: Mapped[str] = mapped_column(String(64), default="", index=True)
    patient_id: Mapped[str] = mapped_column(Text, default="", index=True)
    created_by: Mapped[str] = mapped_column(String(16), default="")
    """AE title of who created it; empty for the node's own."""
    performed_here: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether the node reads the study for it."""
    dirty: Mapped[bool] = mapped_column(Boolean, default=False, index=True)
    """Whether the study moved on since the item was last written."""
    document: Mapped[bytes] = mapped_column(LargeBinary)
    """Its attributes as an Explicit VR Little Endian data set."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ExamRow(Base):
    """What a modality said of an exam (Modality Performed Procedure Step)."""

    __tablename__ = "exam"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    uid: Mapped[str] = mapped_column(String(64), unique=True)
    """SOP Instance UID of the performed procedure step."""
    study_uid: Mapped[str] = mapped_column(String(64), default="", index=True)
    state: Mapped[str] = mapped_column(String(16))
    """IN PROGRESS, COMPLETED or DISCONTINUED."""
    images: Mapped[str] = mapped_column(Text, default="")
    """SOP Instance UIDs that it names, blank-separated."""
    settled: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether nothing more is to be done for it."""
    wrong_entry: Mapped[bool] = mapped_column(Boolean, default=False)
    """Discontinued because the wrong patient or order had been chosen."""
    sender: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class UpsSubscriptionRow(Base):
    """Who is told of what; an empty ``uid`` is all work items, or those that fit ``keys``."""

    __tablename__ = "ups_subscription"
    __table_args__ = (UniqueConstraint("receiver", "uid"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    receiver: Mapped[str] = mapped_column(String(16))
    """AE title."""
    uid: Mapped[str] = mapped_column(String(64), index=True)
    subscribed: Mapped[bool] = mapped_column(Boolean)
    """False: left out of what a subscription to all would bring."""
    locks: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether final items are kept until the receiver lets go (deletion lock)."""
    by_web: Mapped[bool] = mapped_column(Boolean, default=False)
    keys: Mapped[bytes | None] = mapped_column(LargeBinary)
    suspended_at: Mapped[datetime | None]
    """Items created later are not told of."""
    created_at: Mapped[datetime]


class UpsEventRow(Base):
    """One event for one receiver, kept until it was told or is too old."""

    __tablename__ = "ups_event"
    __table_args__ = (Index("ix_ups_event_due", "by_web", "receiver", "next_attempt_at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    receiver: Mapped[str] = mapped_column(String(16))
    workitem_pk: Mapped[int] = mapped_column(ForeignKey("workitem.id"), index=True)
    uid: Mapped[str] = mapped_column(String(64))
    by_web: Mapped[bool] = mapped_column(Boolean)
    kind: Mapped[int] = mapped_column(Integer)
    """Event Type ID (PS3.4 Table CC.2.4-1)."""
    document: Mapped[bytes] = mapped_column(LargeBinary)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(index=True)
