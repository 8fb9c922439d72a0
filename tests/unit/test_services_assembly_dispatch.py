"""Closing quiet studies, parking what no worker finished, and ringing again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cxr_node.config import AssemblySection, JobsSection
from cxr_node.domain.ports import FakeClock
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.domain.study import StudyState
from cxr_node.services.assembly import close_due
from cxr_node.services.dispatch import sweep
from cxr_node.services.doorbell import MemoryDoorbell
from cxr_node.store import jobs, outbox, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import JobRow, RevisionRow
from tests.instances import NOW, add_study, facts, spooled


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def bell() -> MemoryDoorbell:
    return MemoryDoorbell()


@pytest.fixture
def close(sqlite_database: Database, clock: FakeClock, bell: MemoryDoorbell) -> Callable[[], int]:
    return lambda: close_due(sqlite_database, clock, AssemblySection(), "model", "1", bell)


def _states(db: Database) -> list[str]:
    with db.read() as session:
        return [row.state for row in session.query(RevisionRow).order_by(RevisionRow.id)]


def test_a_quiet_study_is_queued_at_its_priority(
    sqlite_database: Database, clock: FakeClock, bell: MemoryDoorbell, close: Callable[[], int]
) -> None:
    with sqlite_database.begin() as session:
        study, revision = add_study(session)
        decision = PriorityDecision(Priority.STAT, "r", "w", "1")
        studies.raise_priority(session, study.id, revision.id, decision, "triage", NOW)
    clock.advance(9.9)
    assert close() == 0
    clock.advance(0.2)
    assert close() == 1
    assert _states(sqlite_database) == ["queued"]
    assert bell.rings == ["read"]
    with sqlite_database.read() as session:
        job = session.query(JobRow).one()
        assert (job.kind, job.priority_rank) == ("read", 4)
        assert session.query(RevisionRow).one().work_key != ""


def test_a_study_that_never_rests_is_closed_all_the_same(
    sqlite_database: Database, clock: FakeClock, close: Callable[[], int]
) -> None:
    with sqlite_database.begin() as session:
        add_study(session)
    for _ in range(24):
        clock.advance(5)
        with sqlite_database.begin() as session:
            studies.touch(session, "1.2.3.1", clock.now())
    assert close() == 1


def test_more_than_a_batch_is_closed_in_one_call(
    sqlite_database: Database, clock: FakeClock, bell: MemoryDoorbell, close: Callable[[], int]
) -> None:
    with sqlite_database.begin() as session:
        for number in range(1, 121):
            add_study(session, number, reason="modality" if number <= 60 else "")
    clock.advance(11)
    assert close() == 120
    assert _states(sqlite_database).count("queued") == 60
    assert _states(sqlite_database).count("not-eligible") == 60
    assert set(bell.rings) == {"read"}


def test_a_revision_that_adds_nothing_to_read_is_absorbed(
    sqlite_database: Database, clock: FakeClock, bell: MemoryDoorbell, close: Callable[[], int]
) -> None:
    with sqlite_database.begin() as session:
        add_study(session)
    clock.advance(11)
    close()
    with sqlite_database.begin() as session:
        (first,) = session.query(RevisionRow)
        first.state = StudyState.DELIVERED.value
        study = studies.upsert_study(session, facts(1, 2), "AE", clock.now())
        second = studies.open_revision(session, study, clock.now())
        studies.add_instance(
            session, study, second.number, facts(1, 2), spooled("ct"), "AE", "modality", NOW
        )
    bell.rings.clear()
    clock.advance(11)
    assert close() == 1
    assert _states(sqlite_database) == ["delivered"]
    assert bell.rings == []


def test_a_revision_that_was_begun_is_never_absorbed(
    sqlite_database: Database, clock: FakeClock, close: Callable[[], int]
) -> None:
    with sqlite_database.begin() as session:
        add_study(session)
    clock.advance(11)
    close()
    with sqlite_database.begin() as session:
        study = studies.upsert_study(session, facts(1, 2), "AE", clock.now())
        second = studies.open_revision(session, study, clock.now())
        # Queued for a quick look as eligible, then found unreadable by the worker.
        studies.add_instance(
            session, study, second.number, facts(1, 2), spooled("bad"), "AE", "decode", NOW
        )
        jobs.add_job(session, second.id, JobKind.TRIAGE, 1, NOW)
    clock.advance(11)
    assert close() == 1
    assert _states(sqlite_database) == ["queued", "queued"]


def _running(db: Database, kind: JobKind, state: StudyState, attempts: int) -> None:
    """One job whose worker died in its ``attempts``-th attempt, at NOW."""
    with db.begin() as session:
        _, revision = add_study(session)
        revision.state = state.value
        jobs.add_job(session, revision.id, kind, 1, NOW)
        jobs.claim(session, (kind,), owner="w", now=NOW, lease_seconds=10)
        session.query(JobRow).one().attempt = attempts


@pytest.mark.parametrize("kind", [JobKind.READ, JobKind.PUBLISH])
def test_a_study_whose_attempts_are_used_up_is_parked_with_advice(
    sqlite_database: Database, clock: FakeClock, bell: MemoryDoorbell, kind: JobKind
) -> None:
    _running(sqlite_database, kind, StudyState.REASONING, 3)
    sweep(sqlite_database, clock, JobsSection(), bell)
    assert _states(sqlite_database) == ["reasoning"]
    clock.advance(11)
    sweep(sqlite_database, clock, JobsSection(), bell)
    with sqlite_database.read() as session:
        revision = session.query(RevisionRow).one()
        assert revision.state == "parked"
        assert "cxr-node replay" in revision.reason
        assert session.query(JobRow).one().state == "parked"
    assert bell.rings == []


def test_a_lost_triage_does_not_park_the_study(
    sqlite_database: Database, clock: FakeClock, bell: MemoryDoorbell
) -> None:
    _running(sqlite_database, JobKind.TRIAGE, StudyState.RECEIVING, 3)
    clock.advance(11)
    sweep(sqlite_database, clock, JobsSection(), bell)
    assert _states(sqlite_database) == ["receiving"]
    with sqlite_database.read() as session:
        assert session.query(JobRow).one().state == "parked"


def test_a_withdrawn_study_stays_withdrawn(
    sqlite_database: Database, clock: FakeClock, bell: MemoryDoorbell
) -> None:
    _running(sqlite_database, JobKind.PUBLISH, StudyState.WITHDRAWN, 3)
    clock.advance(11)
    sweep(sqlite_database, clock, JobsSection(), bell)
    assert _states(sqlite_database) == ["withdrawn"]


def test_a_lost_worker_is_rung_for(
    sqlite_database: Database, clock: FakeClock, bell: MemoryDoorbell
) -> None:
    _running(sqlite_database, JobKind.READ, StudyState.REASONING, 1)
    sweep(sqlite_database, clock, JobsSection(), bell)
    assert bell.rings == []
    clock.advance(11)
    sweep(sqlite_database, clock, JobsSection(), bell)
    assert bell.rings == ["read"]


def test_every_queue_with_work_is_rung_for(
    sqlite_database: Database, clock: FakeClock, bell: MemoryDoorbell
) -> None:
    with sqlite_database.begin() as session:
        _, revision = add_study(session)
        for kind in JobKind:
            jobs.add_job(session, revision.id, kind, 1, NOW)
        row = outbox.add_object(
            session,
            revision.id,
            kind="sr",
            sop_class_uid="1.2",
            sop_instance_uid="2.25.1",
            series_uid="2.25.2",
            predecessor_uid="",
            file=spooled("sr"),
            now=NOW,
        )
        outbox.add_delivery(session, row.id, "PACS", NOW)
    sweep(sqlite_database, clock, JobsSection(), bell)
    assert bell.rings == ["read", "publish", "deliver", "shadow"]
