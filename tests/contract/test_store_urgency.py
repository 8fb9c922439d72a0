"""Which jobs may be read together, and who may come while others are read; on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from cxr_node.store import jobs, urgency
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind
from cxr_node.store.schema import JobRow
from cxr_node.store.urgency import Invitation, Urgency
from tests.instances import NOW, add_study

READING = (JobKind.TRIAGE, JobKind.READ)
TRIAGE, READ = JobKind.TRIAGE, JobKind.READ


def _add(
    database: Database, number: int, kind: JobKind = READ, rank: int = 1, attempt: int = 0
) -> int:
    """A study with one job, younger than all before it; its revision's key."""
    with database.begin() as session:
        _, revision = add_study(session, number)
        at = NOW + timedelta(seconds=number)
        assert jobs.add_job(session, revision.id, kind, rank, at)
        tried = update(JobRow).filter_by(revision_pk=revision.id)
        session.execute(tried.values(attempt=attempt))
        return revision.id


def _claim(
    database: Database, seats: int = 4, above: Urgency | None = None, owner: str = "w"
) -> list[int]:
    """Revisions of those that came; who would come is asked first, and must agree."""
    invitation = Invitation(READING, seats, above, max_attempts=3)
    now = NOW + timedelta(minutes=1)
    with database.read() as session:
        awaited = urgency.awaited(session, invitation, now)
    with database.begin() as session:
        claims = urgency.claim_alike(session, invitation, owner=owner, now=now, lease_seconds=10)
    assert owner != "w" or bool(claims) is awaited
    return [claim.revision_pk for claim in claims]


def test_only_those_of_the_first_ones_urgency_come(database: Database) -> None:
    routine = [_add(database, n) for n in (1, 2, 3)]
    quick = [_add(database, n, TRIAGE) for n in (4, 5)]
    stat = _add(database, 6, READ, rank=4)
    assert _claim(database) == [stat]
    assert _claim(database) == quick
    assert _claim(database, seats=2) == routine[:2]
    assert _claim(database) == routine[2:]
    assert _claim(database) == []


def test_one_tried_before_comes_alone(database: Database) -> None:
    fresh = [_add(database, 1), _add(database, 3)]
    tried = [_add(database, 2, attempt=1), _add(database, 4, attempt=2)]
    _add(database, 5, attempt=3)
    assert _claim(database) == fresh
    assert _claim(database) == tried[:1]
    assert _claim(database) == tried[1:]
    assert _claim(database) == []


@pytest.mark.parametrize(
    ("kind", "rank", "attempt", "seats", "comes"),
    [
        (READ, 1, 0, 1, True),
        (READ, 1, 0, 0, False),
        (READ, 1, 1, 1, False),
        (READ, 0, 0, 1, False),
        (TRIAGE, 0, 0, 0, True),
        (TRIAGE, 1, 0, 0, True),
        (READ, 3, 0, 0, True),
        (READ, 2, 0, 0, True),
        (READ, 2, 1, 0, True),
    ],
)
def test_who_comes_while_routine_readings_are_open(
    database: Database, kind: JobKind, rank: int, attempt: int, seats: int, comes: bool
) -> None:
    _add(database, 1, kind, rank, attempt)
    assert bool(_claim(database, seats, Urgency.of(READ, 1))) is comes


def test_beside_a_quick_look_only_its_like_or_the_more_urgent_come(database: Database) -> None:
    above = Urgency.of(TRIAGE, 2)
    _add(database, 1, READ, 2)
    assert _claim(database, 1, above) == []
    like = _add(database, 2, TRIAGE, 2)
    assert _claim(database, 0, above) == []
    assert _claim(database, 1, above) == [like]
    higher = [_add(database, n, READ, 3) for n in (3, 4)]
    assert _claim(database, 0, above) == higher[:1]


def test_a_study_that_nobody_has_looked_at_goes_before_all_but_pressing_readings(
    database: Database,
) -> None:
    medium, unseen, high = (
        _add(database, 1, READ, 2),
        _add(database, 2, TRIAGE, 1),
        _add(database, 3, READ, 3),
    )
    order = [_claim(database)[0] for _ in range(3)]
    assert order == [high, unseen, medium]


def test_urgency_is_the_order_of_the_queue(database: Database) -> None:
    listed = [(READ, 4), (TRIAGE, 0), (READ, 0), (TRIAGE, 4), (READ, 2), (TRIAGE, 2)]
    for number, (kind, rank) in enumerate(listed, 1):
        _add(database, number, kind, rank)
    with database.begin() as session:
        claims = jobs.claim(session, READING, owner="w", now=NOW, lease_seconds=10, limit=9)
    order = [Urgency.of(claim.kind, claim.rank) for claim in claims]
    assert order == sorted(order, reverse=True)
    assert len(set(order)) == 6


def test_ranks_are_those_of_now(database: Database) -> None:
    revision = _add(database, 1)
    _add(database, 2)
    claims: list[Claim]
    with database.begin() as session:
        claims = jobs.claim(session, READING, owner="w", now=NOW, lease_seconds=10, limit=1)
        session.execute(update(JobRow).filter_by(revision_pk=revision).values(priority_rank=4))
    with database.read() as session:
        assert urgency.ranks(session, [claims[0].job_pk]) == {claims[0].job_pk: 4}
        assert urgency.ranks(session, []) == {}


def test_many_workers_never_get_the_same_job(database: Database) -> None:
    revisions = [_add(database, n, TRIAGE if n % 2 else READ) for n in range(1, 13)]

    def work(name: int) -> list[int]:
        found: list[int] = []
        for _ in range(12):
            found += _claim(database, 2, owner=f"w{name}")
        return found

    with ThreadPoolExecutor(4) as pool:
        found = [pk for part in pool.map(work, range(4)) for pk in part]
    assert sorted(found) == sorted(revisions)
