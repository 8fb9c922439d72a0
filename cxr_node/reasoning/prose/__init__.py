"""Reads report English: which findings a text names, how, where, and what it does not say."""
