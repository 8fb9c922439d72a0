"""The canary: its runs, and the answers that each model must give again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add two tables; nothing that is there changes."""
    op.create_table(
        "canary_run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("scheduled_at", _TIME, nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("lease_until", _TIME, nullable=True),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.Column("model_digest", sa.String(length=64), nullable=False),
        sa.Column("picture_sha256", sa.String(length=64), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("model_seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canary_run")),
    )
    op.create_table(
        "canary_reference",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_digest", sa.String(length=64), nullable=False),
        sa.Column("picture_sha256", sa.String(length=64), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("accepted_by", sa.String(length=64), nullable=False),
        sa.Column("stored_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canary_reference")),
        sa.UniqueConstraint(
            "model_digest",
            "picture_sha256",
            name=op.f("uq_canary_reference_model_digest_picture_sha256"),
        ),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("canary_reference")
    op.drop_table("canary_run")
