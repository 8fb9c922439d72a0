"""Teaches the embedded model on phantoms; needs torch, and nothing below imports it."""
