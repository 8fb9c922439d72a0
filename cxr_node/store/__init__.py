"""The database: schema and queries over SQLAlchemy, the same on SQLite and PostgreSQL."""
