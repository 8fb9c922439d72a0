"""Tables of what other systems said in messages: orders, changes of patients, and the
messages themselves, so that one that comes twice is acted upon once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cxr_node.store.schema_desk import Base

__all__ = ["Base", "HeardMessageRow", "OrderRow", "PatientChangeRow"]


class OrderRow(Base):
    """One ordered procedure as it was last said."""

    __tablename__ = "imaging_order"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    order_key: Mapped[str] = mapped_column(String(255), unique=True)
    """Kind and value of the number that names it."""
    state: Mapped[str] = mapped_column(String(16))
    accession_number: Mapped[str] = mapped_column(String(64), default="", index=True)
    placer_number: Mapped[str] = mapped_column(String(128), default="")
    filler_number: Mapped[str] = mapped_column(String(128), default="")
    study_uid: Mapped[str] = mapped_column(String(64), default="", index=True)
    patient_id: Mapped[str] = mapped_column(String(128), default="", index=True)
    issuer: Mapped[str] = mapped_column(String(128), default="")
    patient_name: Mapped[str] = mapped_column(Text, default="")
    birth_date: Mapped[str] = mapped_column(String(16), default="")
    sex: Mapped[str] = mapped_column(String(16), default="")
    patient_class: Mapped[str] = mapped_column(String(16), default="")
    priority: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text, default="")
    procedure_scheme: Mapped[str] = mapped_column(String(64), default="")
    procedure_code: Mapped[str] = mapped_column(String(64), default="")
    procedure_text: Mapped[str] = mapped_column(Text, default="")
    scheduled_at: Mapped[str] = mapped_column(String(16), default="")
    referring_physician: Mapped[str] = mapped_column(Text, default="")
    received_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class HeardMessageRow(Base):
    """A message that was acted upon. Its content is kept only as a digest."""

    __tablename__ = "heard_message"
    __table_args__ = (UniqueConstraint("sender", "control_id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    sender: Mapped[str] = mapped_column(String(255))
    """Sending application and facility (MSH-3, MSH-4)."""
    control_id: Mapped[str] = mapped_column(String(199))
    sha256: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    received_at: Mapped[datetime]


class PatientChangeRow(Base):
    """That another system changed the patient of a study; what was sent before is not altered."""

    __tablename__ = "patient_change"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    study_pk: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    """update or merge."""
    before: Mapped[str] = mapped_column(Text)
    """Identifier, issuer, name, birth date and sex as they were, one line."""
    after: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
