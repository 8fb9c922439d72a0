"""How a question is put to a family of models, and how its answer is read back.

A manner is what a family was trained to answer: bare options scored after the question,
or lettered options behind aloud reasoning. The walk over the stages knows none of this.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.ports import Ask, Generated, Reply, Scores
from cxr_node.reasoning.profiles import MannerKind

Dialogue = Generator[Ask, Reply, "Heard"]
"""Yields what to ask the model, is sent the reply, returns what was heard."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the model gave for one question: scores of a closed one, text of an open one."""

    scores: Scores = ()
    raw: str = ""
    truncated: bool = False


class Manner(Protocol):
    """One way of asking."""

    def prompt(self, question: str, options: Sequence[str]) -> str:
        """The exact words of a question; ``options`` are empty for an open one."""

    def closed(self, prompt: str, options: Sequence[str]) -> Dialogue:
        """Put a closed question. Raises :class:`AnswerRefused`."""

    def open(self, prompt: str, max_new_tokens: int) -> Dialogue:
        """Put an open question. Raises :class:`AnswerRefused`."""

    def settled(self, answer: str, options: Sequence[str], heard: Heard) -> str:
        """The words that stand as the answer in the dialogue, for later questions."""


class Scored:
    """The bare options are scored behind the question; texts are generated as they are."""

    def prompt(self, question: str, options: Sequence[str]) -> str:
        return question

    def closed(self, prompt: str, options: Sequence[str]) -> Dialogue:
        reply = yield Ask(prompt, options=tuple(options))
        return Heard(scores=scores(reply))

    def open(self, prompt: str, max_new_tokens: int) -> Dialogue:
        reply = yield Ask(prompt, max_new_tokens=max_new_tokens)
        said = generated(reply)
        return Heard(raw=said.text, truncated=said.truncated)

    def settled(self, answer: str, options: Sequence[str], heard: Heard) -> str:
        return answer


def scores(reply: Reply) -> Scores:
    """The scores in ``reply``. Raises :class:`AnswerRefused` when it holds none."""
    if isinstance(reply, AnswerRefused):
        raise reply
    if isinstance(reply, Generated):
        raise AnswerRefused("the model wrote a text where options were to be scored")
    return reply


def generated(reply: Reply) -> Generated:
    """The text in ``reply``. Raises :class:`AnswerRefused` when it holds none."""
    if isinstance(reply, AnswerRefused):
        raise reply
    if not isinstance(reply, Generated):
        raise AnswerRefused("the model scored where a text was to be written")
    return reply


def manner_of(kind: MannerKind, *, triage: bool) -> Manner:
    """The manner of a profile; ``triage`` asks for the quick form where there is one."""
    if kind is MannerKind.SCORED:
        return Scored()
    raise NotImplementedError(kind)
