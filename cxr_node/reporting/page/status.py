"""Whose statement the page is: the model's alone, or also a person's."""

from __future__ import annotations

from cxr_node.domain.findings import Reading
from cxr_node.reporting.person_words import banner
from cxr_node.reporting.wording import Wording


def is_verified(reading: Reading) -> bool:
    """Whether a person answers for all of it."""
    return reading.amendment is not None and reading.amendment.verified


def status(reading: Reading, wording: Wording) -> str:
    """In a few words, for a place that is seen first."""
    words = wording.page
    if is_verified(reading):
        return words.verified
    return words.unverified if reading.amendment is None else words.amended


def signed(reading: Reading, wording: Wording) -> str:
    """The same; with who and when, where a person has amended."""
    return status(reading, wording) if reading.amendment is None else banner(reading, wording)
