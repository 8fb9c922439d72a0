"""What a radiology text says of each finding: rules, no model, linear time.

The reader knows English of chest radiograph reports. It would rather say "uncertain" than
guess: a mention is firm only where the words leave no choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cxr_node.domain.findings import FindingKind, Laterality, Severity, Zone
from cxr_node.reasoning.phrases import Unit, sentences
from cxr_node.reasoning.predicates import with_predicates
from cxr_node.reasoning.report_words import DENIED, JOINT, Tag
from cxr_node.reasoning.scope import Polarity, Reach, reach

_RUN_ENDS = frozenset(
    {
        Tag.COMMA,
        Tag.OR,
        Tag.VERB,
        Tag.STOP,
        Tag.PREPOSITION,
        Tag.NOT,
        Tag.DOUBT,
        Tag.PAST,
        Tag.TERM,
        Tag.EXCEPT,
        Tag.NOT_AFTER,
        Tag.GONE,
        Tag.NORMAL,
        Tag.GROUP,
    }
)
_HEADS = frozenset({Tag.TERM, Tag.GROUP, Tag.NORMAL})
_PAIRED = frozenset({Tag.SIDE, Tag.ZONE, Tag.SIZE})
_LONGEST_RUN = 24
_SHORT_RUN = 5


@dataclass(frozen=True, slots=True)
class Mention:
    """One statement about one finding in one sentence of a text."""

    kind: FindingKind
    polarity: Polarity
    side: Laterality | None = None
    zones: frozenset[Zone] = frozenset()
    sizes: frozenset[Severity] = frozenset()
    changes: frozenset[str] = frozenset()
    """Of improved, worsened, stable and new."""
    limits: frozenset[str] = frozenset()
    """Of a denial: only what is ``acute``, only what is ``large``."""
    group: str = ""
    """The structure or group through which it is denied; empty when named itself."""
    weak: bool = False
    """Named by a word that may mean less than the finding."""
    implied: bool = False
    """Not named: the text is about this finding."""
    place: int = 0
    """Character of the text at which it stands."""


def mentions(text: str, subject: FindingKind | None = None) -> tuple[Mention, ...]:
    """Every statement about a finding in ``text``, in order.

    ``subject`` is the finding that the whole text is about, if it is about one: a sentence
    that names none then speaks of it.
    """
    return tuple(
        mention
        for units in sentences(text)
        for mention in _sentence(with_predicates(units), subject)
    )


def _sentence(units: list[Unit], subject: FindingKind | None) -> Iterator[Mention]:
    reached = reach(units)
    if not any(unit.tag in _HEADS for unit in units):
        if subject is not None:
            yield from _about(units, subject)
        return
    excepted = any(unit.tag is Tag.EXCEPT for unit in units)
    for at, unit in enumerate(units):
        if unit.kind is not None and not _joint_denial(unit, reached, at):
            yield _named(units, at, unit.kind, reached)
        elif unit.tag in (Tag.NORMAL, Tag.GROUP) and not excepted:
            yield from _grouped(units, at, reached)


def _joint_denial(unit: Unit, reached: Reach, at: int) -> bool:
    return unit.value == JOINT and reached.polarity[at] is Polarity.ABSENT


def _named(units: Sequence[Unit], at: int, kind: FindingKind, reached: Reach) -> Mention:
    return replace(
        _attributes(units, at),
        kind=kind,
        polarity=reached.polarity[at],
        limits=reached.limits[at],
        weak=units[at].weak,
    )


def _grouped(units: Sequence[Unit], at: int, reached: Reach) -> Iterator[Mention]:
    """The findings that a denied group or a normal structure denies."""
    unit = units[at]
    if unit.tag is Tag.GROUP and (
        reached.polarity[at] is not Polarity.ABSENT or _specified(units, at)
    ):
        return
    for kind in DENIED[unit.value]:
        yield replace(
            _attributes(units, at),
            kind=kind,
            polarity=Polarity.ABSENT,
            limits=reached.limits[at] if unit.tag is Tag.GROUP else frozenset(),
            group=unit.value,
        )


def _specified(units: Sequence[Unit], at: int) -> bool:
    """Whether more words say which abnormality is meant, as in "no abnormality of the heart"."""
    following = units[at + 1] if at + 1 < len(units) else None
    return following is not None and following.tag in (Tag.PREPOSITION, Tag.TERM, Tag.STRUCTURE)


def _about(units: Sequence[Unit], subject: FindingKind) -> Iterator[Mention]:
    """A sentence that names nothing, in a text about ``subject``."""
    tags = {unit.tag for unit in units}
    if tags & {Tag.NOT_AFTER, Tag.GONE_AFTER} and not tags & {Tag.WORD, Tag.PART, Tag.STRUCTURE}:
        yield Mention(subject, Polarity.ABSENT, implied=True, place=units[0].start)
    elif not tags & {Tag.NOT, Tag.DOUBT, Tag.NOT_AFTER, Tag.GONE_AFTER, Tag.PAST}:
        found = _collected(subject, units, units)
        if found.side or found.zones or found.sizes or found.changes:
            yield replace(found, implied=True, place=units[0].start)


def _attributes(units: Sequence[Unit], at: int) -> Mention:
    before = _before(units, at)
    behind = _behind(units, at)
    first = next(n for n, unit in enumerate(units) if unit.tag in _HEADS)
    leading = units[: first - len(_before(units, first))]
    kind = units[at].kind or FindingKind.LUNG_OPACITY
    near, far = _collected(kind, before, before), _collected(kind, behind, behind)
    lead = _collected(kind, leading, leading)
    alone = sum(unit.term for unit in units) == 1
    changes = near.changes | far.changes | (lead.changes if alone else frozenset())
    return replace(
        near,
        side=_side(near, far, lead),
        zones=near.zones or far.zones or lead.zones,
        sizes=near.sizes | _stated_sizes(behind) | _own_sizes(units, at),
        changes=changes,
        place=units[at].start,
    )


def _side(near: Mention, far: Mention, lead: Mention) -> Laterality | None:
    return near.side or far.side or lead.side


def _own_sizes(units: Sequence[Unit], at: int) -> frozenset[Severity]:
    """Size before a predicate: the heart is mildly enlarged."""
    before = units[at - 1] if at else None
    if before is not None and before.tag is Tag.SIZE:
        return frozenset({Severity(before.value)})
    return frozenset()


def _stated_sizes(behind: Sequence[Unit]) -> frozenset[Severity]:
    """Sizes that are said with a verb: the effusion is large."""
    stated = (b for a, b in pairwise(behind) if a.tag is Tag.VERB and b.tag is Tag.SIZE)
    return frozenset(Severity(unit.value) for unit in stated)


def _before(units: Sequence[Unit], at: int) -> Sequence[Unit]:
    """The adjectives of the term at ``at``."""
    start = at
    while start > 0 and at - start < _LONGEST_RUN:
        unit = units[start - 1]
        paired = unit.tag is Tag.AND and _pairs(units, start - 1)
        if unit.tag in _RUN_ENDS or (unit.tag is Tag.AND and not paired):
            break
        start -= 1
    return units[start:at]


def _pairs(units: Sequence[Unit], at: int) -> bool:
    """Whether "and" joins adjectives, as in "right and left" or "small left and large right"."""
    if not 0 < at < len(units) - 1:
        return False
    left, right = units[at - 1].tag, units[at + 1].tag
    if left not in _PAIRED or right not in _PAIRED:
        return False
    start = at - 1
    while start > 0 and at - start < _SHORT_RUN and units[start - 1].tag in _PAIRED:
        start -= 1
    return left is right or start == 0 or units[start - 1].tag is not Tag.PREPOSITION


def _behind(units: Sequence[Unit], at: int) -> Sequence[Unit]:
    """What is said of the term at ``at`` behind it, up to what belongs to the next."""
    end = at + 1
    while end < len(units) and end - at < _LONGEST_RUN:
        unit = units[end]
        if unit.tag in (Tag.STOP, Tag.NOT, Tag.EXCEPT, Tag.NORMAL, Tag.GROUP):
            break
        if unit.term:
            return units[at + 1 : max(at + 1, end - len(_before(units, end)))]
        if unit.tag is Tag.COMMA and not _goes_on(units, end):
            break
        end += 1
    return units[at + 1 : end]


def _goes_on(units: Sequence[Unit], comma: int) -> bool:
    """Whether a comma is followed by a mere place, as in "effusion, left greater than right"."""
    following = units[comma + 1 : comma + 1 + _LONGEST_RUN]
    if not following or following[0].tag not in (Tag.SIDE, Tag.ZONE, Tag.PREPOSITION):
        return False
    for unit in following:
        if unit.tag in _HEADS:
            return False
        if unit.tag in (Tag.COMMA, Tag.STOP):
            break
    return True


def _collected(kind: FindingKind, near: Sequence[Unit], change: Sequence[Unit]) -> Mention:
    sides = {Laterality(u.value) for u in near if u.tag is Tag.SIDE}
    side = Laterality.BILATERAL if len(sides) > 1 else next(iter(sides), None)
    return Mention(
        kind,
        Polarity.PRESENT,
        side=side,
        zones=frozenset(Zone(u.value) for u in near if u.tag is Tag.ZONE),
        sizes=frozenset(_sizes(near)),
        changes=frozenset(u.value for u in change if u.tag is Tag.CHANGE),
    )


def _sizes(units: Sequence[Unit]) -> Iterator[Severity]:
    """Sizes that are not those of a change, as in "slight increase"."""
    for at, unit in enumerate(units):
        of_change = at + 1 < len(units) and units[at + 1].tag is Tag.CHANGE
        if unit.tag is Tag.SIZE and not of_change:
            yield Severity(unit.value)
