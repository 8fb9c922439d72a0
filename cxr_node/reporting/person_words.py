"""Whose statement a result is, in the words of a person's amendment."""

from __future__ import annotations

from datetime import UTC

from cxr_node.domain.amendment import Amendment
from cxr_node.domain.findings import Reading
from cxr_node.reporting.text import clean_line
from cxr_node.reporting.wording import Wording


def banner(reading: Reading, wording: Wording) -> str:
    """Whose statement the result is: the first sentence of everything a person reads."""
    amendment = reading.amendment
    if amendment is None:
        return wording.conclusion.banner
    words = wording.amendment
    template = words.verified if amendment.verified else words.amended
    return clean_line(template.format(**person_words(amendment)))


def series_words(reading: Reading, wording: Wording) -> str:
    """The series' description of an amended reading; empty for a model's own."""
    if reading.amendment is None:
        return ""
    words = wording.amendment
    return words.series_verified if reading.amendment.verified else words.series_amended


def person_words(amendment: Amendment) -> dict[str, str]:
    """Name as it is spoken, and organisation of the person who amended, and when."""
    person = amendment.person
    family, given, middle, prefix, suffix = (*person.name.split("=")[0].split("^"), *[""] * 5)[:5]
    parts = (part.strip() for part in (prefix, given, middle, family, suffix))
    return {
        "name": " ".join(part for part in parts if part),
        "organisation": person.organisation,
        "date": amendment.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
