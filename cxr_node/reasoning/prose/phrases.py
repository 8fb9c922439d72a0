"""Cut a text into sentences of tagged phrases: the longest known phrase at every place.

Linear in the length of the text: every token is looked at a fixed number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cxr_node.domain.findings import FindingKind
from cxr_node.reasoning.prose.phrase_families import REWRITTEN
from cxr_node.reasoning.prose.plain_words import PLAIN
from cxr_node.reasoning.prose.report_phrases import PHRASES
from cxr_node.reasoning.prose.report_words import JOINT, WEAK, Tag
from cxr_node.reasoning.prose.terms import LEXICON, name_key
from cxr_node.reasoning.prose.word_forms import singular

LONGEST_TEXT = 20_000
"""Characters that are read; answers are far shorter (``Limits.text_characters``)."""

_SHORT = {
    "w/o": "without",
    "w/": "with",
    "s/p": "s/p",
    "h/o": "h/o",
    "r/o": "rule out",
    "c/w": "consistent with",
    "e/o": "evidence of",
    "and/or": "and or",
    "/": "or",
    "(-)": "no",
}
_TOKEN = re.compile(
    r"(?:and/or|[wW]/[oO]|[sS]/[pP]|[hH]/[oO]|[rR]/[oO]|[cC]/[wW]|[eE]/[oO])(?![A-Za-z])|[wW]/"
    r"|\(-\)|[^\W\d_]+(?:'[a-z]{1,2})?|\d+(?:\.\d+)?|\n\s*|[.,;:!?()<>=•*/\[\]]|[-–—]+"
)
_DROPPED = frozenset({"be", "been", "being", "currently", "presently", "now", "really", "very"})
"""Words that change nothing: cannot be seen, has been seen."""
_SUBJECTS = frozenset(
    {"there", "here", "it", "that", "heart", "mediastinum", "chest", "everything"}
)
"""Before "'s", which is a verb then; elsewhere it is a possessive."""
_ENDS = frozenset(".;!?•*")
_NOT_ENDING = frozenset({"vs", "approx"})
_ANSWER = re.compile(r"[A-Za-z]|\s?(?:[Nn]o|[Yy]es|[Nn]one|[Aa]bsent|[Nn]egative|[Pp]resent)\b")
"""What may follow a question mark within one statement: "?pneumonia" or "Effusion? No"."""
_APOSTROPHE = re.compile(r"[’`´]")


@dataclass(frozen=True, slots=True)
class Unit:
    """One tagged phrase. ``start`` and ``end`` are characters of the text."""

    tag: Tag
    value: str
    start: int
    end: int
    kind: FindingKind | None = None
    """Of a term: the finding."""
    weak: bool = False
    """Of a term: the name may mean less than the finding."""

    @property
    def term(self) -> bool:
        return self.tag is Tag.TERM


@dataclass(frozen=True, slots=True)
class _Token:
    word: str
    start: int
    end: int


def _plain(word: str) -> list[str]:
    """A token in the words that are looked up: contractions apart, empty words left out."""
    whole = _SHORT.get(word, word)
    if whole.endswith("n't"):
        whole = f"{whole[:-3]} not"
    if whole.endswith("'s"):
        whole = f"{whole[:-2]} is" if whole[:-2] in _SUBJECTS else whole[:-2]
    words = "can not" if whole == "cannot" else whole
    return [singular(w) for w in words.split() if w not in _DROPPED]


_Entry = tuple[Tag, str, FindingKind | None, bool]


def _entries() -> dict[tuple[str, ...], tuple[_Entry, ...]]:
    weak = {name_key(name) for name in WEAK.split("|")}
    table: dict[tuple[str, ...], tuple[_Entry, ...]] = {
        name: ((Tag.TERM, " ".join(name), kind, name in weak),) for name, kind in LEXICON.items()
    }
    for tag, rows in PHRASES.items():
        for value, row in rows.items():
            entry = tuple(_entry(tag, value))
            table |= {_phrase_key(phrase): entry for phrase in row.split("|")}
    joint = (FindingKind.PNEUMOTHORAX, FindingKind.PLEURAL_EFFUSION)
    table[name_key(JOINT)] = tuple((Tag.TERM, JOINT, kind, False) for kind in joint)
    for phrase, plain in REWRITTEN.items():
        keys = (_phrase_key(word) for word in plain.split("|"))
        table[_phrase_key(phrase)] = tuple(entry for key in keys for entry in table[key])
    return {key: entry for key, entry in table.items() if key}


def _phrase_key(phrase: str) -> tuple[str, ...]:
    return tuple(word for raw in phrase.split() for word in _plain(raw))


def _entry(tag: Tag, value: str) -> Iterator[_Entry]:
    side, _, zone = value.partition(" ")
    yield tag, side, None, False
    if tag is Tag.SIDE and zone:
        yield Tag.ZONE, zone, None, False


_TABLE = _entries()
_KNOWN = PLAIN.union(*_TABLE)
_SHORTENED = 5
"""Letters of the longest word that is taken for an abbreviation if nobody knows it."""
_LONGEST = max(map(len, _TABLE))
_FIRST = {
    word: max(len(key) for key in _TABLE if key[0] == word) for word in {key[0] for key in _TABLE}
}
"""First word of a phrase to the most words that a phrase beginning with it has."""


def sentences(text: str) -> Iterator[list[Unit]]:
    """The sentences of ``text`` (at most :data:`LONGEST_TEXT` characters), none empty."""
    plain = _APOSTROPHE.sub("'", text[:LONGEST_TEXT])
    for tokens in _split(plain):
        units = list(_units(tokens))
        if units:
            yield units


def _split(text: str) -> Iterator[list[_Token]]:
    current: list[_Token] = []
    for found in _TOKEN.finditer(text):
        raw = found[0]
        if _is_end(raw, text, found, current):
            if raw == "?":
                current.append(_Token(raw, found.start(), found.end()))
            yield current
            current = []
        elif not raw[0].isspace() and not _joins(raw, text, found):
            answered = raw == "?" and current and text[found.end() : found.end() + 1].isspace()
            for word in _plain(":" if answered else raw.lower()):
                current.append(_Token(word, found.start(), found.end()))
    yield current


def _is_end(raw: str, text: str, found: re.Match[str], current: Sequence[_Token]) -> bool:
    if raw[0] == "\n":
        following = text[found.end() : found.end() + 1]
        return raw.count("\n") > 1 or not following.islower()
    if raw == "?":
        return bool(current) and _ANSWER.match(text, found.end()) is None
    if raw == "." and current and current[-1].end == found.start():
        return not _shortened(current, text[found.end() : found.end() + 2])
    return raw in _ENDS


def _shortened(current: Sequence[_Token], following: str) -> bool:
    """Whether a point ends a word that is cut short, as in "Poss. pneumonia"."""
    word = current[-1].word
    if word in _NOT_ENDING:
        return True
    short = word.isalpha() and len(word) <= _SHORTENED and word not in _KNOWN
    return short and (len(current) == 1 or following.strip().islower())


def _joins(raw: str, text: str, found: re.Match[str]) -> bool:
    """Whether a dash stands inside a word, as in left-sided."""
    if raw[0] not in "-–—":
        return False
    before = text[found.start() - 1 : found.start()]
    return before.isalnum() and text[found.end() : found.end() + 1].isalnum()


def _units(tokens: Sequence[_Token]) -> Iterator[Unit]:
    words = [token.word for token in tokens]
    at = 0
    while at < len(words):
        longest = min(_FIRST.get(words[at], 0), len(words) - at)
        length = next((n for n in range(longest, 0, -1) if tuple(words[at : at + n]) in _TABLE), 0)
        taken = max(length, 1)
        start, end = tokens[at].start, tokens[at + taken - 1].end
        for tag, value, kind, weak in _known(words, at, length):
            yield Unit(tag, value, start, end, kind, weak)
        at += taken


def _known(words: Sequence[str], at: int, length: int) -> tuple[_Entry, ...]:
    if length:
        return _TABLE[tuple(words[at : at + length])]
    word = words[at]
    return ((Tag.WORD if word[0].isalnum() else Tag.COMMA, word, None, False),)
