"""The free texts of a reading, each with its name in plain words and what it must agree with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from cxr_node.domain.findings import Clash, FindingKind, Reading, TracePart
from cxr_node.domain.policy import stated_changes
from cxr_node.domain.stages import RELATIONS, StageKey, Turn
from cxr_node.reasoning.prose.mentions import Mention, mentions
from cxr_node.reasoning.prose.scope import Polarity

_NAMES = {kind.value.replace("_", " "): kind for kind in FindingKind}
_NAME = "|".join(_NAMES)
_RELATION = re.compile(rf"({_NAME}) ({'|'.join(RELATIONS)}) ({_NAME})")
_JOINED = re.compile(
    r"\b(?:(?P<hides>obscur(?:es|ing)|hid(?:es|ing))|(?:is|are) explained by|explain(?:s|ing)"
    r"|caus(?:es|ing|ed by)|due to|secondary to)\b",
    re.IGNORECASE,
)
_BREAK = re.compile(r"[.;:!?]")
_FAR = 120
_THOUGHTS = re.compile(r"</?\w+>")

Relation = tuple[FindingKind, str, FindingKind]


@dataclass(frozen=True, slots=True)
class Source:
    """One free text and every statement about a finding in it."""

    name: str
    clash: Clash
    said: tuple[Mention, ...]
    forecast: bool = False
    """Speaks of what is expected, not of what is."""
    only: FindingKind | None = None
    """The one finding it may be held against; None for all."""


def sources(reading: Reading) -> tuple[Source, ...]:
    """Every text of the reading, read once."""
    return tuple(_sources(reading))


def _sources(reading: Reading) -> Iterator[Source]:
    report = Clash.REPORT
    yield Source("the findings section", report, mentions(reading.findings_text))
    yield Source("the impression", report, mentions(reading.impression))
    for finding in reading.present:
        name = f"the description of the {words(finding.kind)}"
        yield Source(name, report, mentions(finding.description, finding.kind))
    for text in reading.relations:
        if not _RELATION.fullmatch(text):
            yield Source("the summary of relations", report, mentions(text))
    for text in reading.changes:
        if not stated_changes([text]):
            yield Source("the summary of changes", report, mentions(text))
    yield Source("the expected course", report, mentions(reading.trend), forecast=True)
    for part in reading.trace:
        yield Source(f"the reasoning on {part.section}", Clash.TRACE, _thoughts(part))
    for turn in reading.turns:
        if turn.question == "presence" and turn.accepted and turn.raw:
            yield _own_reasoning(turn)


def _thoughts(part: TracePart) -> tuple[Mention, ...]:
    """A part may leave its subject to the section: "Clear." of the left lower lobe."""
    return mentions(part.text) or mentions(f"{part.section}: {part.text}")


def _own_reasoning(turn: Turn) -> Source:
    """What was thought before one closed answer, held against that answer alone."""
    kind = FindingKind(turn.subject)
    said = mentions(_THOUGHTS.sub(" ", turn.raw))
    name = f"the reasoning on the {words(kind)}"
    return Source(name, Clash.TRACE, tuple(m for m in said if m.kind is kind), only=kind)


def relations(reading: Reading) -> tuple[Relation, ...]:
    """The relations that were answered, other than none, and those that the texts state."""
    found: dict[Relation, None] = {}
    for turn in reading.turns:
        if turn.stage is StageKey.RELATIONSHIPS and turn.question == "relation" and turn.accepted:
            first, _, second = turn.subject.partition("+")
            found[FindingKind(first), turn.answer, FindingKind(second)] = None
    for text in reading.relations:
        if match := _RELATION.fullmatch(text):
            found[_NAMES[match[1]], match[2], _NAMES[match[3]]] = None
    texts = (*reading.relations, reading.findings_text, reading.impression)
    for text in (*texts, *(part.text for part in reading.trace)):
        found |= dict.fromkeys(_spoken(text))
    return tuple(triple for triple in found if triple[1] != "none")


def _spoken(text: str) -> Iterator[Relation]:
    """Triples in prose: two findings that are there, and a word that joins them."""
    for first, second in pairwise(mentions(text)):
        between = text[first.place : second.place]
        joined = _JOINED.search(between)
        pair = (first, second)
        firm = all(m.sure and m.polarity is Polarity.PRESENT and not m.implied for m in pair)
        if joined and firm and len(between) < _FAR and not _BREAK.search(between):
            yield first.kind, "obscures" if joined["hides"] else "explains", second.kind


def changes(reading: Reading) -> dict[FindingKind, str]:
    """The closed change of each finding, as in ``CHANGES``."""
    found = {
        FindingKind(turn.subject): turn.answer
        for turn in reading.turns
        if turn.stage is StageKey.COMPARISON and turn.question == "change" and turn.accepted
    }
    return found | stated_changes(reading.changes)


def words(kind: FindingKind) -> str:
    """A finding as the words of a contradiction name it."""
    return kind.value.replace("_", " ")
