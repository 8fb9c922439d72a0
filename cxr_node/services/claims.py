"""Claims jobs and sees each to its end: done, handed back, parked, or lost to another worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from cxr_node.config import JobsSection
from cxr_node.domain.errors import LeaseLost, StoreUnavailable
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.ports import Clock, Progress
from cxr_node.domain.study import MOVES, StudyState
from cxr_node.services.leases import LeaseBeat
from cxr_node.store import jobs, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind, JobState
from cxr_node.store.schema import RevisionRow

Run = Callable[[Claim, Progress], None]
"""Does one job and commits it under its token; calls progress whenever it moved on."""


class Claims:
    """Works through jobs of given kinds under leases."""

    def __init__(self, db: Database, clock: Clock, limits: JobsSection, owner: str) -> None:
        self._db = db
        self._clock = clock
        self._limits = limits
        self._owner = owner

    def work(self, kinds: tuple[JobKind, ...], run: Run) -> int:
        """Claim and settle one batch; return how many jobs were claimed."""
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
        if not claims:
            return 0
        with LeaseBeat(self._db, self._clock, self._limits, claims) as beat:
            for claim in claims:
                self._settle(claim, beat, run)
                beat.release(claim)
        return len(claims)

    def _settle(self, claim: Claim, beat: LeaseBeat, run: Run) -> None:
        emit(Event.JOB_CLAIMED, job=claim.job_pk, kind=claim.kind, attempt=claim.attempt)
        try:
            run(claim, lambda: beat.progress(claim))
        except LeaseLost:
            emit(Event.LEASE_LOST, job=claim.job_pk, kind=claim.kind)
        except StoreUnavailable:
            raise  # nothing can be handed back now; the lease runs out by itself
        except Exception as error:  # noqa: BLE001 - a poison study must not stop the worker
            emit_failure(Event.JOB_FAILED, error, job=claim.job_pk, kind=claim.kind)
            self._hand_back(claim, type(error).__name__)

    def _hand_back(self, claim: Claim, error: str) -> None:
        """Give the job back for another attempt, or park its study when none is left."""
        now = self._clock.now()
        with self._db.begin() as session:
            state = jobs.hand_back(
                session, claim, error, now=now, max_attempts=self._limits.max_attempts
            )
            if claim.kind is not JobKind.TRIAGE:
                self._move_study(session, claim, state, error, now)
        if state is JobState.PARKED:
            emit(Event.JOB_PARKED, job=claim.job_pk, kind=claim.kind, error=error)

    def _move_study(
        self, session: Session, claim: Claim, state: JobState, error: str, now: datetime
    ) -> None:
        """What the page says of it: waiting again, or stopped until a person looks."""
        current = StudyState(session.get_one(RevisionRow, claim.revision_pk).state)
        parked = state is JobState.PARKED
        target = StudyState.PARKED if parked else StudyState.QUEUED
        if target not in MOVES[current] or (claim.kind is JobKind.PUBLISH and not parked):
            return  # it failed before it began, or was withdrawn or superseded meanwhile
        reason = (
            f"{claim.kind} failed {claim.attempt} times ({error}): see the log, "
            "mend the cause, then run cxr-node replay"
        )
        studies.move(session, claim.revision_pk, target, now, reason=reason if parked else "")
