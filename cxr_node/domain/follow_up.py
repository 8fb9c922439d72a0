"""A question that a person puts to the model after a full reading, and what it wrote."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One more turn of a stored dialogue. It changes no reading and is never delivered."""

    turn: int
    """Number in the dialogue; the reading's own turns come first, from 1."""
    prompt: str
    prompt_sha256: str
    context_sha256: str
    """Digest of everything the model had seen before this prompt."""
    answer: str
    """Cleaned, unverified text of a model."""
    settled: str
    """The exact text that later turns see as the answer."""
    model_digest: str
    asked_by: str
