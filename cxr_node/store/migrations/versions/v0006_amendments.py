"""Corrections of readings by persons, and what persons think of single findings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add two tables; nothing that is there changes."""
    op.create_table(
        "amendment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("base_revision_pk", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_amendment_revision_pk_revision")
        ),
        sa.ForeignKeyConstraint(
            ["base_revision_pk"],
            ["revision.id"],
            name=op.f("fk_amendment_base_revision_pk_revision"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_amendment")),
        sa.UniqueConstraint("revision_pk", name=op.f("uq_amendment_revision_pk")),
    )
    op.create_table(
        "assessment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("finding", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("assessed_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_assessment_revision_pk_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessment")),
    )
    op.create_index(op.f("ix_assessment_revision_pk"), "assessment", ["revision_pk"], unique=False)


def downgrade() -> None:
    """Drop them, and the jobs that no older node knows."""
    op.execute("DELETE FROM job WHERE kind = 'amend'")
    op.drop_table("assessment")
    op.drop_table("amendment")
