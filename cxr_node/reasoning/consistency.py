"""Checks of one statement of a reading against another. A contradiction is shown, never repaired.

Here: the projection against the header, the overall verdict against the findings, what was
named beside them. The texts are held against the answers in ``text_checks.py``, places,
relations and changes in ``site_checks.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from cxr_node.domain.findings import (
    Clash,
    Contradiction,
    FindingKind,
    Presence,
    Reading,
)
from cxr_node.domain.instance import View
from cxr_node.reasoning import site_checks, text_checks
from cxr_node.reasoning.no_finding import NORMAL_BELOW, called_normal
from cxr_node.reasoning.prose.terms import NamedTerms

_LATERAL = View.LATERAL.value
_KEPT = 0.5
"""Share of its confidence that a finding keeps for every contradiction that touches it."""


def contradictions(reading: Reading, terms: NamedTerms) -> tuple[Contradiction, ...]:
    """Everything in ``reading`` that cannot all be true; ``terms`` were named beside it.

    Silence is never a contradiction: a text need not speak of every finding.
    """
    found = (
        *_projection(reading),
        *_overall(reading),
        *_named_beside(reading, terms),
        *text_checks.clashes(reading),
        *site_checks.clashes(reading),
    )
    return tuple(dict.fromkeys(found))


def lowered(confidence: float | None, contradicted: int) -> float | None:
    """Confidence of a finding that ``contradicted`` contradictions touch; None stays None."""
    return None if confidence is None else confidence * _KEPT**contradicted


def without_corrected_thoughts(reading: Reading) -> Reading:
    """Without contradictions between what a person said and the thoughts that came before it.

    That the model had thought otherwise is why it was corrected; what it writes afterwards
    against the correction stays a contradiction.
    """
    corrected = {f.kind for f in reading.findings if f.by_person}
    before = (Clash.TRACE, Clash.NO_FINDING)
    kept = (
        clash
        for clash in reading.contradictions
        if not (clash.clash in before and clash.findings and corrected.issuperset(clash.findings))
    )
    return replace(reading, contradictions=tuple(kept))


def doubted(reading: Reading) -> Reading:
    """``reading`` with every contradiction once and the confidence it costs taken away.

    Presence and probability stay what they are: a contradiction lowers no flag.
    """
    clashes = tuple(dict.fromkeys(reading.contradictions))
    counts = Counter(kind for clash in clashes for kind in set(clash.findings))
    findings = tuple(
        replace(f, confidence=lowered(f.confidence, counts[f.kind])) for f in reading.findings
    )
    return replace(reading, findings=findings, contradictions=clashes)


def _projection(reading: Reading) -> Iterator[Contradiction]:
    seen, header = (reading.projection or "").upper(), reading.images[0].view.upper()
    if seen and header in (View.PA, View.AP, _LATERAL) and seen != header:
        words = f"the model sees a projection {reading.projection}, the header says {header}"
    elif seen == _LATERAL and header != _LATERAL:
        words = "the model sees a lateral projection"
    else:
        return
    yield Contradiction(Clash.HEADER, words, _touched_by_projection(reading, seen, header))


def _touched_by_projection(reading: Reading, seen: str, header: str) -> tuple[FindingKind, ...]:
    """AP enlarges the heart; on a lateral view neither side nor box means anything."""
    present = tuple(f.kind for f in reading.present)
    if _LATERAL in (seen, header):
        return present
    size = (FindingKind.CARDIOMEGALY, FindingKind.ENLARGED_CARDIOMEDIASTINUM)
    return tuple(kind for kind in present if kind in size)


def _overall(reading: Reading) -> Iterator[Contradiction]:
    """Called normal beside a pathology, or abnormal with nothing found."""
    yield from called_normal(reading)
    if reading.abnormal is None or reading.abnormal < NORMAL_BELOW or reading.dropped_terms:
        return
    pathologies = [f for f in reading.findings if not f.kind.is_device]
    asked = [f for f in pathologies if f.presence is not Presence.NOT_ASSESSED]
    open_ = any(f.presence is Presence.UNCERTAIN for f in asked)
    if not (reading.present or open_) and 2 * len(asked) > len(pathologies):
        words = "the study was called abnormal, yet no finding is held present"
        yield Contradiction(Clash.OVERALL, words, tuple(f.kind for f in asked))


def _named_beside(reading: Reading, terms: NamedTerms) -> Iterator[Contradiction]:
    absent = {f.kind for f in reading.findings if f.presence is Presence.ABSENT}
    for kind in terms.known:
        if kind in absent:
            name = kind.value.replace("_", " ")
            words = f"{name} is held absent, yet named among other findings"
            yield Contradiction(Clash.REPORT, words, (kind,))
