"""What other systems say in messages: orders, changes of patients, and what was heard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision: str | None = "0009"

_TIME = sa.DateTime(timezone=True)
_ORDER_TEXTS = (
    ("order_key", 255),
    ("state", 16),
    ("accession_number", 64),
    ("placer_number", 128),
    ("filler_number", 128),
    ("study_uid", 64),
    ("patient_id", 128),
    ("issuer", 128),
    ("patient_name", None),
    ("birth_date", 16),
    ("sex", 16),
    ("patient_class", 16),
    ("priority", 16),
    ("reason", None),
    ("procedure_scheme", 64),
    ("procedure_code", 64),
    ("procedure_text", None),
    ("scheduled_at", 16),
    ("referring_physician", None),
)
_INDEXED = ("accession_number", "study_uid", "patient_id")


def upgrade() -> None:
    """Add three tables; nothing was ordered or heard before."""
    op.create_table(
        "imaging_order",
        sa.Column("id", sa.Integer(), nullable=False),
        *(_text(name, length) for name, length in _ORDER_TEXTS),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imaging_order")),
        sa.UniqueConstraint("order_key", name=op.f("uq_imaging_order_order_key")),
    )
    for name in _INDEXED:
        op.create_index(op.f(f"ix_imaging_order_{name}"), "imaging_order", [name], unique=False)
    op.create_table(
        "heard_message",
        sa.Column("id", sa.Integer(), nullable=False),
        _text("sender", 255),
        _text("control_id", 199),
        _text("sha256", 64),
        _text("kind", 16),
        sa.Column("received_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heard_message")),
        sa.UniqueConstraint(
            "sender", "control_id", name=op.f("uq_heard_message_sender_control_id")
        ),
    )
    op.create_table(
        "patient_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_pk", sa.Integer(), nullable=False),
        _text("kind", 16),
        _text("before", None),
        _text("after", None),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.id"], name=op.f("fk_patient_change_study_pk_study")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_change")),
    )
    op.create_index(
        op.f("ix_patient_change_study_pk"), "patient_change", ["study_pk"], unique=False
    )


def _text(name: str, length: int | None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length) if length else sa.Text(), nullable=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("patient_change")
    op.drop_table("heard_message")
    op.drop_table("imaging_order")
