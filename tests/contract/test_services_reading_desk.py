"""Readers claim, give back, read and acknowledge; nobody answering is escalated. Both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from cxr_node.domain.amendment import Person, PersonRole
from cxr_node.domain.errors import (
    AmendmentRefused,
    NothingToAcknowledge,
    StudyTaken,
    UnknownStudy,
)
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import FakeClock
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.domain.study import StudyState
from cxr_node.domain.worklist import ReadingOrder, WorklistEntry
from cxr_node.reporting.list_rules import CriticalPolicy
from cxr_node.services.escalation import escalate_due
from cxr_node.services.reading_desk import ReadingDesk
from cxr_node.store import critical, desk, studies
from cxr_node.store.database import Database
from cxr_node.store.priorities import set_priority
from cxr_node.store.reading_order import ListView
from cxr_node.store.schema import StudyRow
from cxr_node.store.schema_desk import CriticalResultRow
from cxr_node.store.worklist import counts, worklist
from tests.instances import NOW, add_study
from tests.reports import templates

RUTH = Person("Reader^Ruth", "General Hospital", PersonRole.ATTENDING)
PAUL = Person("Reader^Paul", "General Hospital", PersonRole.RESIDENT)
TINA = Person("Tech^Tina", "General Hospital", PersonRole.TECHNOLOGIST)
DUE = templates().order.reading_order()


def room(database: Database, clock: FakeClock) -> ReadingDesk:
    return ReadingDesk(database, clock, claim_minutes=20, policy=templates().critical)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


def add(
    database: Database,
    number: int,
    priority: Priority = Priority.ROUTINE,
    *,
    minutes_ago: float = 0,
    limit: float | None = None,
    phantom: bool = False,
) -> Uid:
    with database.begin() as session:
        study, revision = add_study(session, number, NOW - timedelta(minutes=minutes_ago))
        study.quality_control = phantom
        revision.state = StudyState.DELIVERED.value
        decision = PriorityDecision(priority, "rule", "why", "1", acknowledge_minutes=limit)
        studies.raise_priority(session, study.id, revision.id, decision, "read", NOW)
        if priority is Priority.LOW:  # only a person may do that
            set_priority(session, study.id, revision.id, decision, "attending", NOW)
        return Uid(study.study_uid)


def listed(database: Database, clock: FakeClock, order: ReadingOrder = DUE) -> list[WorklistEntry]:
    view = ListView(order, clock.now(), clock.now() - timedelta(hours=24))
    with database.read() as session:
        return worklist(session, view)


def numbers(entries: list[WorklistEntry]) -> list[int]:
    return [int(entry.study.study_uid.text.split(".")[3]) for entry in entries]


def test_flagged_go_first_and_the_rest_by_the_time_they_are_due(
    database: Database, clock: FakeClock
) -> None:
    add(database, 1, Priority.ROUTINE, minutes_ago=300)  # due in 180 minutes
    add(database, 2, Priority.MEDIUM, minutes_ago=10)  # due in 230
    add(database, 3, Priority.HIGH)
    add(database, 4, Priority.LOW, minutes_ago=900)  # due in 60
    add(database, 5, Priority.STAT)
    add(database, 6, Priority.MEDIUM, minutes_ago=120)  # due in 120
    add(database, 7, Priority.HIGH, minutes_ago=500)
    found = listed(database, clock)
    assert numbers(found) == [5, 7, 3, 4, 6, 1, 2]
    assert found[3].due_at == NOW + timedelta(minutes=60)
    with database.read() as session:
        assert numbers(worklist(session)) == [5, 7, 3, 6, 2, 1, 4]


def test_what_was_read_or_is_old_stands_behind(database: Database, clock: FakeClock) -> None:
    old = 24 * 60 + 5
    for number, ago in ((1, 30), (2, old), (3, 20), (4, old + 60), (5, 10)):
        add(database, number, minutes_ago=ago)
    with database.begin() as session:
        _, revision = add_study(session, 6, NOW - timedelta(days=3))
        assert revision.state == StudyState.RECEIVING
    desk_ = room(database, clock)
    desk_.release(Uid("1.2.3.3"), RUTH, read=True)
    assert numbers(listed(database, clock)) == [6, 1, 5, 3, 2, 4]
    with database.read() as session:
        assert sum(counts(session, clock.now() - timedelta(hours=24)).values()) == 4
        assert sum(counts(session).values()) == 6


def test_a_later_flag_opens_a_study_again(database: Database, clock: FakeClock) -> None:
    add(database, 1, minutes_ago=5)
    uid = add(database, 2, minutes_ago=4)
    room(database, clock).release(uid, RUTH, read=True)
    assert numbers(listed(database, clock)) == [1, 2]
    clock.advance(60)
    with database.begin() as session:
        study = session.scalars(select(StudyRow).filter_by(study_uid=uid.text)).one()
        decision = PriorityDecision(Priority.HIGH, "rule", "why", "1")
        studies.raise_priority(session, study.id, 2, decision, "read", clock.now())
    assert numbers(listed(database, clock)) == [2, 1]


def test_a_claim_holds_until_it_runs_out(database: Database, clock: FakeClock) -> None:
    uid = add(database, 1)
    here = room(database, clock)
    assert here.claim(uid, RUTH) == NOW + timedelta(minutes=20)
    with pytest.raises(StudyTaken, match=r"Reader\^Ruth, attending, reads it until 12:20 UTC"):
        here.claim(uid, PAUL)
    with pytest.raises(StudyTaken):
        here.release(uid, PAUL, read=True)
    (entry,) = listed(database, clock)
    assert entry.claim is not None and entry.claim.name == RUTH.name
    clock.advance(600)
    assert here.claim(uid, RUTH) == NOW + timedelta(minutes=30)
    clock.advance(20 * 60)
    assert listed(database, clock)[0].claim is None
    here.claim(uid, PAUL)
    here.release(uid, PAUL, read=False)
    here.claim(uid, RUTH)
    with database.read() as session:
        kinds = [(row.kind, row.person_name) for row in desk.events_of(session, 1)]
    assert kinds == [
        ("claimed", RUTH.name),
        ("claimed", RUTH.name),
        ("claimed", PAUL.name),
        ("released", PAUL.name),
        ("claimed", RUTH.name),
    ]
    with pytest.raises(UnknownStudy):
        here.claim(Uid("9.9"), RUTH)


def test_of_many_readers_at_once_exactly_one_wins(database: Database, clock: FakeClock) -> None:
    uid = add(database, 1)
    here, start = room(database, clock), threading.Barrier(6)
    told: list[str] = []

    def take(number: int) -> None:
        person = Person(f"Reader^{number}", "General Hospital", PersonRole.RESIDENT)
        start.wait(10)
        try:
            here.claim(uid, person)
            told.append("won")
        except StudyTaken:
            told.append("lost")

    run_all(take, 6)
    assert sorted(told) == ["lost"] * 5 + ["won"]
    with database.read() as session:
        assert len(desk.events_of(session, 1)) == 1


def run_all(work: Callable[[int], None], number: int) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def flag(database: Database) -> CriticalResultRow:
    with database.read() as session:
        return session.scalars(select(CriticalResultRow)).one()


def test_a_named_role_acknowledges_once(database: Database, clock: FakeClock) -> None:
    uid, quiet = add(database, 1, Priority.STAT, limit=30), add(database, 2, Priority.STAT)
    here = room(database, clock)
    with pytest.raises(AmendmentRefused, match="consultant"):
        here.acknowledge(uid, TINA)
    with pytest.raises(NothingToAcknowledge):
        here.acknowledge(quiet, RUTH)
    clock.advance(120)
    here.acknowledge(uid, RUTH)
    with pytest.raises(NothingToAcknowledge):
        here.acknowledge(uid, PAUL)
    shown = listed(database, clock)[0].critical
    assert shown is not None and shown.by == "Reader^Ruth, attending"
    assert shown.acknowledged_at == NOW + timedelta(seconds=120)
    clock.advance(7200)
    assert escalate_due(database, clock, templates().critical) == 0


def test_nobody_answering_is_escalated_step_by_step(
    database: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    add(database, 1, Priority.STAT, limit=30)
    policy = templates().critical
    clock.advance(29 * 60)
    assert escalate_due(database, clock, policy) == 0
    seen: list[tuple[datetime, int]] = []
    for _ in range(5):
        clock.advance(8 * 60)
        while escalate_due(database, clock, policy):
            seen.append((clock.now(), flag(database).level))
    assert [level for _, level in seen] == [1, 2, 3]
    assert [(at - NOW) // timedelta(minutes=1) for at, _ in seen] == [37, 45, 61]
    assert flag(database).next_at is None
    with database.read() as session:
        assert critical.unacknowledged(session) == {"waiting": 0, "escalated": 1}
    told = [record.__dict__["event_fields"] for record in caplog.records]
    assert [one["to"] for one in told if "to" in one] == [s.to for s in policy.escalation]
    with database.read() as session:
        notes = [(row.kind, row.note) for row in desk.events_of(session, 1)]
    assert notes == [("escalated", step.to) for step in policy.escalation]
    entry = listed(database, clock)[0]
    assert entry.critical is not None and entry.critical.overdue(clock.now())
    room(database, clock).acknowledge(entry.study.study_uid, RUTH)


def test_two_dispatchers_take_a_step_once(database: Database, clock: FakeClock) -> None:
    for number in range(1, 4):
        add(database, number, Priority.STAT, limit=30)
    clock.advance(31 * 60)
    start, taken = threading.Barrier(3), []

    def work(_: int) -> None:
        start.wait(10)
        taken.append(escalate_due(database, clock, templates().critical))

    run_all(work, 3)
    assert sum(taken) == 3


def test_a_phantom_calls_nobody(database: Database, clock: FakeClock) -> None:
    add(database, 1, Priority.STAT, limit=30, phantom=True)
    clock.advance(7200)
    assert escalate_due(database, clock, templates().critical) == 0


def test_a_policy_without_further_steps_ends_quietly(database: Database, clock: FakeClock) -> None:
    add(database, 1, Priority.STAT, limit=30)
    clock.advance(3600)
    silent = CriticalPolicy.model_validate({**templates().critical.model_dump(), "escalation": ()})
    assert escalate_due(database, clock, silent) == 0
    assert flag(database).next_at is None


def test_a_study_raised_twice_has_one_open_flag(database: Database, clock: FakeClock) -> None:
    uid = add(database, 1, Priority.HIGH, limit=30)
    decision = PriorityDecision(Priority.STAT, "r", "w", "1", acknowledge_minutes=30)

    def raise_it() -> None:
        with database.begin() as session:
            study = session.scalars(select(StudyRow).filter_by(study_uid=uid.text)).one()
            studies.raise_priority(session, study.id, 1, decision, "read", clock.now())

    raise_it()
    assert flag(database).priority == "HIGH"
    room(database, clock).acknowledge(uid, RUTH)
    raise_it()
    assert flag(database).acknowledged_at is not None
