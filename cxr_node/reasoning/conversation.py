"""One study before a transformers model: one seat in the store, one history.

Token ids, seat, rope delta, transcript and the draft of the open answer live together in this
object; the model object keeps nothing of a study.
"""

from __future__ import annotations

from collections.abc import Sequence

from cxr_node.domain.ports import Ask, PreparedImage, Scores
from cxr_node.reasoning.forward import Engine, Opening, Pictures
from cxr_node.reasoning.transcript import Transcript


class CachedConversation:
    """Implements :class:`cxr_node.domain.ports.Conversation` on carried keys and values."""

    def __init__(
        self, engine: Engine, seat: int, images: Sequence[PreparedImage], pictures: Pictures
    ) -> None:
        self._slots = engine.slots
        self._engine = engine
        self._ids = engine.encode(engine.chat.head(pictures.tokens))
        if len(self._ids) >= engine.positions:
            raise ValueError("the pictures take more tokens than the model has positions")
        self._draft: list[int] = []
        self._tail: list[int] = []
        self._foretold: dict[int, tuple[tuple[str, ...], Scores]] = {}
        self._supposed: dict[tuple[str, tuple[str, ...]], Scores] = {}
        self._transcript = Transcript(engine.chat, images)
        self._open = True
        self._opening: Opening | None = engine.opening(self._ids, pictures)
        self.seat = seat
        """Its place in the store."""
        self.delta = self._opening.delta
        """Rope delta: position of a token less its index, behind the pictures."""

    @property
    def context(self) -> str:
        return self._transcript.context

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Every settled token of the dialogue so far, pictures included."""
        return tuple(self._ids)

    @property
    def tokens(self) -> int:
        """Length of the dialogue, the draft of the open answer included."""
        return len(self._ids) + len(self._draft)

    @property
    def held(self) -> int:
        """How many of them are in the store."""
        return self._slots.length(self.seat)

    @property
    def pending(self) -> list[int]:
        """Those that are not yet; the store may hold foreseen ones behind them."""
        if self.held >= len(self._ids):
            return self._draft[self.held - len(self._ids) :]
        return self._ids[self.held :] + self._draft

    @property
    def opening(self) -> Opening | None:
        """The pictures, as long as the store holds nothing: they are read with what is pending."""
        return None if self.held else self._opening

    @property
    def draft(self) -> tuple[int, ...]:
        """Tokens of the open answer, its lead included."""
        return tuple(self._draft)

    def put(self, ask: Ask) -> None:
        """Write a question and the lead of its answer behind the history.

        At least one token is left pending, unless the reply was foretold. Raises RuntimeError
        when a question is open, or none is where ``ask`` goes on with one, or the study is
        closed.
        """
        if not self._open:
            raise RuntimeError("the study is closed")
        if ask.prompt:
            self._append(self._engine.encode(self._transcript.ask(ask.prompt)))
        elif not self._transcript.waiting:
            raise RuntimeError("no question is open")
        self.redraft(self._engine.encode(ask.lead))
        if self.foretold(ask.options) is None:
            self._shorten(self.tokens - 1)

    def foresee(self, tail: Sequence[int], scores: dict[int, tuple[Ask, Scores]]) -> None:
        """Say that the store holds ``tail`` behind the dialogue, as it is expected to go on.

        ``scores`` are known already, by the length of the dialogue up to the answer.
        """
        self._tail = list(tail)
        self._foretold = {at: (ask.options, found) for at, (ask, found) in scores.items()}
        self._supposed |= {(ask.prompt, ask.options): found for ask, found in scores.values()}

    def supposed(self, ask: Ask) -> Scores | None:
        """Scores of a question as last foreseen, whatever was answered before it since then."""
        return self._supposed.get((ask.prompt, ask.options))

    def foretold(self, options: tuple[str, ...]) -> Scores | None:
        """Scores of the open question, if it was foreseen with these options."""
        known, found = self._foretold.get(self.tokens, ((), ()))
        return found if options and known == options else None

    def write(self, token: int) -> None:
        """Go on with the open answer."""
        self._draft.append(token)

    def redraft(self, draft: Sequence[int]) -> None:
        """Replace the open answer; what both begin with stays in the store."""
        expected = [*self._draft, *self._tail]
        shared = _shared(expected, draft)
        self._draft, self._tail = list(draft), expected[shared:]
        if shared < len(draft):
            self._shorten(len(self._ids) + shared)

    def _append(self, ids: Sequence[int]) -> None:
        """Go on as settled; while that is as foreseen, nothing leaves the store."""
        self.redraft(ids)
        self._ids += ids
        self._draft = []

    def _shorten(self, length: int) -> None:
        """Drop what the store holds behind so many tokens, and all that was foreseen."""
        self._slots.shorten(self.seat, length)
        self._tail, self._foretold = [], {}

    def forget(self, held: int) -> None:
        """Drop what the store took in behind ``held`` tokens: it may not be a number."""
        self._shorten(held)
        self._slots.shorten(self.seat, held, wipe=True)

    def settle(self, answer: str) -> None:
        """Fix the answer of the open question; keeps what the store already holds of it."""
        self._append(self._engine.encode(self._transcript.settle(answer)))
        if self.held:
            self._opening = None

    def resume(self, turns: Sequence[tuple[str, str]]) -> None:
        """Take prompts with their answers as said; all are read with the next question."""
        for prompt, answer in turns:
            self._append(self._engine.encode(self._transcript.ask(prompt)))
            self._append(self._engine.encode(self._transcript.settle(answer)))

    def close(self) -> None:
        """Say that the seat is another's now."""
        self._open = False


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the beginning that both have."""
    unequal = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(unequal, min(len(a), len(b)))
