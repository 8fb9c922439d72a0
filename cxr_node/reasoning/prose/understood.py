"""Whether a sentence is understood well enough to be held against an answer.

What turns a statement round is open-ended ("enters the differential", "has a lookalike in"),
what leaves it plain is not. So a statement counts only where every word that could govern it
is known: the whole sentence of an affirmation, the phrase of a denial.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cxr_node.reasoning.prose.phrases import Unit
from cxr_node.reasoning.prose.plain_words import AFTERWARDS, ELSEWHERE, QUIET, plain
from cxr_node.reasoning.prose.report_words import Tag
from cxr_node.reasoning.prose.scope import Polarity
from cxr_node.reasoning.prose.stated import Statement

_HEADS = frozenset({Tag.TERM, Tag.GROUP})
_PHRASE_ENDS = frozenset({Tag.COMMA, Tag.OR, Tag.AND, Tag.STOP, Tag.NOT}) | _HEADS
_HEDGES = frozenset({Tag.DOUBT, Tag.DOUBT_AFTER, Tag.PAST, Tag.EXCEPT})
_LEAVES_OPEN = _HEDGES | {Tag.GONE, Tag.GONE_AFTER, Tag.NOT_AFTER}
_DESCRIBES = frozenset({Tag.WORD, Tag.SIZE, Tag.SIDE, Tag.ZONE, Tag.STRUCTURE, Tag.CHANGE})
_OPENS = frozenset({Tag.ARTICLE, Tag.SIZE, Tag.SIDE})
_ADJECTIVES = ("al", "ar", "ic", "ous", "oid", "ary", "ular", "form", "ile")
_MODAL = frozenset({"clinical", "historical", "differential", "theoretical", "hypothetical"})
_DEVICE_NOUNS = frozenset({"drain", "wire", "stent", "valve", "clip", "cuff", "bag", "shunt"})
_KNOWN_PHRASES = frozenset({"word", "then"})
_FEW = 4
"""Words between an adjective and what it describes."""


class Understanding:
    """One sentence: what in it is known. ``units`` are those of the whole sentence."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._known = [self._is_known(at) for at in range(len(units))]
        hedged = any(unit.tag in _LEAVES_OPEN or _aims(unit) for unit in units)
        hedged = hedged or _denies_at_the_end(units) or units[0].tag is Tag.VERB  # were it there
        self._hedged = hedged
        self._plain = self._plain_clauses()
        self._joined = self._joined_to_denial()
        self._quiet = self._quiet_clauses()
        self._open = self._doubts_before()
        self._statement = Statement(units)

    def sure(self, at: int, polarity: Polarity, *, group: bool) -> bool:
        """Whether what is said by the unit at ``at`` is beyond misunderstanding."""
        if polarity is Polarity.PRESENT:
            plain = self._plain[at] or (self._known[at] and self._statement.holds(at))
            return not self._hedged and not self._joined[at] and plain
        if polarity is Polarity.UNCERTAIN or self._open[at]:
            return False
        return self._quiet[at] if group else self._denies(at)

    def _plain_clauses(self) -> list[bool]:
        """For each unit, whether its clause is plain and the others say no more of it.

        Only commas part clauses: what stands before a colon or a dash belongs to all.
        """
        units = self._units
        commas = [n for n, u in enumerate(units) if u.tag is Tag.COMMA or u.value == "without"]
        if all(self._known) or any(units[n].value not in (",", "without") for n in commas):
            return [all(self._known)] * len(units)
        last = max(n for n, known in enumerate(self._known) if not known)
        away = [n for n, unit in enumerate(units) if unit.value in ELSEWHERE]
        term = next((n for n, unit in enumerate(units) if unit.term), len(units))
        plain = []
        for start, end in pairwise((0, *(n + 1 for n in commas), len(units))):
            framed = any(u.tag in (Tag.VERB, Tag.STOP) for u in units[start:end])
            stays = not away or (start <= away[0] and away[-1] < end)
            framed = framed or units[end - 1].value == "without"
            holds = stays and term >= start and (framed or last < start)
            plain += [holds and all(self._known[start:end])] * (end - start)
        return plain

    def _quiet_clauses(self) -> list[bool]:
        """For each unit, whether its clause holds nothing but what a normal structure is."""
        units = self._units
        if any(unit.tag in _HEDGES for unit in units):
            return [False] * len(units)
        ends = [n + 1 for n, unit in enumerate(units) if unit.value == ","]
        quiet: list[bool] = []
        for start, end in pairwise((0, *ends, len(units))):
            quiet += [all(map(_is_quiet, units[start:end]))] * (end - start)
        opened = next((n for n, holds in enumerate(quiet) if not holds), len(units))
        listed = any(unit.tag is Tag.OR for unit in units)
        return [n < opened for n in range(len(units))] if not listed else [all(quiet)] * len(units)

    def _joined_to_denial(self) -> list[bool]:
        """For each unit, whether "and" joins it to what is denied."""
        found, denied, joined = [], False, False
        for unit in self._units:
            found.append(joined)
            if unit.tag is Tag.NOT:
                denied = True
            elif unit.tag in (Tag.STOP, Tag.VERB, Tag.COMMA):
                denied = joined = False
            elif unit.tag is Tag.AND:
                joined = denied
        return found

    def _is_known(self, at: int) -> bool:
        unit = self._units[at]
        if unit.term and self._part_of_a_name(at):
            return False
        if unit.tag is not Tag.WORD or plain(unit.value) or unit.value in _KNOWN_PHRASES:
            return True
        return self._describes(at)

    def _part_of_a_name(self, at: int) -> bool:
        """Whether a term is but the first half of a device's name, as in "ICD drain"."""
        following = self._units[at + 1] if at + 1 < len(self._units) else None
        return following is not None and following.value in _DEVICE_NOUNS

    def _describes(self, at: int) -> bool:
        """Whether an unknown word can only be an adjective: it stands before a finding."""
        behind = self._units[at + 1 : at + 1 + _FEW]
        named = next((n for n, u in enumerate(behind) if u.tag is Tag.TERM), None)
        if named is None or any(u.tag not in _DESCRIBES for u in behind[:named]):
            return False
        word = self._units[at].value
        opened = at > 0 and self._units[at - 1].tag in _OPENS and not word.endswith("ly")
        return opened or (at > 0 and word.endswith(_ADJECTIVES) and word not in _MODAL)

    def _doubts_before(self) -> list[bool]:
        """For each unit, whether doubt stands before it, or a denial of what nobody knows."""
        found, doubted, seeking, left = [], False, False, False
        for unit, following in zip(self._units, (*self._units[1:], None), strict=True):
            found.append(doubted or left)
            doubted = doubted or (unit.tag is Tag.DOUBT and not (seeking and _suggests(unit)))
            if unit.tag is Tag.NOT:
                seeking, left = True, False
            elif unit.tag in _HEADS:
                seeking = False
            elif seeking and unit.tag is Tag.COMMA and following and following.tag in _OPENS:
                left = True  # no prior films, small left effusion
        return found

    def _denies(self, at: int) -> bool:
        """Whether the phrase in which a finding is denied holds nothing strange."""
        start, end = at, at + 1
        while start and self._units[start - 1].tag not in _PHRASE_ENDS:
            start -= 1
        while end < len(self._units) and self._units[end].tag not in _PHRASE_ENDS:
            if self._units[end].value in AFTERWARDS:
                break
            end += 1
        phrase = range(start, end)
        hedges = {Tag.DOUBT, Tag.DOUBT_AFTER, Tag.EXCEPT}
        gone = any(self._units[n].tag in (Tag.GONE, Tag.GONE_AFTER) for n in phrase)
        hedges |= set() if gone else {Tag.PAST}
        return all(self._known[n] for n in phrase) and not any(
            u.tag in hedges and not (n < at and _suggests(u))
            for n, u in enumerate(self._units[start:end], start)
        )


def _aims(unit: Unit) -> bool:
    """Whether something is looked for, as in "film for pneumothorax"."""
    return unit.tag is Tag.PREPOSITION and unit.value == "for"


def _suggests(unit: Unit) -> bool:
    """Behind "no" it denies what follows; otherwise it doubts it."""
    return unit.value == "suggests"


def _denies_at_the_end(units: Sequence[Unit]) -> bool:
    """Whether a "no" has nothing ahead that it denies: it speaks of what came before."""
    for unit in reversed(units):
        if unit.tag in _HEADS or unit.tag is Tag.NORMAL:
            return False
        if unit.tag is Tag.NOT:
            return unit.value != "without"
    return False


def _is_quiet(unit: Unit) -> bool:
    return unit.tag is not Tag.WORD or unit.value in QUIET or unit.value in _KNOWN_PHRASES
