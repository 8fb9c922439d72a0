"""Who is being read, and whom the model is asked about next: bookkeeping without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from cxr_node.reasoning.staged import OpenReading
from cxr_node.services.read_jobs import Task
from cxr_node.store.jobs import Claim
from cxr_node.store.urgency import Urgency


@dataclass(slots=True, eq=False)
class Seat:
    """A study that is open before the model."""

    task: Task
    reading: OpenReading
    opened: ExitStack
    """Closes the study's conversation, and with it frees the memory it takes."""
    seconds: float = 0.0
    """Time of the model calls that it took part in; waiting does not count."""

    @property
    def claim(self) -> Claim:
        return self.task.claim

    @property
    def tried_before(self) -> bool:
        """Whether an attempt failed: perhaps this study was why."""
        return self.claim.attempt > 1


class Sitting:
    """Open studies of which only the most urgent ones advance, all together.

    A study that was tried before is asked about alone. Use as a context manager: whoever
    is aboard at the end is closed.
    """

    def __init__(self, seats: int) -> None:
        self._number = seats
        self._urgencies: dict[Seat, Urgency] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for seat in list(self._urgencies):
            self.leave(seat)

    def __len__(self) -> int:
        return len(self._urgencies)

    @property
    def urgency(self) -> Urgency | None:
        """The highest of those aboard; None when nobody is."""
        return max(self._urgencies.values(), default=None)

    @property
    def free(self) -> int:
        """How many of the urgency being read may join; none beside one that was tried before."""
        if any(seat.tried_before for seat in self._urgencies):
            return 0
        return max(self._number - len(self), 0)

    def sit(self, seat: Seat) -> None:
        """Take part from the next turn on."""
        self._urgencies[seat] = Urgency.of(seat.claim.kind, seat.claim.rank)

    def leave(self, seat: Seat) -> None:
        """Close the study; its seat is free."""
        del self._urgencies[seat]
        seat.opened.close()

    def rerank(self, ranks: Mapping[int, int]) -> None:
        """Note the priority that jobs have by now."""
        for seat in self._urgencies:
            claim = seat.claim
            rank = ranks.get(claim.job_pk, claim.rank)
            self._urgencies[seat] = Urgency.of(claim.kind, rank)

    def turn(self) -> list[Seat]:
        """Who is asked next, together: the most urgent; of these one tried before goes first."""
        highest = self.urgency
        most = [seat for seat, urgency in self._urgencies.items() if urgency == highest]
        tried = [seat for seat in most if seat.tried_before]
        return tried[:1] or most
