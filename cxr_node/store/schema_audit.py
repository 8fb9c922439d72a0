"""Tables of the audit trail and of the switches that suspend parts of the node."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cxr_node.store.schema import Base, UtcDateTime


class AuditRow(Base):
    """One record of the audit trail; triggers forbid to change or remove it."""

    __tablename__ = "audit_record"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    event: Mapped[str] = mapped_column(String(32))
    document: Mapped[str] = mapped_column(Text)
    """The record as canonical JSON: the very text that the digest covers."""
    previous: Mapped[str] = mapped_column(String(64))
    """Digest of the record before; empty for the first."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of ``previous``, a line feed and ``document``."""


class AuditSentRow(Base):
    """How far the repository has been told."""

    __tablename__ = "audit_sent"

    repository: Mapped[str] = mapped_column(String(16), primary_key=True)
    record: Mapped[int] = mapped_column(Integer)


class SwitchRow(Base):
    """Whether one part of the node is suspended, since when and by whom."""

    __tablename__ = "switch"

    part: Mapped[str] = mapped_column(String(16), primary_key=True)
    suspended: Mapped[bool] = mapped_column(Boolean)
    by: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
