"""Questions of several studies, answered together.

One forward reads all questions; in it the options of every closed question are scored as
branches behind it. Open answers then grow in step, one token of each study a forward, until
their own end. What a study is answered does not depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.ports import Ask, Generated, Reply
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.forward import Engine, Piece, forward

TOO_LONG = "the dialogue is longer than the model's context"
NOT_FINITE = "the model's scores are not finite"


def answer(engine: Engine, asked: Sequence[tuple[CachedConversation, Ask]]) -> list[Reply]:
    """The replies in the order asked. Each study may be asked once."""
    if len({talk.seat for talk, _ in asked}) < len(asked):
        raise ValueError("a study can be asked one question at a time")
    turns = [_Scoring(engine, *a) if a[1].options else _Writing(engine, *a) for a in asked]
    running = sorted((t for t in turns if t.reply is None), key=lambda t: t.talk.seat)
    while running:
        _step(engine, running)
        running = [turn for turn in running if turn.reply is None]
    return [turn.reply for turn in turns if turn.reply is not None]


class _Turn:
    """One question and what has come of it."""

    def __init__(self, engine: Engine, talk: CachedConversation, ask: Ask) -> None:
        talk.put(ask)
        self.talk = talk
        self.reply: Reply | None = None
        self._engine = engine
        self._ask = ask
        self._before = talk.held

    def _refuse(self, problem: str) -> None:
        self.talk.forget(self._before)
        self.reply = AnswerRefused(problem)


class _Scoring(_Turn):
    """A closed question: log-probability of each option, in one forward (exact)."""

    def __init__(self, engine: Engine, talk: CachedConversation, ask: Ask) -> None:
        super().__init__(engine, talk, ask)
        branches = [engine.encode(option) for option in ask.options]
        if _one_starts_another(branches):
            # Only the end tells "mild" from "mild or moderate"; else it would add noise.
            end = engine.encode(engine.chat.answer_suffix)[:1]
            branches = [branch + end for branch in branches]
        self._branches = branches
        if talk.tokens + max(map(len, branches)) > engine.positions:
            self.reply = AnswerRefused(TOO_LONG)

    def piece(self) -> Piece:
        """A branch's last token is only predicted, so it need not be read."""
        fed = [branch[:-1] for branch in self._branches]
        return Piece(self.talk.seat, self.talk.delta, self.talk.pending, fed)

    def wanted(self) -> list[tuple[int, int]]:
        """Row of this study's logits and token to be looked up in it, branch after branch."""
        found, row = [], 0
        for branch in self._branches:
            found.append((0, branch[0]))
            found += [(row + i, token) for i, token in enumerate(branch) if i]
            row += len(branch) - 1
        return found

    def hear(self, scores: Sequence[float]) -> None:
        """Take the log-probabilities of what was wanted."""
        totals, at = [], 0
        for branch in self._branches:
            totals.append(sum(scores[at : at + len(branch)]))
            at += len(branch)
        if all(map(math.isfinite, totals)):
            self.reply = tuple(totals)
        else:
            self._refuse(NOT_FINITE)


class _Writing(_Turn):
    """An open question: a greedy continuation, token by token."""

    def __init__(self, engine: Engine, talk: CachedConversation, ask: Ask) -> None:
        super().__init__(engine, talk, ask)
        self._lead = len(talk.draft)
        self._room = min(ask.max_new_tokens, engine.positions - talk.tokens)
        self._longest_stop = max((len(stop.encode()) for stop in ask.stop), default=0)
        if self._room <= 0:
            end = Generated("", truncated=True)
            self.reply = AnswerRefused(TOO_LONG) if ask.max_new_tokens > 0 else end

    @property
    def _written(self) -> tuple[int, ...]:
        return self.talk.draft[self._lead :]

    def piece(self) -> Piece:
        return Piece(self.talk.seat, self.talk.delta, self.talk.pending)

    def hear(self, token: int) -> None:
        """Take the most probable next token; a negative one says that none is."""
        if token < 0:
            self._refuse(NOT_FINITE)
            return
        if token in self._engine.stop_ids:
            self._end(truncated=False)
            return
        self.talk.write(token)
        self._room -= 1
        if self._ask.stop and self._cut():
            return
        if not self._room:
            self._end(truncated=True)

    def _end(self, *, truncated: bool) -> None:
        self.reply = Generated(self._engine.decode(self._written), truncated=truncated)

    def _cut(self) -> bool:
        """End before a stop text, if one has just been written."""
        # A token is at least one byte of text, so the stop lies within as many tokens.
        last = self._engine.spell(self._written[-self._longest_stop :])
        if not any(stop in last for stop in self._ask.stop):
            return False
        whole = self._engine.spell(self._written)
        at = min(found for stop in self._ask.stop if (found := whole.find(stop)) >= 0)
        kept = len(self._written)
        while kept and len(self._engine.spell(self._written[:kept])) > at:
            kept -= 1
        self.talk.redraft(self.talk.draft[: self._lead + kept])
        self.reply = Generated(whole[:at].strip(), truncated=False)
        return True


def _step(engine: Engine, running: Sequence[_Scoring | _Writing]) -> None:
    """One forward for all, and one transfer from the device for each kind of question."""
    pieces = [turn.piece() for turn in running]
    logits = forward(engine, pieces)
    scoring: list[tuple[_Scoring, int]] = []
    writing: list[tuple[_Writing, int]] = []
    row = 0
    for turn, piece in zip(running, pieces, strict=True):
        if isinstance(turn, _Scoring):
            scoring.append((turn, row))
        else:
            writing.append((turn, row))
        row += 1 + sum(map(len, piece.branches))
    _hear_scores(scoring, logits)
    _hear_tokens(writing, logits)


def _hear_scores(scoring: Sequence[tuple[_Scoring, int]], logits: torch.Tensor) -> None:
    wanted = [(first + row, token) for turn, first in scoring for row, token in turn.wanted()]
    if not wanted:
        return
    at = torch.tensor(wanted, device=logits.device)
    normal = torch.logsumexp(logits, -1)
    found = (logits[at[:, 0], at[:, 1]] - normal[at[:, 0]]).tolist()
    for turn, _ in scoring:
        many = len(turn.wanted())
        turn.hear(found[:many])
        found = found[many:]


def _hear_tokens(writing: Sequence[tuple[_Writing, int]], logits: torch.Tensor) -> None:
    if not writing:
        return
    rows = logits if len(writing) == len(logits) else logits[[row for _, row in writing]]
    best = rows.max(-1)  # not a number wherever one of the row is not
    tokens = torch.where(best.values.isfinite(), best.indices, -1).tolist()
    for (turn, _), token in zip(writing, tokens, strict=True):
        turn.hear(token)


def _one_starts_another(branches: Sequence[Sequence[int]]) -> bool:
    return any(a is not b and list(b[: len(a)]) == list(a) for a in branches for b in branches)
