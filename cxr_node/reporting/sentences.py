"""Sentences of other parts of the node in a result's language, told by their English form.

A reading stores its contradictions and warnings in English. A language's file says how each
reads there; what stands in the braces is looked up in the same file. A sentence of which any
part is unknown stays as it is, so that nothing is half translated; so does what a model wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from string import Formatter
from typing import Self

from pydantic import model_validator

from cxr_node.reporting.template_files import Entry

Vocabulary = Mapping[str, Mapping[str, str]]
"""Kind of word to its English words and what they are here."""
CLOSED = ("finding", "side", "zone", "severity", "word")
"""Kinds of word with a vocabulary; ``word`` is any phrase that the file knows."""
_OPEN = {"findings": "", "count": r"\d+", "total": r"\d+", "text": ".+?", "free": ".+"}
"""Others: findings with commas between, digits, a text that is worded in turn, any text."""


class Sentence(Entry):
    """One form that a sentence has in English, and its words in this language."""

    id: str
    said: str
    words: str

    @model_validator(mode="after")
    def _slots_known(self) -> Self:
        held = set(_slots(self.said))
        for slot in held:
            if _kind(slot) not in (*CLOSED, *_OPEN):
                raise ValueError(f"said: {{{slot}}} is not a kind of word")
        for slot in _slots(self.words):
            if slot not in held:
                raise ValueError(f"words: {{{slot}}} does not stand in the English sentence")
        return self


class Phrasebook:
    """The sentences of one language with its vocabulary."""

    def __init__(
        self,
        sentences: tuple[Sentence, ...],
        vocabulary: Vocabulary,
        text: Callable[[str], str | None],
    ) -> None:
        self._vocabulary = vocabulary
        self._text = text
        forms = _OPEN | {kind: _any_of(vocabulary[kind]) for kind in CLOSED}
        forms["findings"] = f"{forms['finding']}(?:, {forms['finding']})*"
        self._sentences = [(_form(sentence.said, forms), sentence.words) for sentence in sentences]

    def translated(self, english: str) -> str | None:
        """The words of the first sentence whose form fits; None if there is none."""
        for form, words in self._sentences:
            found = form.fullmatch(english)
            worded = found and {s: self._word(_kind(s), v) for s, v in found.groupdict().items()}
            if worded is not None and None not in worded.values():
                return words.format(**worded)
        return None

    def _word(self, kind: str, english: str) -> str | None:
        if kind == "findings":
            names = self._vocabulary["finding"]
            return ", ".join(names[name] for name in english.split(", "))
        if kind == "text":
            return self._text(english)
        return self._vocabulary[kind][english] if kind in CLOSED else english


def _form(said: str, forms: Mapping[str, str]) -> re.Pattern[str]:
    parts = []
    for literal, slot, _, _ in Formatter().parse(said):
        parts.append(re.escape(literal))
        if slot is not None:
            parts.append(f"(?P<{slot}>{forms[_kind(slot)]})")
    return re.compile("".join(parts), re.DOTALL)


def _any_of(words: Mapping[str, str]) -> str:
    return f"(?:{'|'.join(map(re.escape, words))})"


def _kind(slot: str) -> str:
    """A sentence that names two of a kind calls the second one ``other_``."""
    return slot.removeprefix("other_")


def _slots(text: str) -> Iterator[str]:
    return (slot for _, slot, _, _ in Formatter().parse(text) if slot is not None)
