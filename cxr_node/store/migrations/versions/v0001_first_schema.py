"""The first schema: studies, revisions, instances, jobs, readings, results, deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create every table, those that others refer to first."""
    _create_quarantine()
    _create_study()
    _create_instance()
    _create_revision()
    _create_job()
    _create_milestone()
    _create_priority_event()
    _create_reading()
    _create_result_object()
    _create_delivery()


def downgrade() -> None:
    """Drop every table; the spool keeps its bytes."""
    for table in (
        "delivery",
        "result_object",
        "reading",
        "priority_event",
        "milestone",
        "job",
        "revision",
        "instance",
        "study",
        "quarantine",
    ):
        op.drop_table(table)


def _create_quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sender", sa.String(length=16), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )


def _create_study() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=128), nullable=False),
        sa.Column("issuer", sa.String(length=128), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.String(length=16), nullable=False),
        sa.Column("sex", sa.String(length=16), nullable=False),
        sa.Column("accession_number", sa.String(length=64), nullable=False),
        sa.Column("study_id", sa.String(length=64), nullable=False),
        sa.Column("study_date", sa.String(length=16), nullable=False),
        sa.Column("study_time", sa.String(length=16), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("referring_physician", sa.Text(), nullable=False),
        sa.Column("quality_control", sa.Boolean(), nullable=False),
        sa.Column("sender", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("priority_rank", sa.Integer(), nullable=False),
        sa.Column("priority_words", sa.Text(), nullable=False),
        sa.Column("flagged_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint("study_uid", name=op.f("uq_study_study_uid")),
    )
    op.create_index(op.f("ix_study_created_at"), "study", ["created_at"], unique=False)
    op.create_index(op.f("ix_study_priority_rank"), "study", ["priority_rank"], unique=False)
    op.create_index(op.f("ix_study_study_date"), "study", ["study_date"], unique=False)


def _create_instance() -> None:
    op.create_table(
        "instance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_pk", sa.Integer(), nullable=False),
        sa.Column("revision_number", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sender", sa.String(length=16), nullable=False),
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("view", sa.String(length=16), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("columns", sa.Integer(), nullable=True),
        sa.Column("is_image", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("conflicts", sa.Integer(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.id"], name=op.f("fk_instance_study_pk_study")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_instance_sop_instance_uid")),
    )
    op.create_index(op.f("ix_instance_study_pk"), "instance", ["study_pk"], unique=False)


def _create_revision() -> None:
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_pk", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("work_key", sa.String(length=64), nullable=False),
        sa.Column("first_received_at", _TIME, nullable=False),
        sa.Column("last_received_at", _TIME, nullable=False),
        sa.Column("state_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.id"], name=op.f("fk_revision_study_pk_study")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision")),
        sa.UniqueConstraint("study_pk", "number", name=op.f("uq_revision_study_pk_number")),
    )
    op.create_index(
        "ix_revision_state_last_received", "revision", ["state", "last_received_at"], unique=False
    )
    op.create_index(op.f("ix_revision_study_pk"), "revision", ["study_pk"], unique=False)
    op.create_index(op.f("ix_revision_work_key"), "revision", ["work_key"], unique=False)


def _create_job() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority_rank", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("lease_until", _TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_job_revision_pk_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("revision_pk", "kind", name=op.f("uq_job_revision_pk_kind")),
    )
    op.create_index(
        "ix_job_claim", "job", ["state", "kind", "priority_rank", "created_at"], unique=False
    )


def _create_milestone() -> None:
    op.create_table(
        "milestone",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_milestone_revision_pk_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestone")),
        sa.UniqueConstraint("revision_pk", "name", name=op.f("uq_milestone_revision_pk_name")),
    )


def _create_priority_event() -> None:
    op.create_table(
        "priority_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_pk", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=True),
        sa.Column("before", sa.String(length=16), nullable=False),
        sa.Column("after", sa.String(length=16), nullable=False),
        sa.Column("proposed", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_priority_event_revision_pk_revision")
        ),
        sa.ForeignKeyConstraint(
            ["study_pk"], ["study.id"], name=op.f("fk_priority_event_study_pk_study")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_priority_event")),
    )
    op.create_index(
        op.f("ix_priority_event_study_pk"), "priority_event", ["study_pk"], unique=False
    )


def _create_reading() -> None:
    op.create_table(
        "reading",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("model_digest", sa.String(length=64), nullable=False),
        sa.Column("model_seconds", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("present", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_reading_revision_pk_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reading")),
        sa.UniqueConstraint("revision_pk", "kind", name=op.f("uq_reading_revision_pk_kind")),
    )


def _create_result_object() -> None:
    op.create_table(
        "result_object",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision_pk", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("predecessor_uid", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_pk"], ["revision.id"], name=op.f("fk_result_object_revision_pk_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_result_object")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_result_object_sop_instance_uid")),
    )
    op.create_index(
        op.f("ix_result_object_revision_pk"), "result_object", ["revision_pk"], unique=False
    )


def _create_delivery() -> None:
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("object_pk", sa.Integer(), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", _TIME, nullable=False),
        sa.Column("lease_until", _TIME, nullable=True),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["object_pk"], ["result_object.id"], name=op.f("fk_delivery_object_pk_result_object")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "object_pk", "destination", name=op.f("uq_delivery_object_pk_destination")
        ),
    )
    op.create_index("ix_delivery_due", "delivery", ["state", "next_attempt_at"], unique=False)
    op.create_index(op.f("ix_delivery_object_pk"), "delivery", ["object_pk"], unique=False)
