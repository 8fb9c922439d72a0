"""Commissioning: what a node must do with phantoms, what it did, and the report of both."""
