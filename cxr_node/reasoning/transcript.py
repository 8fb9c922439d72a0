"""The text side of one study's dialogue: what was given to the model, byte for byte.

Every kind of conversation keeps one, so that prompts are built in one place and a stored
run can be rebuilt without a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cxr_node.domain.ports import PreparedImage
from cxr_node.reasoning.chat import Chat


class Transcript:
    """Opening and pictures, then question and answer in turn. ``context`` only grows."""

    def __init__(self, chat: Chat, images: Sequence[PreparedImage]) -> None:
        self._chat = chat
        seen = "".join(chat.picture_prefix + picture_mark(i) + chat.picture_suffix for i in images)
        self._context = chat.opening + chat.question_prefix + seen
        self._turns = 0
        self._open = False

    @property
    def context(self) -> str:
        """All text so far; a picture stands as its size and digest."""
        return self._context

    @property
    def waiting(self) -> bool:
        """Whether a question is open."""
        return self._open

    def ask(self, prompt: str) -> str:
        """Put a question; the text to be given to the model for it."""
        if self._open:
            raise RuntimeError("the last question was not settled")
        asked = self._chat.question(prompt, first=self._turns == 0)
        self._context += asked
        self._turns += 1
        self._open = True
        return asked

    def settle(self, answer: str) -> str:
        """Fix the answer of the open question; its text as the model shall see it."""
        if not self._open:
            raise RuntimeError("settle() without an open question")
        settled = self._chat.answer(answer)
        self._context += settled
        self._open = False
        return settled


def picture_mark(image: PreparedImage) -> str:
    """A picture as it stands in the text: its size in pixels and the digest of its bytes."""
    return f"[{image.width}x{image.height} sha256:{hashlib.sha256(image.gray).hexdigest()}]"
