"""Questions of several studies, answered together.

One forward reads all questions; in it the options of every closed question are scored as
branches behind it, and so are the closed questions foreseen behind it. Open answers then grow
in step, one token of each study a forward, until their own end. What a study is answered does
not depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.ports import Ask, Foreseen, Generated, Reply, Scores
from cxr_node.reasoning.conversation import CachedConversation
from cxr_node.reasoning.forward import Branch, Engine, Piece, forward

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

    def _piece(
        self, stem: Sequence[int], heads: Sequence[int], branches: Sequence[Branch] = ()
    ) -> Piece:
        return Piece(self.talk.seat, self.talk.delta, stem, heads, branches, self.talk.opening)

    def _refuse(self, problem: str) -> None:
        self.talk.forget(self._before)
        self.reply = AnswerRefused(problem)


@dataclass(frozen=True, slots=True)
class _Closed:
    """A closed question in a line of text: its options as tokens, and where they follow."""

    ask: Ask
    branches: list[list[int]]
    after: int
    """How many tokens of the foreseen line stand before the answer; 0 for the question asked."""

    def wanted(self, head: int, first: int) -> list[tuple[int, int]]:
        """Row of logits and token to be looked up in it, branch after branch.

        ``head`` is the row of the token before the options, ``first`` that of the first branch.
        """
        found = []
        for branch in self.branches:
            found.append((head, branch[0]))
            found += [(first + i, token) for i, token in enumerate(branch[1:])]
            first += len(branch) - 1
        return found

    @property
    def fed(self) -> list[list[int]]:
        """A branch's last token is only predicted, so it need not be read."""
        return [branch[:-1] for branch in self.branches]

    def totals(self, scores: Sequence[float]) -> Scores:
        """Log-probability of each option, from those of its tokens."""
        ends = accumulate(map(len, self.branches), initial=0)
        return tuple(sum(scores[a:b]) for a, b in pairwise(ends))


class _Scoring(_Turn):
    """A closed question: log-probability of each option, in one forward (exact).

    The questions foreseen behind it are scored in the same forward, each with the answers
    expected before it in its past.
    """

    def __init__(self, engine: Engine, talk: CachedConversation, ask: Ask) -> None:
        super().__init__(engine, talk, ask)
        self.reply = talk.foretold(ask.options)
        if self.reply is not None:
            return
        self._line: list[int] = []
        self._closed = [_Closed(ask, _branches(engine, ask.options), 0)]
        if not self._fits(0):
            self.reply = AnswerRefused(TOO_LONG)
            return
        self._foresee(ask)

    def _fits(self, more: int) -> bool:
        longest = max(map(len, self._closed[-1].branches))
        return self.talk.tokens + more + longest <= self._engine.positions

    def _foresee(self, ask: Ask) -> None:
        """Write on as expected, up to the first text that would not be settled so."""
        encode, chat = self._engine.encode, self._engine.chat
        lead = list(self.talk.draft)
        for foreseen in ask.ahead:
            answer = self._expected(foreseen)
            settled = encode(chat.answer(answer or ""))
            if answer is None or settled[: len(lead)] != lead:
                return
            asked, after = foreseen.ask, settled[len(lead) :]
            lead = encode(asked.lead)
            after += encode(chat.question(asked.prompt, first=False)) + lead
            length = len(self._line) + len(after)
            closed = _Closed(asked, _branches(self._engine, asked.options), length)
            self._closed.append(closed)
            if not self._fits(length):
                self._closed.pop()
                return
            self._line += after

    def _expected(self, foreseen: Foreseen) -> str | None:
        """What will be settled before it, going by what the model said when it was foreseen."""
        supposed = self.talk.supposed(self._closed[-1].ask) if foreseen.heard else None
        return foreseen.heard(supposed) if foreseen.heard and supposed else foreseen.answer

    def piece(self) -> Piece:
        stem = self.talk.pending
        heads = [len(stem) - 1 + closed.after for closed in self._closed]
        branches = [
            Branch(head, branch)
            for head, closed in zip(heads, self._closed, strict=True)
            for branch in closed.fed
            if branch  # an option of one token is read off where it would begin
        ]
        return self._piece([*stem, *self._line], heads, branches)

    def wanted(self) -> list[tuple[int, int]]:
        """Row of this study's logits and token to be looked up in it, question by question."""
        found, first = [], len(self._closed)
        for head, closed in enumerate(self._closed):
            found += closed.wanted(head, first)
            first += sum(map(len, closed.fed))
        return found

    def hear(self, scores: Sequence[float]) -> None:
        """Take the log-probabilities of what was wanted."""
        found = []
        for closed in self._closed:
            many = sum(map(len, closed.branches))
            found.append(closed.totals(scores[:many]))
            scores = scores[many:]
        if not all(map(math.isfinite, found[0])):
            self._refuse(NOT_FINITE)
            return
        self.reply = found[0]
        known = {
            self.talk.tokens + closed.after: (closed.ask, totals)
            for closed, totals in zip(self._closed[1:], found[1:], strict=True)
            if all(map(math.isfinite, totals))
        }
        self.talk.foresee(self._line, known)


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
        stem = self.talk.pending
        return self._piece(stem, [len(stem) - 1])

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
        row += len(piece.wanted)
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


def _branches(engine: Engine, options: Sequence[str]) -> list[list[int]]:
    branches = [engine.encode(option) for option in options]
    if _one_starts_another(branches):
        # Only the end tells "mild" from "mild or moderate"; else it would add noise.
        end = engine.encode(engine.chat.answer_suffix)[:1]
        branches = [branch + end for branch in branches]
    return branches


def _one_starts_another(branches: Sequence[Sequence[int]]) -> bool:
    return any(a is not b and list(b[: len(a)]) == list(a) for a in branches for b in branches)
