"""Checks of one answer against another. A contradiction is shown, never repaired."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cxr_node.domain.findings import Presence, Reading
from cxr_node.reasoning.terms import NamedTerms

_NORMAL = re.compile(
    r"\b(?:no (?:acute |significant )?(?:finding|abnormalit)|normal (?:chest|study|radiograph)"
    r"|(?:chest|study|radiograph) is normal|within normal limits)",
    re.IGNORECASE,
)
_LATERAL = "LATERAL"


def contradictions(reading: Reading, terms: NamedTerms) -> list[str]:
    """Everything in ``reading`` that cannot all be true, in words."""
    return [*_projection(reading), *_normality(reading), *_terms(reading, terms)]


def _projection(reading: Reading) -> Iterator[str]:
    seen, header = (reading.projection or "").upper(), reading.images[0].view.upper()
    if seen and header in ("PA", "AP", _LATERAL) and seen != header:
        yield f"the model sees a projection {reading.projection}, the header says {header}"
    elif seen == _LATERAL:
        yield "the model sees a lateral projection"


def _normality(reading: Reading) -> Iterator[str]:
    pathology = [f for f in reading.present if not f.kind.is_device]
    called_normal = reading.abnormal is not None and reading.abnormal < 0.5
    if reading.abnormal is not None and not called_normal and not reading.present:
        yield "the study was called abnormal, yet no finding is held present"
    if pathology and _NORMAL.search(reading.impression):
        yield "the impression speaks of a normal study, yet a pathology is held present"


def _terms(reading: Reading, terms: NamedTerms) -> Iterator[str]:
    absent = {f.kind for f in reading.findings if f.presence is Presence.ABSENT}
    for kind in terms.known:
        if kind in absent:
            name = kind.value.replace("_", " ")
            yield f"{name} is held absent, yet named among other findings"
