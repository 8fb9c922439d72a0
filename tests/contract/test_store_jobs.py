"""Jobs: order of claims, leases, fencing tokens, parking; alike on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from cxr_node.domain.errors import LeaseLost
from cxr_node.store import jobs
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind, JobState
from cxr_node.store.schema import JobRow
from tests.instances import NOW, add_study

ALL = tuple(JobKind)
LEASE = 10.0


def _add(
    database: Database, number: int, kind: JobKind = JobKind.READ, rank: int = 1, age: float = 0
) -> int:
    """A study with one job ``age`` seconds old; its revision's key."""
    with database.begin() as session:
        _, revision = add_study(session, number)
        at = NOW - timedelta(seconds=age)
        assert jobs.add_job(session, revision.id, kind, rank, at)
        return revision.id


def _claim(
    database: Database, *, after: float = 0, limit: int = 1, owner: str = "w"
) -> list[Claim]:
    with database.begin() as session:
        now = NOW + timedelta(seconds=after)
        return jobs.claim(session, ALL, owner=owner, now=now, lease_seconds=LEASE, limit=limit)


def _job(database: Database) -> JobRow:
    with database.read() as session:
        return session.query(JobRow).one()


def test_a_batch_comes_by_priority_then_triage_then_age(database: Database) -> None:
    old = _add(database, 1, rank=1, age=100)
    new = _add(database, 2, rank=1, age=1)
    quick = _add(database, 3, JobKind.TRIAGE, rank=1, age=1)
    stat = _add(database, 4, rank=4, age=0)
    _add(database, 5, rank=0, age=1000)
    claims = _claim(database, limit=4)
    assert [claim.revision_pk for claim in claims] == [stat, quick, old, new]
    assert [claim.attempt for claim in claims] == [1, 1, 1, 1]


def test_a_quick_look_is_claimed_before_an_older_reading(database: Database) -> None:
    _add(database, 1, age=100)
    quick = _add(database, 2, JobKind.TRIAGE)
    assert [claim.revision_pk for claim in _claim(database, limit=1)] == [quick]


def test_only_the_kinds_asked_for(database: Database) -> None:
    _add(database, 1, JobKind.PUBLISH)
    with database.begin() as session:
        assert not jobs.claim(
            session, (JobKind.TRIAGE, JobKind.READ), owner="w", now=NOW, lease_seconds=LEASE
        )
        assert jobs.waiting(session, (JobKind.PUBLISH,)) == 1


def test_a_revision_has_one_job_of_a_kind(database: Database) -> None:
    revision = _add(database, 1)
    with database.begin() as session:
        assert not jobs.add_job(session, revision, JobKind.READ, 4, NOW)
        assert jobs.add_job(session, revision, JobKind.PUBLISH, 4, NOW)


def test_many_claimers_never_get_the_same_job(database: Database) -> None:
    for number in range(1, 25):
        _add(database, number)

    def work(name: int) -> list[int]:
        mine = []
        while claims := _claim(database, limit=2, owner=f"worker {name}"):
            mine += [claim.job_pk for claim in claims]
        return mine

    with ThreadPoolExecutor(6) as pool:
        taken = [key for mine in pool.map(work, range(6)) for key in mine]
    assert len(taken) == 24
    assert len(set(taken)) == 24


def test_a_lease_protects_until_it_expires(database: Database) -> None:
    _add(database, 1)
    (first,) = _claim(database)
    assert _claim(database, after=LEASE - 0.1) == []
    (second,) = _claim(database, after=LEASE + 0.1)
    assert (second.token, second.attempt) == (first.token + 1, 2)


def test_a_beat_prolongs_the_lease(database: Database) -> None:
    _add(database, 1)
    (claim,) = _claim(database)
    with database.begin() as session:
        later = NOW + timedelta(seconds=8)
        assert jobs.renew(session, claim, now=later, lease_seconds=LEASE)
    assert _claim(database, after=15) == []
    assert _claim(database, after=18.1)


def test_who_woke_from_the_dead_changes_nothing(database: Database) -> None:
    _add(database, 1)
    (dead,) = _claim(database)
    (alive,) = _claim(database, after=LEASE + 1)
    with database.begin() as session:
        assert not jobs.renew(session, dead, now=NOW, lease_seconds=LEASE)
    for late in (
        lambda session: jobs.finish(session, dead, NOW),
        lambda session: jobs.hand_back(session, dead, "E", now=NOW, max_attempts=3),
    ):
        with pytest.raises(LeaseLost), database.begin() as session:
            late(session)
    with database.begin() as session:
        jobs.finish(session, alive, NOW)
    assert _job(database).state == JobState.DONE
    with pytest.raises(LeaseLost), database.begin() as session:
        jobs.finish(session, alive, NOW)


def test_attempts_end_in_parking_and_replay_gives_new_ones(database: Database) -> None:
    revision = _add(database, 1)
    states = []
    for _ in range(3):
        (claim,) = _claim(database)
        with database.begin() as session:
            states.append(jobs.hand_back(session, claim, "ValueError", now=NOW, max_attempts=3))
    assert states == [JobState.WAITING, JobState.WAITING, JobState.PARKED]
    assert _job(database).error == "ValueError"
    assert _claim(database) == []
    with database.begin() as session:
        jobs.replay(session, revision, NOW)
    (again,) = _claim(database)
    assert (again.attempt, again.token) == (1, 4)


def test_a_worker_killed_in_its_last_attempt_parks_the_job(database: Database) -> None:
    revision = _add(database, 1)
    for attempt in range(3):
        assert _claim(database, after=attempt * (LEASE + 1))
    over = NOW + timedelta(seconds=3 * (LEASE + 1))
    with database.begin() as session:
        used_up = jobs.claim(session, ALL, owner="w", now=over, lease_seconds=LEASE, max_attempts=3)
        assert used_up == []
        assert jobs.park_exhausted(session, now=NOW, max_attempts=3) == []
        assert jobs.park_exhausted(session, now=over, max_attempts=4) == []
        assert jobs.park_exhausted(session, now=over, max_attempts=3) == [revision]
        assert jobs.park_exhausted(session, now=over, max_attempts=3) == []
    assert _job(database).state == JobState.PARKED


def test_expired_leases_count_as_claimable(database: Database) -> None:
    _add(database, 1)
    _add(database, 2)
    _claim(database)
    with database.read() as session:
        assert jobs.waiting(session, ALL) == 1
        assert jobs.claimable(session, ALL, NOW) == 1
        assert jobs.claimable(session, ALL, NOW + timedelta(seconds=LEASE + 1)) == 2
