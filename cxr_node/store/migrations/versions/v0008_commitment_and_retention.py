"""Storage commitment, and bytes that retention took away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"

_TIME = sa.DateTime(timezone=True)
_WITH_BYTES = ("instance", "quarantine", "result_object")


def upgrade() -> None:
    """Add a table and columns that older processes may leave out; nothing else changes."""
    op.create_table(
        "commitment_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("peer", sa.String(length=64), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _TIME, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment_request")),
        sa.UniqueConstraint(
            "transaction_uid", "peer", name=op.f("uq_commitment_request_transaction_uid_peer")
        ),
    )
    op.create_index("ix_commitment_request_due", "commitment_request", ["state", "next_attempt_at"])
    op.add_column(
        "delivery",
        sa.Column("transaction_uid", sa.String(length=64), nullable=False, server_default=""),
    )
    op.add_column("delivery", sa.Column("confirm_at", _TIME, nullable=True))
    op.create_index(op.f("ix_delivery_transaction_uid"), "delivery", ["transaction_uid"])
    for table in _WITH_BYTES:
        op.add_column(table, sa.Column("removed_at", _TIME, nullable=True))


def downgrade() -> None:
    """Drop them; what was stored but not confirmed counts as sent, as it did before."""
    op.execute("UPDATE delivery SET state = 'sent' WHERE state IN ('unconfirmed', 'confirmed')")
    op.execute("UPDATE delivery SET state = 'parked' WHERE state = 'dropped'")
    for table in _WITH_BYTES:
        op.drop_column(table, "removed_at")
    op.drop_index(op.f("ix_delivery_transaction_uid"), "delivery")
    op.drop_column("delivery", "confirm_at")
    op.drop_column("delivery", "transaction_uid")
    op.drop_table("commitment_request")
