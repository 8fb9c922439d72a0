"""Keeps claims alive while the work really moves on.

The beat runs in a thread of its own, because one stage can outlast a lease; it pauses
while the work makes no progress, so that a hung device does not keep its studies for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from cxr_node.config import JobsSection
from cxr_node.domain.errors import LeaseLost, StoreUnavailable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock
from cxr_node.store import jobs
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim


class LeaseBeat:
    """Renews claims until released, lost or closed. Use as a context manager.

    Progress with any claim counts for all: the model is one, and when it hangs, all hang.
    """

    def __init__(self, db: Database, clock: Clock, limits: JobsSection) -> None:
        self._db = db
        self._clock = clock
        self._limits = limits
        self._held: set[Claim] = set()
        self._lost: set[Claim] = set()
        self._guard = threading.Lock()
        self._moved_at = clock.monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-beat", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=self._limits.lease_seconds)

    def add(self, claims: Sequence[Claim]) -> None:
        """Renew these too from now on; the first ones start the beat."""
        self._moved_at = self._clock.monotonic()
        with self._guard:
            self._held.update(claims)
        if claims and self._thread.ident is None:
            self._thread.start()

    def progress(self, claim: Claim) -> None:
        """Say that the work moved on. Raises :class:`LeaseLost` if it is no longer ours."""
        self._moved_at = self._clock.monotonic()
        with self._guard:
            if claim in self._lost:
                raise LeaseLost(f"job {claim.job_pk} has another owner")

    def release(self, claim: Claim) -> None:
        """Stop renewing a claim that is settled."""
        with self._guard:
            self._held.discard(claim)

    def _run(self) -> None:
        stalled = False
        while not self._closing.wait(self._limits.beat_seconds):
            if self._clock.monotonic() - self._moved_at > self._limits.stall_seconds:
                if not stalled:
                    emit(Event.LEASE_EXPIRED, reason="stalled")
                stalled = True
                continue
            stalled = False
            try:
                self._renew_all()
            except StoreUnavailable:
                continue  # the lease may yet outlast the outage; losing it is safe

    def _renew_all(self) -> None:
        with self._guard:
            held = sorted(self._held, key=lambda claim: claim.job_pk)
        for claim in held:
            with self._db.begin() as session:
                ours = jobs.renew(
                    session,
                    claim,
                    now=self._clock.now(),
                    lease_seconds=self._limits.lease_seconds,
                )
            if not ours:
                self._lose(claim)

    def _lose(self, claim: Claim) -> None:
        """Unless it was settled while it was being renewed."""
        with self._guard:
            if claim in self._held:
                self._held.discard(claim)
                self._lost.add(claim)
