"""How a question is put to a family of models, and how its answer is read back.

A manner is what a family was trained to answer: bare options scored after the question,
or lettered options behind aloud reasoning. The walk over the stages knows none of this.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.ports import Ask, Foreseen, Generated, Reply, Scores
from cxr_node.reasoning import prompts, tags
from cxr_node.reasoning.profiles import MannerKind, Profile

Dialogue = Generator[Ask, Reply, "Heard"]
"""Yields what to ask the model, is sent the reply, returns what was heard."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the model gave for one question: scores of a closed one, text of an open one.

    A family that reasons aloud gives both for a closed one: ``raw`` are its thoughts.
    """

    scores: Scores = ()
    raw: str = ""
    truncated: bool = False
    problem: str = ""
    """Why none of it can be used; what was heard is kept all the same."""


class Manner(Protocol):
    """One way of asking."""

    def prompt(self, question: str, options: Sequence[str]) -> str:
        """The exact words of a question; ``options`` are empty for an open one."""

    def closed(
        self, prompt: str, options: Sequence[str], ahead: Sequence[Foreseen] = ()
    ) -> Dialogue:
        """Put a closed question; ``ahead`` may follow. Raises :class:`AnswerRefused`."""

    def foreseen(self, prompt: str, options: Sequence[str]) -> Ask | None:
        """The one ask that a closed question will be; None where it takes several."""

    def open(self, prompt: str, max_new_tokens: int) -> Dialogue:
        """Put an open question. Raises :class:`AnswerRefused`."""

    def settled(self, answer: str, options: Sequence[str], heard: Heard) -> str:
        """The words that stand as the answer in the dialogue, for later questions."""

    def stated(self, answer: str, options: Sequence[str]) -> str:
        """As :meth:`settled`, for an answer that a person gave, without any thoughts."""


class Scored:
    """The bare options are scored behind the question; texts are generated as they are."""

    def prompt(self, question: str, options: Sequence[str]) -> str:
        return question

    def closed(
        self, prompt: str, options: Sequence[str], ahead: Sequence[Foreseen] = ()
    ) -> Dialogue:
        reply = yield replace(self.foreseen(prompt, options), ahead=tuple(ahead))
        return Heard(scores=scores(reply))

    def foreseen(self, prompt: str, options: Sequence[str]) -> Ask:
        return Ask(prompt, options=tuple(options))

    def open(self, prompt: str, max_new_tokens: int) -> Dialogue:
        reply = yield Ask(prompt, max_new_tokens=max_new_tokens)
        said = generated(reply)
        return Heard(raw=said.text, truncated=said.truncated)

    def settled(self, answer: str, options: Sequence[str], heard: Heard) -> str:
        return answer

    def stated(self, answer: str, options: Sequence[str]) -> str:
        return answer


class Lettered:
    """Options under letters, and thoughts before the answer, as ChestX-Reasoner was taught.

    The thoughts are generated; then the letters are scored behind them, so that every option
    has a probability. The quick form asks for no thoughts: part of the training was without.
    """

    def __init__(self, thought_tokens: int, *, quick: bool) -> None:
        self._thought_tokens = thought_tokens
        self._quick = quick

    def prompt(self, question: str, options: Sequence[str]) -> str:
        asked = prompts.lettered(question, options) if options else question
        return asked if self._quick else f"{asked}\n{prompts.REASON_ALOUD}"

    def closed(
        self, prompt: str, options: Sequence[str], ahead: Sequence[Foreseen] = ()
    ) -> Dialogue:
        letters = tuple(f" {letter}" for letter in prompts.LETTERS[: len(options)])
        if (ask := self.foreseen(prompt, options)) is not None:
            reply = yield replace(ask, ahead=tuple(ahead))
            return Heard(scores=scores(reply))
        reply = yield Ask(prompt, max_new_tokens=self._thought_tokens, stop=(tags.THINK_END,))
        heard = _heard(reply)
        if heard.problem:
            return heard
        try:
            lead = tags.lead(tags.thoughts_only(heard.raw))
            return replace(heard, scores=scores((yield Ask("", options=letters, lead=lead))))
        except AnswerRefused as refusal:
            return replace(heard, problem=str(refusal))

    def foreseen(self, prompt: str, options: Sequence[str]) -> Ask | None:
        letters = tuple(f" {letter}" for letter in prompts.LETTERS[: len(options)])
        return Ask(prompt, options=letters, lead=tags.ANSWER_START) if self._quick else None

    def open(self, prompt: str, max_new_tokens: int) -> Dialogue:
        if self._quick:
            raise NotImplementedError("the quick form has no open questions")
        heard = _heard((yield Ask(prompt, max_new_tokens=self._thought_tokens + max_new_tokens)))
        if heard.problem or tags.has_tags(heard.raw):
            return heard
        return replace(heard, problem=tags.INCOMPLETE)

    def settled(self, answer: str, options: Sequence[str], heard: Heard) -> str:
        said = prompts.LETTERS[options.index(answer)] if options else answer
        if self._quick:
            return tags.answer_tags(said)
        if options:
            return tags.with_tags(tags.thoughts_only(heard.raw), said)
        return tags.with_tags(tags.read_tags(heard.raw).thoughts, said)

    def stated(self, answer: str, options: Sequence[str]) -> str:
        """An option that this family is not offered stands in words."""
        known = answer in options
        return tags.answer_tags(prompts.LETTERS[options.index(answer)] if known else answer)


def _heard(reply: Reply) -> Heard:
    """A text in which thoughts stand: of use only when it was not cut."""
    said = generated(reply)
    problem = tags.CUT if said.truncated else ""
    return Heard(raw=said.text, truncated=said.truncated, problem=problem)


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
    if any("\ud800" <= c <= "\udfff" for c in reply.text):
        raise AnswerRefused("the answer is not valid Unicode")
    return reply


def manner_of(profile: Profile, *, quick: bool) -> Manner:
    """The manner of a profile; ``quick`` asks for the form without thoughts, if there is one."""
    if profile.manner is MannerKind.SCORED:
        return Scored()
    return Lettered(profile.limits.thought_tokens, quick=quick)
