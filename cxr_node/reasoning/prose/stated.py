"""Findings that are stated so exactly that strange words around them change nothing.

Nobody doubts, seeks or recalls "a small left effusion": who gives size or side has seen it.
So a sentence need not be known to its last word, as long as what governs the finding is,
nothing in it doubts, and nothing takes it to another time or patient.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cxr_node.reasoning.prose.phrases import Unit
from cxr_node.reasoning.prose.plain_words import DOUBTING, ELSEWHERE, SHOWING, plain
from cxr_node.reasoning.prose.report_words import Tag

_AIMED = re.compile(r".*(?:ed|en|able|ible)$")
"""Endings of words that say what was done with a finding: feared, drained, debatable."""
_OF_A_PERSON = frozenset({"patient", "clinically", "note", "noted", "case"})
_NAMED_BY = frozenset({Tag.SIZE, Tag.SIDE, Tag.ZONE, Tag.CHANGE, Tag.STRUCTURE, Tag.LIMIT})
_OPENS = frozenset({Tag.SIZE, Tag.SIDE, Tag.ARTICLE})
_EXACT = frozenset({Tag.SIZE, Tag.SIDE})
_FREE = frozenset({Tag.COMMA, Tag.STOP, Tag.VERB, Tag.ARTICLE, Tag.AND})
_CLOSING = frozenset({",", "(", ")"})
"""Signs behind which the phrase is over; behind a colon it is answered."""
_LONGEST = 10


class Statement:
    """One sentence in which single findings may be stated beyond doubt."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        words = {unit.value for unit in units if unit.tag is Tag.WORD}
        elsewhere = words & (ELSEWHERE - _OF_A_PERSON)
        self._open = bool(elsewhere) or any(map(DOUBTING.match, words))

    def holds(self, at: int) -> bool:
        """Whether the finding at ``at`` is stated by size, side or change, governed plainly."""
        if self._open:
            return False
        start = self._start(at)
        return self._exact(start, at) and self._governed(start) and self._left_alone(at)

    def _start(self, at: int) -> int:
        """Where the phrase that names the finding begins, its article left out."""
        start = at
        while start and at - start < _LONGEST:
            unit = self._units[start - 1]
            named = unit.tag in _NAMED_BY or (unit.tag is Tag.WORD and self._describes(start - 1))
            if not named:
                break
            start -= 1
        return start

    def _describes(self, at: int) -> bool:
        word = self._units[at].value
        before = self._units[max(at - 2, 0) : at]
        opened = any(unit.tag in _OPENS for unit in before)
        return word not in SHOWING and (plain(word) or opened)

    def _exact(self, start: int, at: int) -> bool:
        if any(unit.tag in _EXACT for unit in self._units[start:at]):
            return True
        behind = self._units[at + 1 : at + 5]
        for unit in behind:
            if unit.tag in (Tag.SIDE, Tag.SIZE):
                return True
            if unit.tag not in (Tag.COMMA, Tag.PREPOSITION, Tag.ARTICLE, Tag.VERB):
                break
        return False

    def _governed(self, start: int) -> bool:
        """Whether what stands before the phrase is known to leave it as it is."""
        governor = self._units[start - 1] if start else None
        if governor is None or governor.tag in _FREE:
            return True
        if governor.tag is Tag.WORD:
            return plain(governor.value)
        if governor.tag is not Tag.PREPOSITION or governor.value == "for":
            return False
        binds = self._units[start - 2] if start > 1 else None
        if binds is None or binds.tag is not Tag.WORD:
            return True
        return plain(binds.value) or binds.value in _OF_A_PERSON

    def _left_alone(self, at: int) -> bool:
        """Whether no unknown predicate is said of the finding."""
        before: Unit | None = None
        answered = False
        for unit in self._units[at + 1 : at + 1 + _LONGEST]:
            closed = unit.tag is Tag.COMMA and unit.value in _CLOSING
            if closed or unit.tag in (Tag.STOP, Tag.PREPOSITION, Tag.AND):
                break
            if unit.tag is Tag.WORD and not plain(unit.value):
                predicate = answered or (before is not None and before.tag is Tag.VERB)
                if predicate or _AIMED.match(unit.value):
                    return False
            answered = answered or unit.tag is Tag.COMMA
            before = unit
        return True
