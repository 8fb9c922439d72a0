"""A mark on readings that contradict themselves, so that lists need not read the documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Add the column; what was read before is not marked."""
    with op.batch_alter_table("reading") as table:
        table.add_column(
            sa.Column("review", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("reading") as table:
        table.drop_column("review")
