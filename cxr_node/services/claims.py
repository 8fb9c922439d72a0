"""Claims jobs and sees each to its end: done, handed back, parked, or lost to another worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy.orm import Session

from cxr_node.config import JobsSection
from cxr_node.domain.errors import (
    AmendmentRefused,
    EngineUnavailable,
    LeaseLost,
    ModelRefused,
    StoreUnavailable,
)
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.ports import Clock, Progress
from cxr_node.domain.study import MOVES, StudyState
from cxr_node.services.leases import LeaseBeat
from cxr_node.services.pauses import grown_seconds
from cxr_node.store import jobs, studies, urgency
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind, JobState
from cxr_node.store.schema import RevisionRow
from cxr_node.store.urgency import Invitation, Urgency

_CURES: dict[type[Exception], str] = {
    EngineUnavailable: "the inference server cannot be used; run cxr-node check, read its log",
    ModelRefused: "another model answers than the configured one; run cxr-node check",
    AmendmentRefused: "the correction cannot be read on; run cxr-node replay STUDY --verify",
}
"""What to do about errors that a look at the node's own log would not explain."""
_LONGEST_PAUSE = 60.0
_STUDY_STOPS_WITH = (JobKind.READ, JobKind.AMEND, JobKind.PUBLISH)
"""A failed quick look or second reading stops no study."""

Run = Callable[[Claim, Progress], None]
"""Does one job and commits it under its token; calls progress whenever it moved on."""


class Claims:
    """Works through jobs of given kinds under leases."""

    def __init__(self, db: Database, clock: Clock, limits: JobsSection, owner: str) -> None:
        self._db = db
        self._clock = clock
        self._limits = limits
        self._owner = owner

    @property
    def batch(self) -> int:
        """How many jobs are claimed at once."""
        return self._limits.batch

    def work(self, kinds: tuple[JobKind, ...], run: Run) -> int:
        """Claim and settle one batch, one after the other; return how many jobs were claimed."""
        with self.hold() as hold:
            claims = hold.take(kinds)
            for claim in claims:
                with hold.guard(claim):
                    run(claim, lambda claim=claim: hold.progress(claim))  # type: ignore[misc]
                hold.release(claim)
        return len(claims)

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """Hands that hold nothing yet; what they still hold at the end is left to its lease."""
        with LeaseBeat(self._db, self._clock, self._limits) as beat:
            yield Hold(self._db, self._clock, self._limits, self._owner, beat)


class Hold:
    """The claims one worker holds at a time, kept alive by one beat."""

    def __init__(
        self, db: Database, clock: Clock, limits: JobsSection, owner: str, beat: LeaseBeat
    ) -> None:
        self._db = db
        self._clock = clock
        self._limits = limits
        self._owner = owner
        self._beat = beat
        self._held: dict[int, Claim] = {}

    def take(self, kinds: tuple[JobKind, ...]) -> list[Claim]:
        """Claim a batch, whatever its urgencies; empty when nothing waits."""
        with self._db.begin() as session:
            claims = jobs.claim(
                session,
                kinds,
                owner=self._owner,
                now=self._clock.now(),
                lease_seconds=self._limits.lease_seconds,
                limit=self._limits.batch,
                max_attempts=self._limits.max_attempts,
            )
        return self._taken(claims)

    def take_alike(
        self, kinds: tuple[JobKind, ...], seats: int, above: Urgency | None
    ) -> list[Claim]:
        """Claim what may be read together, see :class:`Invitation`; empty when nobody comes."""
        invitation = Invitation(kinds, seats, above, self._limits.max_attempts)
        with self._db.read() as session:
            if not urgency.awaited(session, invitation, self._clock.now()):
                return []
        with self._db.begin() as session:
            claims = urgency.claim_alike(
                session,
                invitation,
                owner=self._owner,
                now=self._clock.now(),
                lease_seconds=self._limits.lease_seconds,
            )
        return self._taken(claims)

    def _taken(self, claims: Sequence[Claim]) -> list[Claim]:
        self._held |= {claim.job_pk: claim for claim in claims}
        self._beat.add(claims)
        for claim in claims:
            emit(Event.JOB_CLAIMED, job=claim.job_pk, kind=claim.kind, attempt=claim.attempt)
        return list(claims)

    def ranks(self) -> dict[int, int]:
        """Job to the priority it has by now, of all that are held."""
        if not self._held:
            return {}
        with self._db.read() as session:
            return urgency.ranks(session, self._held)

    def holds(self, claim: Claim) -> bool:
        """Whether the claim is still to be settled."""
        return self._held.get(claim.job_pk) is claim

    def progress(self, claim: Claim) -> None:
        """Say that the work moved on. Raises :class:`LeaseLost` if it is no longer ours."""
        self._beat.progress(claim)

    def release(self, *claims: Claim) -> None:
        """These are settled: their leases are renewed no more."""
        for claim in claims:
            self._beat.release(claim)
            if self.holds(claim):
                del self._held[claim.job_pk]

    @contextmanager
    def guard(self, *claims: Claim) -> Iterator[None]:
        """What is raised inside ends these claims and no others, and is not passed on.

        Raises :class:`StoreUnavailable` alone: nothing can be handed back then, and the
        leases run out by themselves.
        """
        try:
            yield
        except LeaseLost:
            self._lost(claims)
        except StoreUnavailable:
            self.release(*claims)
            raise
        except Exception as error:  # noqa: BLE001 - a poison study must not stop the worker
            self._failed(claims, error)

    def _lost(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            emit(Event.LEASE_LOST, job=claim.job_pk, kind=claim.kind)
        self.release(*claims)

    def _failed(self, claims: Sequence[Claim], error: Exception) -> None:
        """Give the jobs back for another attempt, or park the study of one that has none left."""
        self.release(*claims)
        for claim in claims:
            emit_failure(Event.JOB_FAILED, error, job=claim.job_pk, kind=claim.kind)
            try:
                self._hand_back(claim, error)
            except LeaseLost:
                self._lost([claim])

    def _hand_back(self, claim: Claim, error: Exception) -> None:
        now, name = self._clock.now(), type(error).__name__
        with self._db.begin() as session:
            state = jobs.hand_back(
                session,
                claim,
                name,
                now=now,
                max_attempts=self._limits.max_attempts,
                pause_seconds=grown_seconds(
                    claim.attempt, self._limits.retry_seconds, _LONGEST_PAUSE, claim.job_pk
                ),
            )
            if claim.kind in _STUDY_STOPS_WITH:
                _move_study(session, claim, state, error, now)
        if state is JobState.PARKED:
            emit(Event.JOB_PARKED, job=claim.job_pk, kind=claim.kind, error=name)


def _move_study(
    session: Session, claim: Claim, state: JobState, error: Exception, now: datetime
) -> None:
    """What the page says of it: waiting again, or stopped until a person looks."""
    current = StudyState(session.get_one(RevisionRow, claim.revision_pk).state)
    parked = state is JobState.PARKED
    target = StudyState.PARKED if parked else StudyState.QUEUED
    if target not in MOVES[current] or (claim.kind is JobKind.PUBLISH and not parked):
        return  # it failed before it began, or was withdrawn or superseded meanwhile
    cure = _CURES.get(type(error), "see the log, mend the cause")
    reason = (
        f"{claim.kind} failed {claim.attempt} times ({type(error).__name__}): {cure}, "
        "then run cxr-node replay"
    )
    studies.move(session, claim.revision_pk, target, now, reason=reason if parked else "")
