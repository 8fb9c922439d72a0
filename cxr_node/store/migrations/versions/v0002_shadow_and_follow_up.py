"""Readings of a second model, and questions put to a model after its reading."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add two tables; nothing that is there changes."""
    _create_shadow_reading()
    _create_follow_up()


def downgrade() -> None:
    """Drop them, and the jobs that no older node knows."""
    op.execute("DELETE FROM job WHERE kind = 'shadow'")
    op.drop_table("follow_up")
    op.drop_table("shadow_reading")


def _create_shadow_reading() -> None:
    op.create_table(
        "shadow_reading",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("model_digest", sa.String(length=64), nullable=False),
        sa.Column("model_seconds", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("agreement", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_shadow_reading_revision_pk_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_reading")),
        sa.UniqueConstraint(
            "revision_pk", "model_digest", name=op.f("uq_shadow_reading_revision_pk_model_digest")
        ),
    )
    op.create_index(
        op.f("ix_shadow_reading_created_at"), "shadow_reading", ["created_at"], unique=False
    )


def _create_follow_up() -> None:
    op.create_table(
        "follow_up",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("model_digest", sa.String(length=64), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("prompt_sha256", sa.String(length=64), nullable=False),
        sa.Column("context_sha256", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("settled", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_follow_up_revision_pk_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_up")),
        sa.UniqueConstraint(
            "revision_pk",
            "model_digest",
            "turn",
            name=op.f("uq_follow_up_revision_pk_model_digest_turn"),
        ),
    )
