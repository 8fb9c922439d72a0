"""How far "no", "possible" and "resolved" reach in one sentence.

NegEx and ConText with a few rules of grammar: a list stays denied to its end, a new phrase
behind a comma begins anew, "no change in" denies nothing, "is not seen" looks back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cxr_node.reasoning.phrases import Unit
from cxr_node.reasoning.report_words import Tag


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
        applies = unit.kind is not None and (scope.gone == "removed") == unit.kind.is_device
        if scope.gone and applies and self.polarity[at] is Polarity.PRESENT:
            self.polarity[at] = Polarity.ABSENT

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
            self.scope = _Scope(gone=unit.value)
        elif unit.tag is Tag.PAST:
            self.scope.past = True
        elif unit.tag is Tag.DOUBT and self._looks_back(at):
            self._set(self._before(at), Polarity.UNCERTAIN)
        elif unit.tag is Tag.DOUBT:
            self.scope.doubts = True
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

    def _looks_back(self, at: int) -> bool:
        """A doubt behind a verb with nothing of its own ahead, as in "is possible"."""
        if not at or self.units[at - 1].tag is not Tag.VERB:
            return False
        for unit in self.units[at + 1 : at + 1 + _LOOK]:
            if unit.term:
                return False
            if unit.tag in (Tag.COMMA, Tag.STOP):
                break
        return True

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

    def _can_go(self, at: int, how: str) -> bool:
        kind = self.units[at].kind
        return kind is not None and kind.is_device == (how == "removed")

    def _set(self, places: Sequence[int], polarity: Polarity) -> None:
        for place in places:
            self.polarity[place] = polarity

    def _before(self, at: int) -> list[int]:
        """The terms that a cue behind them speaks of: the subject of its clause."""
        found: list[int] = []
        joined = plural = False
        for place in range(at - 1, -1, -1):
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
        if unit.tag in (Tag.STOP, Tag.NORMAL) or (unit.tag is Tag.VERB and scope.heads):
            self.scope = _Scope()
        elif unit.tag is Tag.COMMA:
            scope.past = False
            scope.doubts = scope.doubts and scope.denies
            self._maybe_anew(at)
        elif unit.tag is Tag.AND:
            self._maybe_anew(at)
        elif unit.tag is Tag.OR and scope.heads and not scope.denies and not scope.gone:
            self._alternatives(at)
        elif unit.tag is Tag.PREPOSITION:
            scope.past = scope.past and not scope.heads

    def _maybe_anew(self, at: int) -> None:
        """Whether the scope ends here: a new phrase follows, and no "or" closes the list."""
        if self.scope.heads and self._new_phrase(at) and not self._or_ahead(at):
            self.scope = _Scope()

    def _new_phrase(self, at: int) -> bool:
        following = self.units[at + 1] if at + 1 < len(self.units) else None
        return following is not None and following.tag in _NEW_PHRASE

    def _or_ahead(self, at: int) -> bool:
        for unit in self.units[at + 1 : at + 1 + 3 * _LOOK]:
            if unit.tag in (Tag.STOP, Tag.VERB, Tag.NOT):
                return False
            if unit.tag is Tag.OR:
                return True
        return False

    def _alternatives(self, at: int) -> None:
        """Of "A or B" neither is certain."""
        self.scope.doubts = True
        for place in range(at - 1, max(at - _LOOK, -1), -1):
            if self.units[place].term:
                if self.polarity[place] is Polarity.PRESENT:
                    self.polarity[place] = Polarity.UNCERTAIN
                return


def reach(units: Sequence[Unit]) -> Reach:
    """The polarity of every unit of one sentence."""
    return _Reader(units).read()
