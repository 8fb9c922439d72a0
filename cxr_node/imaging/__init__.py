"""Pixels: budget, decode in a child process, grey scale, preparation for the model."""
