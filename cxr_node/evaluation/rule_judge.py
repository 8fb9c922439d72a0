"""A judge of reasoning that needs no model: observations read by rules and compared by status.

It knows English of chest radiograph reports and the findings of this product. It is stricter
than the published judge in one thing: an observation is only recalled with the same status.
"""

from __future__ import annotations

import re

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.evaluation.cases import TextCase
from cxr_node.evaluation.radrscore import Share, Verdict
from cxr_node.training.key_findings import (
    KeyFinding,
    by_kind,
    conclusions,
    observations,
    recalled,
    same_side,
)

NAME = "rules of this product, version 1"

_STEP = re.compile(r"(?<=[.!?;])\s+|\n+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_EMPTY_WORDS = frozenset(
    {"the", "and", "are", "for", "with", "there", "was", "were", "this", "that", "has", "have"}
)
_ALIKE = 0.5


def judge(text: TextCase) -> Verdict:
    """Judge one sample; see the three functions below."""
    return Verdict(
        completeness(text.reference, text.said),
        factuality(text.said, text.report),
        effectiveness(text.said, text.reference),
    )


def completeness(reference: str, said: str) -> Share:
    """Observations of the reference that are said with the same status; sides must not differ."""
    held = by_kind(conclusions(said))
    wanted = observations(conclusions(reference))
    return Share(sum(recalled(unit, held) for unit in wanted), len(wanted))


def factuality(said: str, report: str) -> Share:
    """Observations that the report does not contradict.

    What the report does not mention is taken for normal: denying it is right, affirming or
    supposing it is wrong. A doubt on either side contradicts nothing that is affirmed.
    """
    known = by_kind(conclusions(report))
    stated = observations(conclusions(said))
    right = sum(all(_agrees(one, known) for one in unit) for unit in stated)
    return Share(right, len(stated))


def _agrees(said: KeyFinding, known: dict[FindingKind, KeyFinding]) -> bool:
    true = known.get(said.kind)
    if true is None or true.status is Presence.ABSENT:
        return said.status is Presence.ABSENT
    if said.status is Presence.ABSENT:
        return true.status is Presence.UNCERTAIN
    return same_side(said.side, true.side)


def effectiveness(said: str, reference: str) -> Share:
    """Steps (sentences) that the reference supports.

    A step that observes something is supported when the reference ends with all of it, with
    the same status; any other when half of its words stand together in one reference step.
    """
    held = by_kind(conclusions(reference))
    chain = [_words(step) for step in steps(reference)]
    found = steps(said)
    return Share(sum(_supported(step, held, chain) for step in found), len(found))


def steps(text: str) -> list[str]:
    """The sentences of a chain; a line break ends one too."""
    return [step.strip() for step in _STEP.split(text) if _WORD.search(step)]


def _supported(step: str, held: dict[FindingKind, KeyFinding], chain: list[frozenset[str]]) -> bool:
    observed = observations(conclusions(step))
    if observed:
        return all(recalled(unit, held) for unit in observed)
    words = _words(step)
    return bool(words) and any(len(words & other) >= _ALIKE * len(words) for other in chain)


def _words(step: str) -> frozenset[str]:
    return frozenset(_WORD.findall(step.casefold())) - _EMPTY_WORDS
