"""Findings and impression out of the text of a radiology report, by its headings.

A report without such headings gives nothing: which of its sentences are findings would be a
guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADING = re.compile(
    r"^[ \t]*(?P<name>[A-Z][A-Z0-9 ,./()&'-]{2,70}?|(?i:findings?|impressions?|conclusions?|"
    r"findings? (?:and|/|&) impressions?|impressions? (?:and|/|&) findings?))[ \t]*:",
    re.MULTILINE,
)
_FINDINGS = re.compile(r"(?:RADIOGRAPHIC |CHEST )?(?:FINDINGS?|OBSERVATIONS?)")
_IMPRESSION = re.compile(
    r"(?:FINAL |RADIOGRAPHIC )?(?:IMPRESSIONS?|CONCLUSIONS?|OPINION|SUMMARY|INTERPRETATION)"
)
_BOTH = re.compile(
    r"(?:FINDINGS?\s*(?:AND|/|&|,)\s*IMPRESSIONS?|IMPRESSIONS?\s*(?:AND|/|&|,)\s*FINDINGS?)"
)
_VIEW = re.compile(
    r"(?!.*\b(?:EXAM\w*|TECHNIQUE|COMPARISON|INDICATION|HISTORY)\b)"
    r".*\b(?:CHEST|RADIOGRAPHS?|VIEWS?)\b.*"
)
"""Many reports put what they see behind the name of the view."""


@dataclass(frozen=True, slots=True)
class ReportSections:
    """Blanks run together; empty where the report has no such section."""

    findings: str = ""
    impression: str = ""
    together: str = ""
    """One section that is both; the other two are empty then."""

    def __bool__(self) -> bool:
        return bool(self.findings or self.impression or self.together)


def report_sections(text: str) -> ReportSections:
    """The sections of a report; the text behind the same heading twice is joined."""
    found: dict[str, list[str]] = {"findings": [], "impression": [], "together": [], "view": []}
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=False):
        body = " ".join(text[heading.end() : end].split())
        kind = _kind(" ".join(heading["name"].upper().split()))
        if kind and body:
            found[kind].append(body)
    findings, impression, together, view = (" ".join(found[kind]) for kind in found)
    if together and not (findings or impression):
        return ReportSections(together=together)
    return ReportSections(findings or together or view, impression)


def _kind(name: str) -> str:
    for kind, pattern in (
        ("together", _BOTH),
        ("findings", _FINDINGS),
        ("impression", _IMPRESSION),
        ("view", _VIEW),
    ):
        if pattern.fullmatch(name):
            return kind
    return ""
