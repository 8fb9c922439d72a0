"""The round of a worker: seats are taken, the most urgent advance, the finished are committed.

A seat that becomes free is offered to the next in line at once, so a card is kept full
without waiting for the slowest study. Whoever outranks all that are being read gets a seat
of its own between two questions; the others keep their leases and wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.findings import Reading
from cxr_node.domain.ports import Clock, Progress
from cxr_node.reasoning.staged import StagedReader
from cxr_node.services.claims import Hold
from cxr_node.services.read_jobs import Task
from cxr_node.services.sitting import Seat, Sitting
from cxr_node.store.jobs import Claim, JobKind

LOOK_SECONDS = 0.25
"""How often, at most, the database is asked who waits while studies are being read."""
_KINDS = (JobKind.TRIAGE, JobKind.READ, JobKind.AMEND)


class Desk(Protocol):
    """Opens a claimed study before the model, and writes what came of it."""

    def open(self, claim: Claim, progress: Progress) -> Seat | None:
        """None when there is nothing to read: that is committed then."""

    def commit(self, task: Task, reading: Reading, model_seconds: float) -> None: ...


class Round:
    """One sitting from the first claim until nobody is aboard."""

    def __init__(
        self, hold: Hold, desk: Desk, reader: StagedReader, clock: Clock, sitting: Sitting
    ) -> None:
        self._hold = hold
        self._desk = desk
        self._reader = reader
        self._clock = clock
        self._sitting = sitting
        self._look_at = clock.monotonic()

    def run(self, more: Callable[[], bool]) -> int:
        """Read until nobody waits or ``more`` says no; return how many jobs were claimed."""
        claimed = 0
        while True:
            if more() and self._is_time_to_look():
                claimed += self._invite()
            if not len(self._sitting):
                return claimed
            self._advance()

    def _is_time_to_look(self) -> bool:
        return not len(self._sitting) or self._clock.monotonic() >= self._look_at

    def _invite(self) -> int:
        self._look_at = self._clock.monotonic() + LOOK_SECONDS
        claims: list[Claim] = []
        with self._sparing_others():
            self._sitting.rerank(self._hold.ranks())
            claims = self._hold.take_alike(_KINDS, self._sitting.free, self._sitting.urgency)
        for claim in claims:
            with self._sparing_others(), self._hold.guard(claim):
                self._seat(claim)
        return len(claims)

    def _seat(self, claim: Claim) -> None:
        seat = self._desk.open(claim, lambda: self._hold.progress(claim))
        if seat is None:
            self._hold.release(claim)
        else:
            self._sitting.sit(seat)

    def _advance(self) -> None:
        """One question of each whose turn it is; an error of the model ends them all."""
        seats = self._sitting.turn()
        began = self._clock.monotonic()
        with self._sparing_others(), self._hold.guard(*(seat.claim for seat in seats)):
            self._reader.advance([seat.reading for seat in seats])
        spent = self._clock.monotonic() - began
        for seat in seats:
            seat.seconds += spent
            with self._sparing_others(), self._hold.guard(seat.claim):
                self._settle(seat)
            if not self._hold.holds(seat.claim):
                self._sitting.leave(seat)
                self._look_at = self._clock.monotonic()

    def _settle(self, seat: Seat) -> None:
        if not self._hold.holds(seat.claim):
            return
        self._hold.progress(seat.claim)
        if seat.reading.ask is None:
            self._desk.commit(seat.task, seat.reading.reading(), seat.seconds)
            self._hold.release(seat.claim)

    @contextmanager
    def _sparing_others(self) -> Iterator[None]:
        """A database that is away for a moment costs the study it was away for, not the rest."""
        try:
            yield
        except StoreUnavailable:
            if len(self._sitting) <= 1:
                raise
