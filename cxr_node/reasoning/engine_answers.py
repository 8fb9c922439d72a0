"""Read what an inference server sent back: texts, and log-probabilities of given options.

Fields of a chat completion that are used: ``model``; of the one choice ``message.content``,
``message.reasoning`` (``reasoning_content`` in older releases), ``finish_reason`` and
``logprobs.content[].{token, logprob, top_logprobs}``; ``usage.prompt_tokens``.

Scores. The server writes one option greedily and says at every token which others it might
have written. An option's score is the log-probability of the path that it shares with what
was written, plus that of the token with which it leaves the path; what was written is scored
up to the token that sets it apart from all other options. Hence:

* exact, up to a constant that is the same for all options of the question, for options set
  apart by their first token, each by its own: the constant is 0 where the server reports
  log-probabilities of its whole vocabulary, and where it reports them after forbidding
  everything else (vLLM's V1 engine applies the grammar before the log-softmax, also with
  ``--logprobs-mode raw_logprobs``) it cancels in the softmax that follows;
* an upper bound for the rest: options that leave the path together ("too high" and "too
  low" both by "too") each get the whole of that token; tokens behind the one that sets an
  option apart are taken as certain, as they are under the constraint;
* a bound where an option's token is not among the alternatives sent: at most the least of
  those that are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.ports import Generated, Scores

UNKNOWN = -9999.0
"""What vLLM writes for minus infinity and for a log-probability that it does not have."""

_ROUNDING = 1e-3  # a log-probability may exceed 0 by this much in 16-bit arithmetic


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Alternative(_Read):
    """A token that might have been written, as text."""

    token: str
    logprob: float | None = None


class Token(Alternative):
    """A token that was written, and others that might have been."""

    top_logprobs: tuple[Alternative, ...] = ()


class LogProbs(_Read):
    content: tuple[Token, ...] | None = None


class Message(_Read):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class Choice(_Read):
    message: Message
    finish_reason: str | None = None
    logprobs: LogProbs | None = None


class Usage(_Read):
    prompt_tokens: int = Field(ge=0)


class Completion(_Read):
    """``POST /v1/chat/completions``, as far as it is used."""

    model: str
    choices: tuple[Choice, ...] = Field(min_length=1, max_length=1)
    usage: Usage | None = None


def written(found: Completion, stop: Sequence[str]) -> Generated:
    """The text of an open answer. Raises :class:`AnswerRefused` when it holds none."""
    choice = found.choices[0]
    text = _content(choice)
    if choice.finish_reason not in ("stop", "length"):
        raise AnswerRefused("the inference server broke the answer off")
    ends = [at for mark in stop if (at := text.find(mark)) >= 0]
    if ends:
        return Generated(text[: min(ends)].strip(), truncated=False)
    return Generated(text.strip(), truncated=choice.finish_reason == "length")


def option_scores(found: Completion, options: Sequence[str], ends: Sequence[str]) -> Scores:
    """Log-probability of each option, as the module says; ``ends`` are texts of end tokens.

    Raises :class:`AnswerRefused` when the answer is none of the options, or when its
    log-probabilities are missing, not finite or above zero.
    """
    choice = found.choices[0]
    said = _content(choice)
    if said not in options:
        raise AnswerRefused("the inference server's answer is none of the options")
    tokens = choice.logprobs.content if choice.logprobs else None
    if not tokens:
        raise AnswerRefused("the inference server sent no log-probabilities")
    path = _Path(options, frozenset(ends) | {""})
    for token in tokens:
        if path.decided:
            break
        path.take(token)
    return path.scores(options.index(said))


class _Path:
    """What was written so far, the options that still begin with it, and scores of the others."""

    def __init__(self, options: Sequence[str], ends: frozenset[str]) -> None:
        self._rests = dict(enumerate(options))
        self._ends = ends
        self._shared = 0.0
        self._scores: dict[int, float] = {}

    @property
    def decided(self) -> bool:
        """Whether no more than one option is left."""
        return len(self._rests) < 2

    def take(self, token: Token) -> None:
        """Follow one token: options that do not begin with it leave the path here."""
        heard = _known(token.logprob)
        staying = {n: r for n, r in self._rests.items() if self._begins(r, token.token)}
        leaving = {n: r for n, r in self._rests.items() if n not in staying}
        if not staying:
            raise AnswerRefused("the inference server's tokens make none of the options")
        for number, rest in leaving.items():
            self._scores[number] = self._shared + self._alternative(rest, token, heard)
        self._shared += heard
        self._rests = {n: rest.removeprefix(token.token) for n, rest in staying.items()}

    def scores(self, said: int) -> Scores:
        """All scores; ``said`` is the option that the answer was."""
        if list(self._rests) != [said]:
            raise AnswerRefused("the inference server's tokens do not make its answer")
        self._scores[said] = self._shared
        return tuple(self._scores[number] for number in sorted(self._scores))

    def _begins(self, rest: str, token: str) -> bool:
        """Whether ``token`` is the next piece of ``rest``, or its end where nothing is left."""
        if not rest:
            return token in self._ends
        return token not in self._ends and rest.startswith(token)

    def _alternative(self, rest: str, token: Token, heard: float) -> float:
        """Log-probability of leaving the path towards ``rest``.

        Of several tokens that begin it the longest counts: the one a tokenizer would choose.
        """
        if not token.top_logprobs:
            raise AnswerRefused("the inference server sent no alternatives")
        near = [a for a in token.top_logprobs if self._begins(rest, a.token)]
        if near:
            return _finite(max(near, key=lambda a: len(a.token)).logprob)
        seen = [_finite(a.logprob) for a in token.top_logprobs]
        return min([value for value in seen if value > UNKNOWN] + [heard])


def _content(choice: Choice) -> str:
    message = choice.message
    if message.reasoning or message.reasoning_content:
        raise AnswerRefused("the inference server keeps reasoning apart from the answer")
    if message.content is None:
        raise AnswerRefused("the inference server sent no text")
    return message.content


def _known(value: float | None) -> float:
    found = _finite(value)
    if found <= UNKNOWN:
        raise AnswerRefused("the inference server sent no log-probability of its own answer")
    return found


def _finite(value: float | None) -> float:
    if value is None:
        raise AnswerRefused("the inference server sent no log-probabilities")
    if not math.isfinite(value) or value > _ROUNDING:
        raise AnswerRefused("the inference server's log-probabilities are no log-probabilities")
    return min(value, 0.0)
