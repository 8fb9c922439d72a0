"""A dialogue of which a part is told rather than asked: what was said before, and by a person.

When a stored reading is corrected, its turns up to the first correction are laid before the
model as said, word for word. Each is compared with what would be asked today; where they part
the reading cannot be gone on with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

from cxr_node.domain.errors import AmendmentRefused, AnswerRefused
from cxr_node.domain.ports import (
    Ask,
    Conversation,
    Generated,
    Reply,
    ResumableConversation,
)
from cxr_node.domain.stages import Turn

CHANGED = "what would be asked today is not what was asked then; run cxr-node replay --verify"


class Telling(Conversation, Protocol):
    """A conversation that also takes questions which somebody else has answered."""

    def tell(self, prompt: str) -> None:
        """Put ``prompt`` without asking the model; ``settle`` gives the answer."""


class ToldConversation:
    """Implements :class:`Telling` around any conversation that can be resumed."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._told: str | None = None

    @property
    def context(self) -> str:
        return self._conversation.context

    def tell(self, prompt: str) -> None:
        self._told = prompt

    def settle(self, answer: str) -> None:
        if self._told is None:
            self._conversation.settle(answer)
            return
        if not isinstance(self._conversation, ResumableConversation):
            raise AmendmentRefused("this model cannot be told an answer it did not give")
        self._conversation.resume([(self._told, answer)])
        self._told = None


class Before:
    """The turns of a stored reading that stand before the first correction."""

    def __init__(self, turns: Sequence[Turn] = ()) -> None:
        self._waiting = [turn for turn in turns if not turn.by_person]
        self._turn: Turn | None = None

    def reply(self, ask: Ask, conversation: Telling) -> Reply | None:
        """The stored reply to ``ask``, now told; None when the model is to be asked.

        Raises :class:`AmendmentRefused` for a question or a context that is another now.
        """
        if ask.prompt:
            self._turn = self._waiting.pop(0) if self._waiting else None
            if self._turn is not None:
                self._compare(self._turn, ask, conversation)
                conversation.tell(ask.prompt)
        return None if self._turn is None else stored_reply(self._turn, ask)

    def _compare(self, turn: Turn, ask: Ask, conversation: Telling) -> None:
        seen = hashlib.sha256(conversation.context.encode("utf-8")).hexdigest()
        if turn.prompt != ask.prompt or turn.context_sha256 != seen:
            raise AmendmentRefused(CHANGED)


def stored_reply(turn: Turn, ask: Ask) -> Reply:
    """What the model said then; where it said nothing usable, its refusal again."""
    if ask.options and turn.scores:
        return tuple(turn.scores.values())
    said_something = bool(turn.raw or turn.truncated) or turn.accepted
    if not ask.options and said_something:
        return Generated(turn.raw, turn.truncated)
    return AnswerRefused(turn.problem)
