"""An index that finds a patient's earlier studies without reading every instance."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Add the index; nothing that is there changes."""
    op.create_index(op.f("ix_instance_patient_key"), "instance", ["patient_key"], unique=False)


def downgrade() -> None:
    """Drop it."""
    op.drop_index(op.f("ix_instance_patient_key"), table_name="instance")
