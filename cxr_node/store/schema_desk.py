"""Tables of the reading worklist: who reads what, what was decided on, what must be acknowledged.

Apart from the study's own row, so that a reader who claims a study waits for no instance
that is just arriving. A study that nobody has touched has no row here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cxr_node.store.schema import Base

__all__ = ["Base", "CriticalResultRow", "DeskEventRow", "DeskRow", "PriorityInputsRow"]


class DeskRow(Base):
    """A study on the readers' desk: where its patient is, who claimed it, when it was read."""

    __tablename__ = "desk"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.id"), unique=True)
    department: Mapped[str] = mapped_column(Text, default="")
    """Where the patient is or was sent from, as the image's header has it."""
    reader_name: Mapped[str] = mapped_column(Text, default="")
    reader_organisation: Mapped[str] = mapped_column(Text, default="")
    reader_role: Mapped[str] = mapped_column(String(16), default="")
    claimed_until: Mapped[datetime | None]
    """None where nobody reads it; a past moment is a claim that ran out."""
    read_at: Mapped[datetime | None]
    """When a person said that it is read; what arrives later opens it again."""


class DeskEventRow(Base):
    """Something a person did with a study, or that was done in their absence. Never changed."""

    __tablename__ = "desk_event"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    """claimed, released, read, opened, acknowledged or escalated."""
    person_name: Mapped[str] = mapped_column(Text, default="")
    organisation: Mapped[str] = mapped_column(Text, default="")
    role: Mapped[str] = mapped_column(String(16), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]


class PriorityInputsRow(Base):
    """What the rules were given for one decision, and which of them held."""

    __tablename__ = "priority_inputs"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    event_pk: Mapped[int] = mapped_column(ForeignKey("priority_event.id"), unique=True)
    document: Mapped[dict[str, Any]]


class CriticalResultRow(Base):
    """A time-critical flag that a named person must acknowledge within the policy's limit."""

    __tablename__ = "critical_result"
    __table_args__ = (Index("ix_critical_result_due", "acknowledged_at", "next_at"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    revision_pk: Mapped[int | None] = mapped_column(ForeignKey("revision.id"))
    priority: Mapped[str] = mapped_column(String(16))
    rule: Mapped[str] = mapped_column(String(64))
    words: Mapped[str] = mapped_column(Text)
    policy_version: Mapped[str] = mapped_column(String(32))
    raised_at: Mapped[datetime]
    due_at: Mapped[datetime]
    level: Mapped[int] = mapped_column(Integer, default=0)
    """How often it was escalated."""
    next_at: Mapped[datetime | None]
    """When it is escalated next; None when nobody further is named, or it is settled."""
    acknowledged_at: Mapped[datetime | None]
    person_name: Mapped[str] = mapped_column(Text, default="")
    organisation: Mapped[str] = mapped_column(Text, default="")
    role: Mapped[str] = mapped_column(String(16), default="")
