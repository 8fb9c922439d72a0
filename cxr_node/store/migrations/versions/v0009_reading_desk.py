"""The readers' desk: claims, what was decided on, and flags that must be acknowledged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add four tables; nothing that is there changes."""
    op.create_table(
        "desk",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_pk", sa.Integer(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False),
        *_person("reader_name", "reader_organisation", "reader_role"),
        sa.Column("claimed_until", _TIME, nullable=True),
        sa.Column("read_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["study_pk"], ["study.id"], name=op.f("fk_desk_study_pk_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk")),
        sa.UniqueConstraint("study_pk", name=op.f("uq_desk_study_pk")),
    )
    op.create_table(
        "desk_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_pk", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        *_person("person_name", "organisation", "role"),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.id"], name=op.f("fk_desk_event_study_pk_study")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_event")),
    )
    op.create_index(op.f("ix_desk_event_study_pk"), "desk_event", ["study_pk"], unique=False)
    op.create_table(
        "priority_inputs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event_pk", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_pk"],
            ["priority_event.id"],
            name=op.f("fk_priority_inputs_event_pk_priority_event"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_priority_inputs")),
        sa.UniqueConstraint("event_pk", name=op.f("uq_priority_inputs_event_pk")),
    )
    _critical_results()


def _critical_results() -> None:
    op.create_table(
        "critical_result",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_pk", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=True),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.String(length=32), nullable=False),
        sa.Column("raised_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("next_at", _TIME, nullable=True),
        sa.Column("acknowledged_at", _TIME, nullable=True),
        *_person("person_name", "organisation", "role"),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.id"], name=op.f("fk_critical_result_study_pk_study")
        ),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_critical_result_revision_pk_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_critical_result")),
    )
    op.create_index(
        op.f("ix_critical_result_study_pk"), "critical_result", ["study_pk"], unique=False
    )
    op.create_index("ix_critical_result_due", "critical_result", ["acknowledged_at", "next_at"])


def _person(name: str, organisation: str, role: str) -> tuple[sa.Column[str], ...]:
    return (
        sa.Column(name, sa.Text(), nullable=False),
        sa.Column(organisation, sa.Text(), nullable=False),
        sa.Column(role, sa.String(length=16), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("critical_result", "priority_inputs", "desk_event", "desk"):
        op.drop_table(table)
