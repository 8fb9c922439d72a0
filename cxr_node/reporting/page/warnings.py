"""What limits the reading: said directly below the conclusion."""

from __future__ import annotations

from cxr_node.domain.findings import Presence, Reading
from cxr_node.reporting.narrative import contradicted
from cxr_node.reporting.wording import Wording

_CONTRADICTIONS = 3
_LONGEST = 400


def warnings(reading: Reading, wording: Wording) -> tuple[str, ...]:
    """One text each, the gravest first."""
    words, conclusion = wording.page, wording.conclusion
    found = []
    if reading.outside_intended_use:
        reason = wording.phrase(reading.outside_intended_use[:_LONGEST].rstrip("."))
        found.append(conclusion.outside.format(reason=reason))
    if reading.model.statement:
        found.append(conclusion.statement.format(statement=reading.model.statement[:_LONGEST]))
    found += _contradictions(reading, wording)
    if poor := poor_quality(reading, wording):
        found.append(words.quality.format(items=poor))
    unknown = [f for f in reading.findings if f.presence is Presence.NOT_ASSESSED]
    if unknown:
        names = ", ".join(wording.findings[f.kind] for f in unknown)
        found.append(words.not_assessed.format(findings=names))
    told = {clash.words for clash in reading.contradictions}
    found += [_told(text, wording) for text in reading.warnings if text not in told]
    return tuple(found)


def poor_quality(reading: Reading, wording: Wording) -> str:
    """The aspects of image quality that are not adequate."""
    return ", ".join(
        f"{wording.quality_dimensions.get(name, name)} {wording.quality.get(grade, grade)}"
        for name, grade in reading.quality.items()
        if grade != "adequate"
    )


def _contradictions(reading: Reading, wording: Wording) -> list[str]:
    head = contradicted(reading, wording)
    said = [_told(clash.words, wording) for clash in reading.contradictions[:_CONTRADICTIONS]]
    return [f"{head} {'; '.join(said)}."] if head else []


def _told(text: str, wording: Wording) -> str:
    """A sentence of the reading, worded here if it is one of the node's own."""
    return wording.phrase(text[:_LONGEST])
