"""A stored run walked again without its model: every prompt is rebuilt, every answer replayed.

The graph, the words, the parsing and the thresholds are those of today; the replies are
those that were stored. Whatever has changed since then shows as the first turn that differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import ModelIdentity, Reading
from cxr_node.domain.ports import Ask, Conversation, ImagePolicy, PreparedImage, Reply
from cxr_node.domain.stages import Turn
from cxr_node.reasoning.chat import Chat
from cxr_node.reasoning.open_model import ModelFacts
from cxr_node.reasoning.profiles import Profile
from cxr_node.reasoning.staged import Request, StagedReader
from cxr_node.reasoning.telling import stored_reply
from cxr_node.reasoning.transcript import Transcript

NOT_RECORDED = "the stored run holds no answer to this prompt"
_ASKED = ("stage", "question", "subject")
_WORDS = {
    "prompt": "the prompt's bytes",
    "prompt_sha256": "the prompt's digest",
    "context_sha256": "the digest of what the model had seen before",
}


class RecordedModel:
    """Implements :class:`cxr_node.domain.ports.VisionModel` from the turns of one reading."""

    def __init__(self, facts: ModelFacts, turns: Sequence[Turn]) -> None:
        self._facts = facts
        self._turns = tuple(turns)

    @property
    def identity(self) -> ModelIdentity:
        return self._facts.identity

    @property
    def image_policy(self) -> ImagePolicy:
        return self._facts.image_policy

    @property
    def profile(self) -> Profile:
        return self._facts.profile

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        yield _RecordedConversation(self._facts.chat, images, self._turns)

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        """The stored replies; a refusal for every prompt that was not stored in its place."""
        return [_of(conversation).answer(ask) for conversation, ask in asked]


class _RecordedConversation:
    def __init__(self, chat: Chat, images: Sequence[PreparedImage], turns: Sequence[Turn]) -> None:
        self._transcript = Transcript(chat, images)
        self._turns = iter(turns)
        self._turn: Turn | None = None

    @property
    def context(self) -> str:
        return self._transcript.context

    def answer(self, ask: Ask) -> Reply:
        """An empty prompt goes on with the open question, as for every model."""
        if ask.prompt:
            self._transcript.ask(ask.prompt)
            turn = next(self._turns, None)
            self._turn = turn if turn is not None and turn.prompt == ask.prompt else None
        if self._turn is None:
            return AnswerRefused(NOT_RECORDED)
        return stored_reply(self._turn, ask)

    def settle(self, answer: str) -> None:
        self._transcript.settle(answer)

    def resume(self, turns: Sequence[tuple[str, str]]) -> None:
        """What a person answered: of each one stored turn is passed over."""
        for prompt, answer in turns:
            next(self._turns, None)
            self._transcript.ask(prompt)
            self._transcript.settle(answer)


def _of(conversation: Conversation) -> _RecordedConversation:
    if not isinstance(conversation, _RecordedConversation):
        raise TypeError("this conversation belongs to another kind of model")
    return conversation


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place at which a stored run and its rebuilding part."""

    what: str
    turn: int = 0
    """Number of the turn, from 1; 0 when not a turn but the result made of them differs."""
    stage: str = ""
    question: str = ""
    subject: str = ""

    def __str__(self) -> str:
        if not self.turn:
            return f"the result differs: {self.what}"
        asked = ", ".join(part for part in (self.stage, self.question, self.subject) if part)
        return f"turn {self.turn} ({asked}) differs: {self.what}"


def verifiable(reading: Reading) -> bool:
    """Whether its turns were stored with all that replaying needs."""
    return bool(reading.turns) and any(turn.settled for turn in reading.turns)


def rebuild(reading: Reading, request: Request, facts: ModelFacts) -> Reading:
    """Walk ``request`` again with the stored answers of ``reading``, those of persons too."""
    again = replace(request, amendment=reading.amendment)
    return StagedReader(RecordedModel(facts, reading.turns)).read(again)


def first_difference(stored: Reading, rebuilt: Reading) -> Difference | None:
    """Where they part first: pictures, then turns in order, then the result. None: nowhere."""
    if stored.pictures and stored.pictures != rebuilt.pictures:
        number = _first_unequal(stored.pictures, rebuilt.pictures)
        return _of_turn(1, stored.turns[0], f"the digest of picture {number}")
    turns = zip(stored.turns, rebuilt.turns, strict=False)
    for number, (before, now) in enumerate(turns, start=1):
        if what := _turn_difference(before, now):
            return _of_turn(number, before, what)
    shorter = min(len(stored.turns), len(rebuilt.turns))
    if shorter < len(stored.turns):
        return _of_turn(shorter + 1, stored.turns[shorter], "it is not asked any more")
    if shorter < len(rebuilt.turns):
        return _of_turn(shorter + 1, rebuilt.turns[shorter], "it was not asked then")
    return _result_difference(stored, rebuilt)


def _first_unequal(before: Sequence[str], now: Sequence[str]) -> int:
    pairs = enumerate(zip(before, now, strict=False), start=1)
    return next((n for n, (a, b) in pairs if a != b), min(len(before), len(now)) + 1)


def _of_turn(number: int, turn: Turn, what: str) -> Difference:
    return Difference(what, number, turn.stage, turn.question, turn.subject)


def _turn_difference(before: Turn, now: Turn) -> str:
    if any(getattr(before, name) != getattr(now, name) for name in _ASKED):
        return f"another question stands in its place ({now.stage}, {now.question}, {now.subject})"
    for name, words in _WORDS.items():
        if getattr(before, name) != getattr(now, name):
            return words
    rest = [f.name for f in fields(Turn) if f.name not in (*_ASKED, *_WORDS)]
    unequal = [name for name in rest if not _same(getattr(before, name), getattr(now, name))]
    return f"the answer ({', '.join(unequal)})" if unequal else ""


def _result_difference(stored: Reading, rebuilt: Reading) -> Difference | None:
    now = replace(rebuilt, pictures=stored.pictures)  # compared above, where they were stored
    names = [f.name for f in fields(Reading)]
    unequal = [name for name in names if not _same(getattr(stored, name), getattr(now, name))]
    return Difference(", ".join(unequal)) if unequal else None


def _same(before: object, now: object) -> bool:
    """Equal; scores that are not numbers are equal to themselves here."""
    return before == now or repr(before) == repr(now)
