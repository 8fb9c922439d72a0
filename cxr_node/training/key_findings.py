"""Key findings of a radiology text: what it observes, with which status, read by rules.

The process reward and the rule-based judge of reasoning both rest on these, so that a model
is trained on what it is graded by. A text is read by :mod:`cxr_node.reasoning.prose.mentions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cxr_node.domain.findings import FindingKind, Laterality, Presence
from cxr_node.reasoning.prose.mentions import Mention, mentions
from cxr_node.reasoning.prose.scope import Polarity

_STATUS = {
    Polarity.PRESENT: Presence.PRESENT,
    Polarity.ABSENT: Presence.ABSENT,
    Polarity.UNCERTAIN: Presence.UNCERTAIN,
}


@dataclass(frozen=True, slots=True)
class KeyFinding:
    """One observation and its status; ``side`` None where the text names none.

    ``group`` is the structure through which it was denied ("the lungs are clear"), empty
    when the finding was named itself.
    """

    kind: FindingKind
    status: Presence
    side: Laterality | None = None
    group: str = ""


def statements(text: str) -> tuple[KeyFinding, ...]:
    """Every statement about a finding, in order, repetitions included."""
    return tuple(_statement(mention) for mention in mentions(text))


def _statement(mention: Mention) -> KeyFinding:
    return KeyFinding(mention.kind, _STATUS[mention.polarity], mention.side, mention.group)


def conclusions(text: str) -> tuple[KeyFinding, ...]:
    """The last word of ``text`` on each finding, in the order in which they are first spoken of.

    A finding that is named itself counts before one denied through a group: "no effusion on
    the right, small one on the left; pleura otherwise normal" ends with an effusion.
    """
    found: dict[FindingKind, KeyFinding] = {}
    for said in statements(text):
        known = found.get(said.kind)
        if known is None or not said.group or known.group:
            found[said.kind] = said
    return tuple(found.values())


def same_side(one: Laterality | None, other: Laterality | None) -> bool:
    """Whether two sides can be meant of one finding; a side that is not named fits any."""
    either = (None, Laterality.BILATERAL)
    return one in either or other in either or one is other


def observations(found: Iterable[KeyFinding]) -> tuple[tuple[KeyFinding, ...], ...]:
    """Findings as a reader counts them: "the lungs are clear" is one, whatever it denies."""
    units: dict[str, list[KeyFinding]] = {}
    for said in found:
        units.setdefault(said.group or said.kind, []).append(said)
    return tuple(tuple(unit) for unit in units.values())


def recalled(wanted: Iterable[KeyFinding], held: Mapping[FindingKind, KeyFinding]) -> bool:
    """Whether one observation is in ``held`` with the same status, and nothing speaks against it.

    Sides count where both name one and the finding is not denied.
    """
    pairs = [(w, held[w.kind]) for w in wanted if w.kind in held]
    return bool(pairs) and all(_same(w, said) for w, said in pairs)


def _same(wanted: KeyFinding, said: KeyFinding) -> bool:
    if said.status is not wanted.status:
        return False
    return wanted.status is Presence.ABSENT or same_side(wanted.side, said.side)


def by_kind(found: Iterable[KeyFinding]) -> dict[FindingKind, KeyFinding]:
    """Each finding's own entry; of several the last."""
    return {said.kind: said for said in found}
