"""A report as numbered sentences with their places, and what each says of every finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.prose.mentions import Mention, mentions
from cxr_node.reasoning.prose.phrases import sentences
from cxr_node.reasoning.prose.scope import Polarity
from cxr_node.training.chain_topics import IMPLIED_BY, SHOWN_BY
from cxr_node.training.records import Record

CURRENT, EARLIER = "current", "earlier"
_SECTIONS = {
    "Report_Generation[Findings]": "findings",
    "Report_Generation[Impression]": "impression",
    "Report_Generation[Impression_with_findings]": "impression",
    "Report_Generation[ALL]": "all",
}
"""Task types whose answer is a section of the report; each section is read once."""


@lru_cache(maxsize=20_000)
def mentions_in(text: str) -> tuple[Mention, ...]:
    """What a text says of every finding; reports repeat themselves, so this is kept."""
    return mentions(text)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a sentence stands: characters ``start`` to ``end`` of one section of one report."""

    study: str
    """CURRENT or EARLIER."""
    section: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a report."""

    source: Source
    text: str

    @property
    def mentions(self) -> tuple[Mention, ...]:
        return mentions_in(self.text)


@dataclass(frozen=True, slots=True)
class Report:
    """The sentences of one study's report, or of two studies' when an earlier one is shown."""

    sentences: tuple[Sentence, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sentences)

    def of(self, study: str) -> Report:
        """The sentences of one of the two studies."""
        return Report(tuple(s for s in self.sentences if s.source.study == study))

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """Every statement in it, in order."""
        return tuple(m for sentence in self.sentences for m in sentence.mentions)


def report_sections_of(record: Record) -> dict[str, str]:
    """Section name to text, out of the stage-8 answers of a record."""
    found: dict[str, str] = {}
    for turn in record.turns:
        section = _SECTIONS.get(turn.task_type)
        if turn.stage == StageKey.REPORT.number and section:
            found.setdefault(section, turn.answer)
    if len(found) > 1:
        found.pop("all", None)
    return found


def as_report(sections: dict[str, str], study: str = CURRENT) -> Report:
    """Sections as sentences, findings first."""
    return Report(
        tuple(s for section, text in sections.items() for s in _cut(text, section, study))
    )


def joined(current: Report, earlier: Report) -> Report:
    """Both reports under one numbering, the current one first."""
    return Report((*current.sentences, *earlier.sentences))


def _cut(text: str, section: str, study: str) -> Iterable[Sentence]:
    for units in sentences(text):
        start, end = units[0].start, units[-1].end
        end += text[end : end + 1] in (".", "!", ";")
        yield Sentence(Source(study, section, start, end), text[start:end])


def stated(found: Iterable[Mention], kinds: Sequence[FindingKind]) -> Presence | None:
    """What mentions say of a finding or of any of a group; None when they say nothing firm.

    A presence outweighs doubt, and doubt an absence: "no large effusion" denies no small one.
    """
    shown = {*kinds, *(child for kind in kinds for child in SHOWN_BY.get(kind, ()))}
    said = {
        presence
        for mention in found
        if mention.kind in shown
        and (presence := _presence(mention)) is not None
        and (mention.kind in kinds or presence is Presence.PRESENT)
    }
    for presence in (Presence.PRESENT, Presence.UNCERTAIN, Presence.ABSENT):
        if presence in said:
            return presence
    return None


def implied(found: Sequence[Mention], kinds: Sequence[FindingKind]) -> bool:
    """Whether a finding is present of which one of ``kinds`` is the parent."""
    children = tuple(child for kind in kinds for child in IMPLIED_BY.get(kind, ()))
    return stated(found, children) is Presence.PRESENT


def _presence(mention: Mention) -> Presence | None:
    """None where a whole group is denied with a limit: "no acute finding" names no finding."""
    if mention.polarity is Polarity.PRESENT:
        return Presence.UNCERTAIN if mention.weak else Presence.PRESENT
    if mention.polarity is Polarity.ABSENT and not mention.limits:
        return Presence.ABSENT
    return None if mention.group else Presence.UNCERTAIN
