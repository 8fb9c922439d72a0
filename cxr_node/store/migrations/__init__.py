"""Schema versions (alembic); applied by :meth:`cxr_node.store.database.Database.migrate`."""
