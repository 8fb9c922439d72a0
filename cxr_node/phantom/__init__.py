"""Synthetic chest radiographs with known truth."""
