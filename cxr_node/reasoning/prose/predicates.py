"""Statements about normal structures: "the heart is enlarged", "clear lungs".

An enlarged structure becomes the term of a finding; a normal one becomes a statement that
denies the findings of that structure. Everything else is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cxr_node.domain.findings import FindingKind
from cxr_node.reasoning.prose.phrases import Unit
from cxr_node.reasoning.prose.report_words import (
    ALL,
    ANGLE,
    BLUNTED,
    ENLARGED,
    LUNG,
    PLEURA,
    SPACE,
    Tag,
)

_BACK, _FORWARD = 10, 6
_ENDS_SUBJECT = frozenset(
    {Tag.TERM, Tag.STOP, Tag.LARGE, Tag.NORMAL, Tag.NOT_AFTER, Tag.GONE_AFTER, Tag.DOUBT_AFTER}
)
_ENDS_OBJECT = frozenset({Tag.TERM, Tag.STOP, Tag.LARGE, Tag.NORMAL, Tag.VERB, Tag.COMMA, Tag.NOT})
_THEN = frozenset({"then", "ago"})
_NEW = (Tag.CHANGE, "new")
_WIDE = frozenset({"wide", "broad", "prominent"})
_ANSWERED = frozenset({":", "-", "="})
_PLACES = frozenset({Tag.STRUCTURE, Tag.ZONE, Tag.SIDE})
_SHORT_SENTENCE = 4
_OPENINGS = frozenset(
    {"overall", "impression", "conclusion", "it", "all", ":", "appearance", "essentially"}
)


def with_predicates(units: Sequence[Unit]) -> list[Unit]:
    """The sentence with its predicates resolved; a predicate without a subject is a word."""
    found: list[Unit] = []
    for at, unit in enumerate(units):
        if unit.tag is Tag.LARGE or _called_large(units, at):
            found.append(_enlarged(units, at))
        elif unit.tag is Tag.NORMAL:
            found.extend(_normal(units, at))
        elif unit.tag is Tag.NOT_AFTER and at + 1 < len(units) and units[at + 1].value in _THEN:
            found.append(replace(unit, tag=Tag.CHANGE, value="new"))  # not seen on the last film
        elif unit.value == "ago" and found and (found[-1].tag, found[-1].value) == _NEW:
            continue
        elif unit.tag is Tag.CHANGE and unit.value != "new" and _denied_change(units, at):
            found.append(replace(unit, value="stable"))
        else:
            found.append(unit)
    return found


def _called_large(units: Sequence[Unit], at: int) -> bool:
    """Whether a mere size is said of a structure, as in "the heart is big"."""
    unit, before = units[at], units[at - 1] if at else None
    large = (unit.tag is Tag.SIZE and unit.value == "severe") or unit.value in _WIDE
    if not large or before is None or before.tag not in (Tag.VERB, Tag.NOT):
        return False
    ends = at + 1 == len(units) or units[at + 1].tag in (Tag.COMMA, Tag.STOP, Tag.AND)
    return ends and any(u.tag is Tag.STRUCTURE and u.value in ENLARGED for u in _subject(units, at))


def _denied_change(units: Sequence[Unit], at: int) -> bool:
    """No increase and no decrease: it is as it was."""
    for unit in reversed(units[max(at - 3, 0) : at]):
        if unit.tag is Tag.NOT:
            return True
        if unit.tag not in (Tag.WORD, Tag.LIMIT, Tag.SIZE):
            break
    return False


def _enlarged(units: Sequence[Unit], at: int) -> Unit:
    unit = units[at]
    near = (*_subject(units, at), *_object(units, at))
    for structure in (u for u in near if u.tag is Tag.STRUCTURE and u.value != ALL):
        if unit.value == BLUNTED and structure.value == ANGLE:
            return replace(unit, tag=Tag.TERM, kind=FindingKind.PLEURAL_EFFUSION, weak=True)
        kind = ENLARGED.get(structure.value)
        if unit.value != BLUNTED and kind is not None:
            return replace(unit, tag=Tag.TERM, value=structure.value, kind=kind)
    grows = unit.value != BLUNTED and not any(u.tag is Tag.STRUCTURE for u in near)
    return replace(unit, tag=Tag.CHANGE, value="worsened") if grows else replace(unit, tag=Tag.WORD)


def _normal(units: Sequence[Unit], at: int) -> Iterator[Unit]:
    """One statement for each structure that is called normal."""
    unit = units[at]
    if unit.value == "negative" and at and units[at - 1].value in _ANSWERED:
        yield replace(unit, tag=Tag.NOT_AFTER)
        return
    if _negated(units, at) or _clear_of(units, at):
        yield replace(unit, tag=Tag.WORD)
        return
    places = _subject(units, at) or _object(units, at)
    structures = [u.value for u in places if u.tag is Tag.STRUCTURE]
    elsewhere = any(u.tag is Tag.STRUCTURE for u in units)
    if not structures and unit.value == "clear" and places and not elsewhere:
        structures = [LUNG]
    if not structures and _says_nothing_else(units):
        structures = [ALL]
    if unit.value == "clear" and ALL in structures:  # lungs and pleura, not the heart
        structures = [LUNG, PLEURA, *(value for value in structures if value != ALL)]
    spaces = unit.value == "clear" and structures == [PLEURA]  # thick pleura leaves them clear
    for value in [SPACE] if spaces else structures:
        yield replace(unit, value=value)
    if not structures:
        answers = unit.value == "negative"
        yield replace(unit, tag=Tag.NOT_AFTER if answers else Tag.WORD)


def _says_nothing_else(units: Sequence[Unit]) -> bool:
    tags = (Tag.NORMAL, Tag.VERB, Tag.ARTICLE)
    general = (u.tag is Tag.GROUP and u.value == ALL for u in units)
    quiet = all(
        u.tag in tags or u.value in _OPENINGS or of_all
        for u, of_all in zip(units, general, strict=True)
    )
    named = [u for u in units if u.tag is Tag.NORMAL and u.value == "normal"]
    return quiet and bool(named) and len(units) < _SHORT_SENTENCE


def _negated(units: Sequence[Unit], at: int) -> bool:
    """Whether "not" stands before the predicate, perhaps with an adverb between."""
    near = units[max(at - 2, 0) : at]
    return any(u.tag in (Tag.NOT, Tag.PAST, Tag.DOUBT) for u in near)


def _clear_of(units: Sequence[Unit], at: int) -> bool:
    """Clear of one thing is not clear of all; nor is clear with an exception."""
    behind = units[at + 1 : at + 3]
    return bool(behind) and behind[0].tag in (Tag.NOT, Tag.EXCEPT)


def _subject(units: Sequence[Unit], at: int) -> list[Unit]:
    """Places that stand before a predicate and belong to it, nearest first."""
    found: list[Unit] = []
    for unit in reversed(units[max(at - _BACK, 0) : at]):
        if unit.tag in _ENDS_SUBJECT or (unit.tag is Tag.VERB and found):
            break
        if unit.tag is Tag.EXCEPT or (unit.tag is Tag.VERB and unit.value == "shows"):
            return []
        if unit.tag in _PLACES:
            found.append(unit)
    return found


def _object(units: Sequence[Unit], at: int) -> list[Unit]:
    """Places that a predicate before them belongs to, as in "normal heart size"."""
    if at and units[at - 1].tag is Tag.VERB and units[at - 1].value != "shows":
        return []
    found: list[Unit] = []
    for unit in units[at + 1 : at + 1 + _FORWARD]:
        if unit.tag in _ENDS_OBJECT or unit.tag is Tag.EXCEPT:
            break
        if unit.tag in _PLACES:
            found.append(unit)
    return found
