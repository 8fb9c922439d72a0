"""Claims: a job is done once, handed back on error, parked at last, and lost without harm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from cxr_node.config import JobsSection
from cxr_node.domain.errors import LeaseLost
from cxr_node.domain.events import Event
from cxr_node.domain.ports import FakeClock, Progress, SystemClock
from cxr_node.domain.study import StudyState
from cxr_node.services.claims import Claims
from cxr_node.services.leases import LeaseBeat
from cxr_node.store import jobs, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind, JobState
from cxr_node.store.schema import JobRow, RevisionRow
from tests.instances import add_study

LIMITS = JobsSection(
    lease_seconds=1.5,
    beat_seconds=0.3,
    stall_seconds=1.0,
    max_attempts=3,
    retry_seconds=0.0,
    batch=4,
)


def add_job(database: Database, kind: JobKind = JobKind.READ) -> int:
    """A queued study with one waiting job; the revision's key."""
    clock = SystemClock()
    with database.begin() as session:
        _, revision = add_study(session)
        for state in (StudyState.ASSEMBLED, StudyState.QUEUED, StudyState.REASONING):
            studies.move(session, revision.id, state, clock.now())
        jobs.add_job(session, revision.id, kind, 1, clock.now())
        return revision.id


def states(database: Database) -> tuple[str, str]:
    """State of the only job and of its revision."""
    with database.read() as session:
        return session.scalars(select(JobRow.state)).one(), session.scalars(
            select(RevisionRow.state)
        ).one()


def finish(database: Database) -> Callable[[Claim, Progress], None]:
    def run(claim: Claim, progress: Progress) -> None:
        progress()
        with database.begin() as session:
            jobs.finish(session, claim, SystemClock().now())

    return run


def test_a_job_is_claimed_once_and_done(database: Database) -> None:
    add_job(database)
    claims = Claims(database, SystemClock(), LIMITS, "me")
    assert claims.work((JobKind.READ,), finish(database)) == 1
    assert claims.work((JobKind.READ,), finish(database)) == 0
    assert states(database)[0] == JobState.DONE


def test_an_error_hands_back_and_the_last_one_parks_the_study(database: Database) -> None:
    add_job(database)
    claims = Claims(database, SystemClock(), LIMITS, "me")

    def fail(claim: Claim, progress: Progress) -> None:
        with database.begin() as session:
            revision = session.get_one(RevisionRow, claim.revision_pk)
            if revision.state == StudyState.QUEUED:
                studies.move(session, revision.id, StudyState.REASONING, SystemClock().now())
        raise RuntimeError("the model broke")

    for attempt in (1, 2):
        assert claims.work((JobKind.READ,), fail) == 1, attempt
        assert states(database) == (JobState.WAITING, StudyState.QUEUED)
    claims.work((JobKind.READ,), fail)
    assert states(database) == (JobState.PARKED, StudyState.PARKED)
    assert claims.work((JobKind.READ,), fail) == 0


def test_an_error_before_the_start_leaves_the_study_queued(database: Database) -> None:
    revision_pk = add_job(database)
    with database.begin() as session:
        studies.move(session, revision_pk, StudyState.QUEUED, SystemClock().now())

    def fail(claim: Claim, progress: Progress) -> None:
        raise RuntimeError("the row cannot be read")

    Claims(database, SystemClock(), LIMITS, "me").work((JobKind.READ,), fail)
    assert states(database) == (JobState.WAITING, StudyState.QUEUED)


def test_a_failed_triage_parks_no_study(database: Database) -> None:
    add_job(database, JobKind.TRIAGE)
    claims = Claims(database, SystemClock(), LIMITS, "me")

    def fail(claim: Claim, progress: Progress) -> None:
        raise RuntimeError("the model broke")

    for _ in range(3):
        claims.work((JobKind.TRIAGE,), fail)
    assert states(database) == (JobState.PARKED, StudyState.REASONING)


def test_a_worker_that_lost_its_lease_writes_nothing(database: Database) -> None:
    """It hangs, the beat stops, another worker does the job, then it wakes from the dead."""
    add_job(database)
    other = Claims(database, SystemClock(), LIMITS, "other")
    written = []

    def hang(claim: Claim, progress: Progress) -> None:
        deadline = time.monotonic() + 30
        while not other.work((JobKind.READ,), finish(database)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with database.begin() as session:
            jobs.finish(session, claim, SystemClock().now())
            written.append(claim)

    assert Claims(database, SystemClock(), LIMITS, "me").work((JobKind.READ,), hang) == 1
    assert written == []
    assert states(database)[0] == JobState.DONE


def test_a_failure_after_the_lease_was_lost_hands_nothing_back(database: Database) -> None:
    """The other worker's claim stands, and the first one goes on with its next job."""
    revision_pk = add_job(database)

    def fail(claim: Claim, progress: Progress) -> None:
        with database.begin() as session:
            job = session.query(JobRow).filter_by(revision_pk=revision_pk).one()
            job.token, job.owner = job.token + 1, "other"
        raise RuntimeError("the model broke")

    assert Claims(database, SystemClock(), LIMITS, "me").work((JobKind.READ,), fail) == 1
    assert states(database) == (JobState.RUNNING, StudyState.REASONING)


def test_work_that_moves_on_keeps_its_lease(database: Database) -> None:
    add_job(database)
    other = Claims(database, SystemClock(), LIMITS, "other")

    def long(claim: Claim, progress: Progress) -> None:
        for _ in range(30):  # two lease lengths
            time.sleep(0.1)
            progress()
            assert other.work((JobKind.READ,), finish(database)) == 0
        finish(database)(claim, progress)

    Claims(database, SystemClock(), LIMITS, "me").work((JobKind.READ,), long)
    assert states(database)[0] == JobState.DONE


def test_progress_says_when_the_lease_is_gone(sqlite_database: Database) -> None:
    add_job(sqlite_database)
    clock = FakeClock()
    with sqlite_database.begin() as session:
        [mine] = jobs.claim(
            session, (JobKind.READ,), owner="me", now=clock.now(), lease_seconds=1, limit=1
        )
    clock.advance(2)
    with sqlite_database.begin() as session:
        jobs.claim(
            session, (JobKind.READ,), owner="you", now=clock.now(), lease_seconds=60, limit=1
        )
    with LeaseBeat(sqlite_database, clock, LIMITS) as beat, pytest.raises(LeaseLost):
        beat.add([mine])
        for _ in range(100):
            beat.progress(mine)
            threading.Event().wait(0.05)


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_stalled_beat_pauses_and_goes_on_with_the_work(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cxr_node")
    add_job(sqlite_database)
    clock = FakeClock()

    def lease_until() -> datetime | None:
        with sqlite_database.read() as session:
            return session.scalars(select(JobRow.lease_until)).one()

    claims = Claims(sqlite_database, clock, LIMITS.model_copy(update={"beat_seconds": 0.02}), "me")
    with claims.hold() as hold:
        [mine] = hold.take((JobKind.READ,))
        first = lease_until()
        clock.advance(LIMITS.stall_seconds + 0.1)
        until(lambda: Event.LEASE_EXPIRED in caplog.messages)
        assert lease_until() == first
        hold.progress(mine)
        until(lambda: lease_until() != first)


def test_between_two_attempts_is_a_pause_that_grows(database: Database) -> None:
    add_job(database)
    clock = FakeClock(datetime.now(UTC))
    claims = Claims(database, clock, JobsSection(max_attempts=9), "me")
    pauses = []
    for _ in range(3):
        assert claims.work((JobKind.READ,), fails) == 1
        waited = 0.0
        while not claimable(database, clock):
            clock.advance(0.1)
            waited += 0.1
        pauses.append(waited)
    assert 0.7 < pauses[0] <= 1.1 < pauses[1] <= 2.1 < pauses[2] <= 4.1


def fails(claim: Claim, progress: Progress) -> None:
    raise RuntimeError("the model broke")


def claimable(database: Database, clock: FakeClock) -> int:
    with database.read() as session:
        return jobs.claimable(session, (JobKind.READ,), clock.now())
