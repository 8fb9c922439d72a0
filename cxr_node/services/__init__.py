"""Use cases: one per file, each owning its transactions."""
