"""Work items (Unified Procedure Steps), subscriptions, events on their way, and exams."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision: str | None = "0011"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add tables, and a mark for complete studies; nothing that is there changes."""
    # In place: a copy of the table would leave those that refer to it behind.
    complete: sa.Column[bool] = sa.Column(
        "complete", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("revision", complete)
    op.create_table(
        "workitem",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority_rank", sa.Integer(), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=16), nullable=False),
        sa.Column("performed_here", sa.Boolean(), nullable=False),
        sa.Column("dirty", sa.Boolean(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workitem")),
        sa.UniqueConstraint("uid", name=op.f("uq_workitem_uid")),
    )
    op.create_index("ix_workitem_state_rank", "workitem", ["state", "priority_rank"])
    for column in ("study_uid", "patient_id", "dirty"):
        op.create_index(op.f(f"ix_workitem_{column}"), "workitem", [column], unique=False)
    op.create_table(
        "ups_subscription",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("receiver", sa.String(length=16), nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("subscribed", sa.Boolean(), nullable=False),
        sa.Column("locks", sa.Boolean(), nullable=False),
        sa.Column("by_web", sa.Boolean(), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=True),
        sa.Column("suspended_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ups_subscription")),
        sa.UniqueConstraint("receiver", "uid", name=op.f("uq_ups_subscription_receiver_uid")),
    )
    op.create_index(op.f("ix_ups_subscription_uid"), "ups_subscription", ["uid"], unique=False)
    _create_events()
    op.create_table(
        "exam",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("images", sa.Text(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("wrong_entry", sa.Boolean(), nullable=False),
        sa.Column("sender", sa.String(length=16), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exam")),
        sa.UniqueConstraint("uid", name=op.f("uq_exam_uid")),
    )
    op.create_index(op.f("ix_exam_study_uid"), "exam", ["study_uid"], unique=False)


def _create_events() -> None:
    op.create_table(
        "ups_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("receiver", sa.String(length=16), nullable=False),
        sa.Column("workitem_pk", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("by_web", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _TIME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["workitem_pk"], ["workitem.id"], name=op.f("fk_ups_event_workitem_pk_workitem")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ups_event")),
    )
    op.create_index("ix_ups_event_due", "ups_event", ["by_web", "receiver", "next_attempt_at"])
    op.create_index(op.f("ix_ups_event_created_at"), "ups_event", ["created_at"], unique=False)
    op.create_index(op.f("ix_ups_event_workitem_pk"), "ups_event", ["workitem_pk"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("exam")
    op.drop_table("ups_event")
    op.drop_table("ups_subscription")
    op.drop_table("workitem")
    op.drop_column("revision", "complete")
