"""Verdicts of persons on findings: which are possible, and which a correction implies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cxr_node.domain.amendment import Correction
from cxr_node.domain.assessment import LONGEST_COMMENT, AssessmentVerdict, Opinion
from cxr_node.domain.errors import AmendmentRefused
from cxr_node.domain.findings import FindingKind, Presence, Reading
from cxr_node.domain.stages import StageKey

_PRESENCE = (StageKey.FINDINGS, "presence")


def implied(reading: Reading, corrections: Sequence[Correction]) -> Iterator[Opinion]:
    """What corrections say of the model's findings, one verdict for each finding.

    Another presence rejects it, the same one accepts it, another attribute supplements it.
    """
    for finding in reading.findings:
        own = [c for c in corrections if c.subject == finding.kind]
        if not own or finding.by_person or finding.presence is Presence.NOT_ASSESSED:
            continue
        told = "; ".join(f"{c.place}={c.answer}" for c in own)
        verdict = _verdict(finding.presence, own)
        yield Opinion(finding.kind, verdict, f"corrected: {told}"[:LONGEST_COMMENT])


def _verdict(held: Presence, own: Sequence[Correction]) -> AssessmentVerdict:
    for correction in own:
        if (correction.stage, correction.question) == _PRESENCE and correction.answer != held:
            return AssessmentVerdict.REJECTED
    if all((c.stage, c.question) == _PRESENCE for c in own):
        return AssessmentVerdict.ACCEPTED
    return AssessmentVerdict.SUPPLEMENTED


def check_assessable(reading: Reading, opinion: Opinion) -> None:
    """Raises :class:`AmendmentRefused` where the model said nothing that could be judged."""
    finding = next(f for f in reading.findings if f.kind is FindingKind(opinion.finding))
    if finding.by_person:
        raise AmendmentRefused(f"{finding.kind}: was given by a person, not by the model")
    missed = opinion.verdict is AssessmentVerdict.SUPPLEMENTED
    if finding.presence is Presence.NOT_ASSESSED and not missed:
        raise AmendmentRefused(f"{finding.kind}: the model said nothing of it; only supplement it")
