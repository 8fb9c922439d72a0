"""Alembic's entry: runs inside the transaction that ``Database.migrate`` has opened.

The lock against a second migrating process is that transaction's own.
"""

from __future__ import annotations

from alembic import context

from cxr_node.store import schema_audit, schema_ups  # noqa: F401 - registers its tables
from cxr_node.store.schema_orders import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
context.run_migrations()
