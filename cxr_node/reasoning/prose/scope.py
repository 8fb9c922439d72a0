"""How far "no", "possible" and "resolved" reach in one sentence.

NegEx and ConText with a few rules of grammar: a list stays denied to its end, a new phrase
behind a comma begins anew, "no change in" denies nothing, "is not seen" looks back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cxr_node.reasoning.prose.phrases import Unit
from cxr_node.reasoning.prose.report_words import Tag


class Polarity(StrEnum):
    """What a text says of a finding. ``UNCERTAIN`` holds every doubt, wish and memory."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


_NEW_PHRASE = frozenset({Tag.ARTICLE, Tag.SIZE, Tag.SIDE, Tag.CHANGE, Tag.STOP, Tag.ZONE})
_AFTER = frozenset({Tag.NOT_AFTER, Tag.GONE_AFTER, Tag.DOUBT_AFTER})
_MODIFIERS = frozenset(
    {Tag.WORD, Tag.LIMIT, Tag.SIZE, Tag.CHANGE, Tag.EXCEPT, Tag.ARTICLE, Tag.SIDE, Tag.ZONE}
)
_MODALS = frozenset({Tag.VERB, Tag.DOUBT})
_SEEN = frozenset(
    """seen identified visible visualized visualised evident present noted detected appreciated
    demonstrated apparent found observed shown recognized recognised discernible discerned
    documented confirmed suggested suspected obvious depicted perceptible there encountered
    reported noticeable detectable identifiable appreciable perceived made feature
    developed""".split()  # noqa: SIM905
)
"""What "is not" denies by; behind other words it only leaves open."""
_TRANSPARENT = frozenset(
    """evidence sign finding indication feature trace area focus patch appearance presence
    positive made note noted seen redemonstration demonstration visualization visualisation
    recurrence manifestation stigmata
    amount degree pattern case picture diagnosis collection component placement position insertion
    development persistence due secondary related adjacent owing attributable next close sequela
    band region zone element volume combination pair lot small layer row representation cluster
    indicative typical characteristic diagnostic consistent reappearance onset course tip hint
    drawn alerted because spite addition respect regard increase suggestive""".split()  # noqa: SIM905
)
"""Words before "of", "for" or "to" behind which a finding is spoken of as it is."""
_OF = frozenset({"of", "for"})
_LOOK = 8
"""How many phrases a cue looks past for what it governs."""


@dataclass(slots=True)
class _Scope:
    denies: bool = False
    gone: str = ""
    doubts: bool = False
    past: bool = False
    limits: set[str] = field(default_factory=set)
    heads: int = 0
    """Terms seen since the cue."""

    @property
    def polarity(self) -> Polarity:
        if self.doubts or self.past:
            return Polarity.UNCERTAIN
        return Polarity.ABSENT if self.denies else Polarity.PRESENT


@dataclass(frozen=True, slots=True)
class Reach:
    """Polarity of every unit of a sentence, and the limits of each denial."""

    polarity: tuple[Polarity, ...]
    limits: tuple[frozenset[str], ...]


class _Reader:
    """One walk over one sentence."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        self.scope = _Scope()
        self.polarity = [Polarity.PRESENT] * len(units)
        self.limits: list[frozenset[str]] = [frozenset()] * len(units)

    def read(self) -> Reach:
        for at, unit in enumerate(self.units):
            if unit.tag in (Tag.TERM, Tag.GROUP):
                self._head(at, unit)
            elif unit.tag in (Tag.NOT, Tag.GONE, Tag.DOUBT, Tag.PAST, Tag.EXCEPT):
                self._cue(at, unit)
            elif unit.tag in _AFTER:
                self._after(at, unit)
            elif unit.tag in (Tag.LIMIT, Tag.SIZE):
                self._limit(unit)
            else:
                self._boundary(at, unit)
        return Reach(tuple(self.polarity), tuple(self.limits))

    def _head(self, at: int, unit: Unit) -> None:
        scope = self.scope
        scope.heads += 1
        self.polarity[at] = scope.polarity
        self.limits[at] = frozenset(scope.limits)
        if self._governed(at):
            self.polarity[at] = Polarity.UNCERTAIN
        applies = unit.kind is not None and (scope.gone == "removed") == unit.kind.is_device
        if scope.gone and applies and self.polarity[at] is Polarity.PRESENT:
            self.polarity[at] = Polarity.ABSENT

    def _governed(self, at: int) -> bool:
        """Whether words the reader does not know stand before, as in "the workup of"."""
        start = at
        while start and at - start < _LOOK and self.units[start - 1].tag in _MODIFIERS:
            start -= 1
        binds = self.units[start - 1] if start > 1 else None
        if binds is None or binds.tag is not Tag.PREPOSITION or binds.value not in _OF:
            return False
        governor = self.units[start - 2]
        return governor.tag is Tag.WORD and governor.value not in _TRANSPARENT

    def _limit(self, unit: Unit) -> None:
        if self.scope.denies and not self.scope.heads:
            if unit.tag is Tag.LIMIT:
                self.scope.limits.add(unit.value)
            elif unit.value != "mild":
                self.scope.limits.add("large")

    def _cue(self, at: int, unit: Unit) -> None:
        if unit.tag is Tag.NOT:
            self._deny(at)
        elif unit.tag is Tag.GONE:
            stays = self.scope.denies and not self.scope.heads
            self.scope = _Scope(gone="" if stays else unit.value)
        elif unit.tag is Tag.PAST:
            self.scope.past = True
        elif unit.value == "suggests" and self.scope.denies and not self.scope.heads:
            return  # no evidence to suggest
        elif unit.tag is Tag.DOUBT and unit.value != "wish" and not self._term_ahead(at):
            self._set(self._before(at), Polarity.UNCERTAIN)
        elif unit.tag is Tag.DOUBT:
            self.scope.doubts = True
            self.scope.heads = 0
        elif self.scope.denies and self.scope.heads:
            self.scope = _Scope()
        elif self.scope.denies:
            self.scope.doubts = True

    def _deny(self, at: int) -> None:
        ahead = self._modifiers(at)
        changes = {u.value for u in ahead if u.tag is Tag.CHANGE}
        if changes:
            self.scope = _Scope(doubts="new" in changes)
        elif self._is_answer(at):
            self._set(self._before(at), Polarity.ABSENT)
        elif at and self.units[at - 1].tag in _MODALS and not self._term_ahead(at):
            self._set(self._before(at), self._unseen(at))
        else:
            self.scope = _Scope(denies=True, doubts=self.scope.doubts and not self.scope.heads)

    def _modifiers(self, at: int) -> list[Unit]:
        found = []
        for unit in self.units[at + 1 : at + 1 + _LOOK]:
            if unit.tag not in _MODIFIERS:
                break
            found.append(unit)
        return found

    def _is_answer(self, at: int) -> bool:
        """A bare "no" at the end, as in "Effusion: no"."""
        return at == len(self.units) - 1 and at > 0 and self.units[at - 1].tag is Tag.COMMA

    def _unseen(self, at: int) -> Polarity:
        """What "is not" and the words behind it say of the subject."""
        following = [u for u in self.units[at + 1 : at + 3] if u.tag is not Tag.ARTICLE]
        seen = following and following[0].tag is Tag.WORD and following[0].value in _SEEN
        return Polarity.ABSENT if seen else Polarity.UNCERTAIN

    def _term_ahead(self, at: int) -> bool:
        """Whether a cue has something of its own ahead; "is possible" has not."""
        for unit in self.units[at + 1 : at + 1 + 2 * _LOOK]:
            if unit.tag in (Tag.TERM, Tag.GROUP):
                return True
            if unit.tag in (Tag.COMMA, Tag.STOP):
                break
        return False

    def _after(self, at: int, unit: Unit) -> None:
        before = self._before(at)
        polarity = Polarity.UNCERTAIN if unit.tag is Tag.DOUBT_AFTER else Polarity.ABSENT
        if unit.tag is Tag.GONE_AFTER:
            if not before:
                self.scope = _Scope(gone=unit.value)
            before = [n for n in before if self._can_go(n, unit.value)]
        self._set(before, polarity)
        if before:
            self.scope = _Scope()
        elif unit.tag is not Tag.GONE_AFTER:
            negative = unit.tag is Tag.NOT_AFTER
            self.scope = _Scope(denies=negative, doubts=not negative)

    def _can_go(self, at: int, how: str) -> bool:
        kind = self.units[at].kind
        return kind is not None and kind.is_device == (how == "removed")

    def _set(self, places: Sequence[int], polarity: Polarity) -> None:
        for place in places:
            self.polarity[place] = polarity

    def _before(self, at: int) -> list[int]:
        """The terms that a cue behind them speaks of: the subject of its clause."""
        found: list[int] = []
        plural = False
        joined = at > 0 and self.units[at - 1].tag is Tag.COMMA  # effusion, nodule: none
        for place in range(at - 1, max(at - 8 * _LOOK, -1), -1):
            unit = self.units[place]
            if unit.tag is Tag.PART:
                return []
            if self._ends_subject(unit, found, joined=joined):
                break
            plural = plural or unit.tag is Tag.OR or (unit.tag, unit.value) == (Tag.VERB, "many")
            joined = joined or unit.tag in (Tag.AND, Tag.OR)
            if unit.tag is Tag.AND and found and not plural:
                break
            if unit.tag in (Tag.TERM, Tag.GROUP):
                if found and found[-1] == place + 1 and self.units[found[-1]].start > unit.end:
                    break  # two names side by side: a full stop was left out
                found.append(place)
        return found

    def _ends_subject(self, unit: Unit, found: Sequence[int], *, joined: bool) -> bool:
        if unit.tag in _AFTER or unit.tag in (Tag.STOP, Tag.EXCEPT, Tag.NORMAL, Tag.NOT):
            return True
        if unit.tag is Tag.VERB:
            return bool(found)
        return unit.tag is Tag.COMMA and bool(found) and not joined

    def _boundary(self, at: int, unit: Unit) -> None:
        scope = self.scope
        asked = bool(at) and self.units[at - 1].tag is Tag.DOUBT  # whether there is
        if (unit.tag in (Tag.STOP, Tag.NORMAL) and not asked) or (
            unit.tag is Tag.VERB and scope.heads
        ):
            self.scope = _Scope()
        elif unit.tag is Tag.COMMA and unit.value == ":":
            scope.denies = scope.denies and not scope.heads
        elif unit.tag is Tag.COMMA:
            scope.past = False
            scope.doubts = scope.doubts and scope.denies
            self._maybe_anew(at)
        elif unit.tag is Tag.AND:
            self._maybe_anew(at)
        elif unit.tag is Tag.OR and at == 0:
            scope.doubts = True  # versus effusion
        elif unit.tag is Tag.OR and scope.heads and not scope.denies and not scope.gone:
            self._alternatives(at)
        elif unit.tag is Tag.PREPOSITION:
            scope.past = scope.past and not scope.heads

    def _maybe_anew(self, at: int) -> None:
        """Whether the scope ends here: a new phrase follows, and no "or" closes the list."""
        following = self.units[at + 1].tag if at + 1 < len(self.units) else Tag.WORD
        begins = following in _NEW_PHRASE and (self.scope.heads or following is Tag.ARTICLE)
        if begins and not self._or_ahead(at):
            self.scope = _Scope()

    def _or_ahead(self, at: int) -> bool:
        for unit in self.units[at + 1 : at + 1 + 3 * _LOOK]:
            if unit.tag in (Tag.STOP, Tag.VERB, Tag.NOT):
                return False
            if unit.tag is Tag.OR:
                return True
        return False

    def _alternatives(self, at: int) -> None:
        """Of "A or B" neither is certain, unless both name the same."""
        here = [u.kind for u in self.units[max(at - _LOOK, 0) : at] if u.term][-1:]
        there = [u.kind for u in self.units[at + 1 : at + 1 + _LOOK] if u.term][:1]
        if here and here == there:
            return
        self.scope.doubts = True
        for place in range(at - 1, max(at - _LOOK, -1), -1):
            if self.units[place].term:
                if self.polarity[place] is Polarity.PRESENT:
                    self.polarity[place] = Polarity.UNCERTAIN
                return


def reach(units: Sequence[Unit]) -> Reach:
    """The polarity of every unit of one sentence."""
    return _Reader(units).read()
