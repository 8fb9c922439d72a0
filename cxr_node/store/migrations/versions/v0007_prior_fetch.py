"""Searches for earlier studies, the mark of what they fetched, and jobs held for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add a table and two columns; nothing that is there was fetched or is held."""
    with op.batch_alter_table("instance") as table:
        table.add_column(
            sa.Column("as_prior", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("job") as table:
        table.add_column(sa.Column("held_until", _TIME, nullable=True))
    op.create_table(
        "prior_fetch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("prior_uid", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_ae", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_prior_fetch_revision_pk_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prior_fetch")),
        sa.UniqueConstraint("revision_pk", name=op.f("uq_prior_fetch_revision_pk")),
    )
    op.create_index(op.f("ix_prior_fetch_prior_uid"), "prior_fetch", ["prior_uid"], unique=False)
    op.create_index(op.f("ix_prior_fetch_state"), "prior_fetch", ["state"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("prior_fetch")
    with op.batch_alter_table("job") as table:
        table.drop_column("held_until")
    with op.batch_alter_table("instance") as table:
        table.drop_column("as_prior")
