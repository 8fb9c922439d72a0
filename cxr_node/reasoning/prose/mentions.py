"""What a radiology text says of each finding: rules, no model, linear time.

The reader knows English of chest radiograph reports. It would rather say "uncertain" than
guess: a mention is firm only where the words leave no choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cxr_node.domain.findings import FindingKind, Laterality, Severity, Zone
from cxr_node.reasoning.prose.fields import with_fields
from cxr_node.reasoning.prose.phrases import Unit, sentences
from cxr_node.reasoning.prose.predicates import with_predicates
from cxr_node.reasoning.prose.report_words import ALL, BONE, DENIED, JOINT, TUBE, Tag
from cxr_node.reasoning.prose.scope import Polarity, Reach, reach
from cxr_node.reasoning.prose.understood import Understanding

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
_ANY = frozenset(
    {"any", "all", "other", "focal", "visible", "visualized", "identifiable", "detectable"}
)
"""Adjectives that leave a group as wide as it is."""
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
    name: str = ""
    """The words that name it, in lower case and singular."""
    place: int = 0
    """Character of the text at which it stands."""
    sure: bool = False
    """Nothing in its sentence is strange: it may be held against an answer."""


def mentions(text: str, subject: FindingKind | None = None) -> tuple[Mention, ...]:
    """Every statement about a finding in ``text``, in order.

    ``subject`` is the finding that the whole text is about, if it is about one: a sentence
    that names none then speaks of it.
    """
    return tuple(
        mention
        for units in sentences(text)
        for mention in _sentence(with_predicates(with_fields(units)), subject)
    )


def _sentence(units: list[Unit], subject: FindingKind | None) -> Iterator[Mention]:
    reached = reach(units)
    if not any(_says_something(unit, reached, at) for at, unit in enumerate(units)):
        if subject is not None:
            yield from _about(units, subject)
        return
    context = _context(units)
    understood = Understanding(units)
    excepted = any(unit.tag is Tag.EXCEPT for unit in units)
    for at, unit in enumerate(units):
        if unit.kind is not None and not _joint_denial(unit, reached, at):
            found = _named(units, at, reached, context)
            yield replace(found, sure=understood.sure(at, found.polarity, group=False))
        elif unit.tag in (Tag.NORMAL, Tag.GROUP) and not excepted:
            sure = understood.sure(at, Polarity.ABSENT, group=True)
            yield from (replace(m, sure=sure) for m in _grouped(units, at, reached, context))


def _says_something(unit: Unit, reached: Reach, at: int) -> bool:
    denied = unit.tag is Tag.GROUP and reached.polarity[at] is Polarity.ABSENT
    return unit.tag in (Tag.TERM, Tag.NORMAL) or denied


@dataclass(frozen=True, slots=True)
class _Context:
    """What a sentence says before its first finding, and whether it has only one."""

    lead: Mention
    alone: bool
    structure: str


def _context(units: Sequence[Unit]) -> _Context:
    first = next(n for n, unit in enumerate(units) if unit.tag in _HEADS)
    leading = units[: first - len(_before(units, first))]
    named = (u.value for u in units if u.tag in (Tag.STRUCTURE, Tag.NORMAL))
    return _Context(
        lead=_collected(FindingKind.LUNG_OPACITY, leading),
        alone=sum(unit.term for unit in units) == 1,
        structure=next((value for value in named if value != ALL), ALL),
    )


def _joint_denial(unit: Unit, reached: Reach, at: int) -> bool:
    return unit.value == JOINT and reached.polarity[at] is Polarity.ABSENT


def _named(units: Sequence[Unit], at: int, reached: Reach, context: _Context) -> Mention:
    found = _attributes(units, at, context)
    of_bone = found.kind is FindingKind.LUNG_LESION and context.structure == BONE
    return replace(
        found,
        polarity=reached.polarity[at],
        limits=reached.limits[at],
        weak=units[at].weak or of_bone,  # a lesion of a rib is none of the lung
        name=units[at].value,
    )


def _grouped(
    units: Sequence[Unit], at: int, reached: Reach, context: _Context
) -> Iterator[Mention]:
    """The findings that a denied group or a normal structure denies."""
    unit = units[at]
    if unit.tag is Tag.GROUP and (
        reached.polarity[at] is not Polarity.ABSENT or _specified(units, at)
    ):
        return
    of_one = unit.tag is Tag.GROUP and unit.value == ALL  # of the lungs, no abnormality
    group = context.structure if of_one else unit.value
    found = _attributes(units, at, context)
    for kind in DENIED[group]:
        yield replace(
            found,
            kind=kind,
            polarity=Polarity.ABSENT,
            limits=reached.limits[at] if unit.tag is Tag.GROUP else frozenset(),
            group=group,
        )


def _specified(units: Sequence[Unit], at: int) -> bool:
    """Whether more words say which abnormality is meant, as in "no abnormality of the heart"."""
    following = [u for u in units[at + 1 : at + 4] if u.tag is not Tag.ARTICLE]
    in_the_chest = [(u.tag, u.value) for u in following[1:2]] == [(Tag.STRUCTURE, ALL)]
    if following and following[0].tag in (Tag.PREPOSITION, Tag.TERM, Tag.STRUCTURE):
        return not in_the_chest
    before = units[at - 1] if at else None
    if before is None or units[at].value not in (ALL, TUBE):
        return False
    return before.term or (before.tag is Tag.WORD and before.value not in _ANY)  # a Hickman line


def _about(units: Sequence[Unit], subject: FindingKind) -> Iterator[Mention]:
    """A sentence that names nothing, in a text about ``subject``."""
    tags = {unit.tag for unit in units}
    sure = Understanding(units).sure(0, Polarity.PRESENT, group=False)
    if tags & {Tag.NOT_AFTER, Tag.GONE_AFTER} and not tags & {Tag.WORD, Tag.PART, Tag.STRUCTURE}:
        yield Mention(subject, Polarity.ABSENT, implied=True, place=units[0].start, sure=sure)
    elif not tags & {Tag.NOT, Tag.DOUBT, Tag.NOT_AFTER, Tag.GONE_AFTER, Tag.PAST}:
        found = _collected(subject, units)
        if found.side or found.zones or found.sizes or found.changes:
            yield replace(found, implied=True, place=units[0].start, sure=sure)


def _attributes(units: Sequence[Unit], at: int, context: _Context) -> Mention:
    before = _before(units, at)
    behind = _behind(units, at)
    kind = units[at].kind or FindingKind.LUNG_OPACITY
    near, far, lead = _collected(kind, before), _collected(kind, behind), context.lead
    changes = near.changes | far.changes | (lead.changes if context.alone else frozenset())
    return replace(
        near,
        side=near.side or far.side or lead.side,
        zones=near.zones or far.zones or lead.zones,
        sizes=near.sizes | _stated_sizes(behind) | _own_sizes(units, at),
        changes=changes,
        place=units[at].start,
    )


def _own_sizes(units: Sequence[Unit], at: int) -> frozenset[Severity]:
    """Size before a predicate: the heart is mildly enlarged."""
    before = units[at - 1] if at else None
    if before is not None and before.tag is Tag.SIZE:
        return frozenset({Severity(before.value)})
    return frozenset()


def _stated_sizes(behind: Sequence[Unit]) -> frozenset[Severity]:
    """Sizes that are said with a verb: the effusion is large."""
    said = {at for at, unit in enumerate(behind, 1) if unit.tag is Tag.VERB}
    changed = {at for at, unit in enumerate(behind, -1) if unit.tag is Tag.CHANGE}
    stated = (
        u
        for at, (u, then) in enumerate(zip(behind, (*behind[1:], None), strict=False))
        if at in said - changed and u.tag is Tag.SIZE and not (then and then.tag is Tag.WORD)
    )
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
    if start > 0 and units[start - 1].tag is Tag.ARTICLE:
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
    places = (Tag.SIDE, Tag.ZONE, Tag.PREPOSITION, Tag.SIZE)
    if not following or following[0].tag not in places:
        return False
    for unit in following:
        if unit.tag in _HEADS:
            return False
        if unit.tag in (Tag.COMMA, Tag.STOP):
            break
    return True


def _collected(kind: FindingKind, near: Sequence[Unit]) -> Mention:
    sides = {Laterality(u.value) for u in near if u.tag is Tag.SIDE}
    side = Laterality.BILATERAL if len(sides) > 1 else next(iter(sides), None)
    return Mention(
        kind,
        Polarity.PRESENT,
        side=side,
        zones=frozenset(Zone(u.value) for u in near if u.tag is Tag.ZONE),
        sizes=frozenset(_sizes(near)),
        changes=frozenset(u.value for u in near if u.tag is Tag.CHANGE),
    )


def _sizes(units: Sequence[Unit]) -> Iterator[Severity]:
    """Sizes that are not those of a change, as in "slight increase"."""
    for at, unit in enumerate(units):
        of_change = at + 1 < len(units) and units[at + 1].tag is Tag.CHANGE
        if unit.tag is Tag.SIZE and not of_change:
            yield Severity(unit.value)
