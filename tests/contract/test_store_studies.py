"""Studies, revisions, moves and priority; alike on both databases."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from cxr_node.domain.errors import IllegalMove, StoreUnavailable
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.domain.study import MOVES, StudyState
from cxr_node.store import jobs, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import InstanceRow, JobRow, PriorityEventRow, RevisionRow, StudyRow
from tests.instances import NOW, add_study, facts, spooled


def _decision(priority: Priority) -> PriorityDecision:
    return PriorityDecision(priority, "rule-1", f"because {priority}", "1.0")


def test_many_associations_make_one_study_and_one_revision(database: Database) -> None:
    start = threading.Barrier(6)

    def store(number: int) -> None:
        described = facts(1, number + 1)
        start.wait(timeout=30)
        with database.begin() as session:
            study = studies.upsert_study(session, described, f"AE{number}", NOW)
            revision = studies.open_revision(session, study, NOW)
            studies.add_instance(
                session, study, revision.number, described, spooled(str(number)), "AE", "", NOW
            )

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(store, range(6)))
    with database.read() as session:
        assert session.query(StudyRow).count() == 1
        assert session.query(RevisionRow).count() == 1
        assert session.query(InstanceRow).count() == 6


def test_an_instance_is_never_filed_twice(database: Database) -> None:
    with database.begin() as session:
        add_study(session, 1)
    stolen = replace(facts(2), sop_instance_uid=facts(1).sop_instance_uid)
    with pytest.raises(StoreUnavailable), database.begin() as session:
        study = studies.upsert_study(session, stolen, "AE", NOW)
        studies.add_instance(session, study, 1, stolen, spooled("x"), "AE", "", NOW)


def test_every_move_follows_the_table(database: Database) -> None:
    with database.begin() as session:
        _, revision = add_study(session)
    for current, target in itertools.product(StudyState, StudyState):
        with database.begin() as session:
            session.get_one(RevisionRow, revision.id).state = current.value
        assert _moves(database, revision.id, target) == (target in MOVES[current])


def _moves(database: Database, revision_pk: int, target: StudyState) -> bool:
    try:
        with database.begin() as session:
            studies.move(session, revision_pk, target, NOW, reason="why")
    except IllegalMove:
        return False
    with database.read() as session:
        row = session.get_one(RevisionRow, revision_pk)
        return (row.state, row.reason) == (target.value, "why")


def test_of_two_movers_one_wins(database: Database) -> None:
    with database.begin() as session:
        _, revision = add_study(session)
        studies.move(session, revision.id, StudyState.ASSEMBLED, NOW)
    start = threading.Barrier(4)

    def move(_number: int) -> bool:
        start.wait(timeout=30)
        try:
            with database.begin() as session:
                studies.move(session, revision.id, StudyState.QUEUED, NOW)
        except IllegalMove:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(move, range(4))) == [False, False, False, True]


def test_a_closed_revision_is_followed_by_the_next(database: Database) -> None:
    with database.begin() as session:
        study, first = add_study(session)
        assert studies.open_revision(session, study, NOW).id == first.id
        studies.move(session, first.id, StudyState.ASSEMBLED, NOW)
        second = studies.open_revision(session, study, NOW)
        assert (first.number, second.number) == (1, 2)
        late = facts(1, 2)
        studies.add_instance(session, study, 2, late, spooled("late"), "AE", "", NOW)
        assert len(studies.instances_of(session, study.id, 1)) == 1
        assert len(studies.instances_of(session, study.id, 2)) == 2
        current = studies.current_revision(session, study.id)
        assert current is not None
        assert current.id == second.id


def test_quiet_or_long_open_revisions_are_due(database: Database) -> None:
    with database.begin() as session:
        _, quiet = add_study(session, 1, NOW - timedelta(seconds=20))
        _, busy = add_study(session, 2, NOW - timedelta(seconds=20))
        _, endless = add_study(session, 3, NOW - timedelta(seconds=200))
        for uid in ("1.2.3.2", "1.2.3.3"):
            assert studies.touch(session, uid, NOW - timedelta(seconds=1))
        assert not studies.touch(session, "1.2.3.4", NOW)
    with database.begin() as session:
        due = studies.due_revisions(
            session,
            quiet_before=NOW - timedelta(seconds=10),
            opened_before=NOW - timedelta(seconds=120),
        )
        assert [row.id for row in due] == [quiet.id, endless.id]
        assert busy.id not in [row.id for row in due]


def test_only_a_receiving_revision_can_be_touched(database: Database) -> None:
    with database.begin() as session:
        _, revision = add_study(session)
        studies.move(session, revision.id, StudyState.ASSEMBLED, NOW)
        assert not studies.touch(session, "1.2.3.1", NOW + timedelta(seconds=5))
        session.refresh(revision)
        assert revision.last_received_at == NOW


@pytest.mark.peers
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_study_being_filed_is_not_closed(database: Database) -> None:
    with database.begin() as session:
        add_study(session)
    with database.begin() as filing:
        study = studies.upsert_study(filing, facts(1, 2), "AE", NOW)
        studies.open_revision(filing, study, NOW)
        with database.begin() as closing:
            later = NOW + timedelta(seconds=60)
            assert studies.due_revisions(closing, quiet_before=later, opened_before=NOW) == []
    with database.begin() as closing:
        assert studies.due_revisions(closing, quiet_before=later, opened_before=NOW)


@pytest.mark.peers
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_an_image_that_waited_for_the_closing_opens_the_next(database: Database) -> None:
    with database.begin() as session:
        add_study(session)
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as closing:
            (due,) = studies.due_revisions(closing, quiet_before=NOW, opened_before=NOW)
            late = pool.submit(_file_late, database)
            studies.move(closing, due.id, StudyState.ASSEMBLED, NOW)
        assert late.result(timeout=30) == 2


def _file_late(database: Database) -> int:
    with database.begin() as session:
        study = studies.upsert_study(session, facts(1, 2), "AE", NOW)
        return studies.open_revision(session, study, NOW).number


def test_moments_are_recorded_once_but_the_last_image_moves(database: Database) -> None:
    late = NOW + timedelta(seconds=9)
    with database.begin() as session:
        _, revision = add_study(session)
        for at in (NOW, late):
            studies.mark(session, revision.id, Milestone.FIRST_IMAGE, at)
            studies.mark(session, revision.id, Milestone.LAST_IMAGE, at)
        assert studies.milestones(session, revision.id) == {
            Milestone.FIRST_IMAGE: NOW,
            Milestone.LAST_IMAGE: late,
        }


def test_priority_only_rises_and_every_decision_is_kept(database: Database) -> None:
    steps = [Priority.HIGH, Priority.ROUTINE, Priority.STAT]
    with database.begin() as session:
        study, revision = add_study(session)
        seen = [
            studies.raise_priority(
                session,
                study.id,
                revision.id,
                _decision(step),
                "triage",
                NOW + timedelta(seconds=number),
            )
            for number, step in enumerate(steps)
        ]
        assert seen == [Priority.HIGH, Priority.HIGH, Priority.STAT]
        assert study.flagged_at == NOW
        assert study.priority_words == "because STAT"
        events = session.query(PriorityEventRow).order_by(PriorityEventRow.id)
        assert [(e.before, e.proposed, e.after) for e in events] == [
            ("ROUTINE", "HIGH", "HIGH"),
            ("HIGH", "ROUTINE", "HIGH"),
            ("HIGH", "STAT", "STAT"),
        ]


def test_unfinished_jobs_rise_with_their_study(database: Database) -> None:
    with database.begin() as session:
        study, revision = add_study(session, 1)
        _, other = add_study(session, 2)
        for row in (other, revision):
            jobs.add_job(session, row.id, JobKind.READ, 1, NOW)
        decision = _decision(Priority.STAT)
        studies.raise_priority(session, study.id, revision.id, decision, "triage", NOW)
    with database.read() as session:
        ranks = {row.revision_pk: row.priority_rank for row in session.query(JobRow)}
    assert ranks == {revision.id: 4, other.id: 1}


def test_finished_earlier_revisions_are_superseded(database: Database) -> None:
    with database.begin() as session:
        study, first = add_study(session)
        first.state = StudyState.DELIVERED.value
        session.flush()
        second = studies.open_revision(session, study, NOW)
        studies.supersede_earlier(session, study.id, 2, NOW)
        session.refresh(first)
        session.refresh(second)
        assert (first.state, second.state) == ("superseded", "receiving")
