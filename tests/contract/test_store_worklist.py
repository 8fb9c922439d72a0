"""The worklist: order, words, counts, and a fixed number of queries; alike on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event

from cxr_node.domain.milestones import Milestone
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.domain.study import StudyState, VisibleState
from cxr_node.store import jobs, outbox, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import RevisionRow
from cxr_node.store.worklist import counts, queue_depth, worklist
from tests.instances import NOW, add_study, spooled
from tests.readings import contradicted, sample_reading


def _study(
    database: Database,
    number: int,
    state: StudyState = StudyState.RECEIVING,
    *,
    age: float = 0,
    priority: Priority = Priority.ROUTINE,
    reason: str = "",
) -> int:
    with database.begin() as session:
        study, revision = add_study(session, number, NOW - timedelta(seconds=age))
        revision.state, revision.reason = state.value, reason
        decision = PriorityDecision(priority, "rule", f"words {number}", "1")
        studies.raise_priority(session, study.id, revision.id, decision, "triage", NOW)
        return revision.id


@contextmanager
def _counted(database: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine, "before_cursor_execute", note)


def test_flagged_first_then_the_longest_waiting(database: Database) -> None:
    _study(database, 1, age=10)
    _study(database, 2, age=30)
    _study(database, 3, age=20, priority=Priority.HIGH)
    _study(database, 4, age=1, priority=Priority.STAT)
    with database.read() as session:
        order = [entry.study.study_uid.text[-1] for entry in worklist(session)]
        only = worklist(session, study_uid="1.2.3.2")
    assert order == ["4", "3", "2", "1"]
    assert [entry.study.accession_number for entry in only] == ["A2"]


def test_every_state_is_said_in_words(database: Database) -> None:
    _study(database, 1)
    _study(database, 2, StudyState.NOT_ELIGIBLE, reason="modality")
    _study(database, 3, StudyState.PARKED, reason="mend it")
    _study(database, 4, StudyState.DELIVERED)
    _study(database, 5, StudyState.REASONING, priority=Priority.HIGH)
    _study(database, 6, StudyState.SUPERSEDED)
    _study(database, 7, StudyState.WITHDRAWN)
    with database.read() as session:
        seen = {e.study.study_uid.text[-1]: (e.visible, e.words) for e in worklist(session)}
        numbers = counts(session)
    assert seen["1"] == (VisibleState.RUNNING, "")
    assert seen["2"][0] is VisibleState.NOT_ELIGIBLE
    assert seen["2"][1].startswith("not a projection radiograph")
    assert seen["3"] == (VisibleState.FAILED, "mend it")
    assert seen["4"] == (VisibleState.READ, "")
    assert seen["5"] == (VisibleState.FLAGGED, "words 5")
    assert numbers == {state.value: 1 for state in VisibleState}


def test_an_entry_tells_all(database: Database) -> None:
    revision_pk = _study(database, 1, StudyState.REPORTED)
    with database.begin() as session:
        said = sample_reading()
        readings.save_reading(session, revision_pk, said, model_seconds=1, now=NOW)
        studies.mark(session, revision_pk, Milestone.LAST_IMAGE, NOW)
        studies.mark(session, revision_pk, Milestone.REPORTED, NOW + timedelta(seconds=3))
        row = outbox.add_object(
            session,
            revision_pk,
            kind="sr",
            sop_class_uid="1.2",
            sop_instance_uid="2.25.1",
            series_uid="2.25.2",
            predecessor_uid="",
            file=spooled("sr"),
            now=NOW,
        )
        outbox.add_delivery(session, row.id, "PACS", NOW)
    with database.read() as session:
        (entry,) = worklist(session)
    assert entry.findings == tuple(finding.kind.value for finding in said.present)
    assert entry.view == "PA"
    assert entry.patient.name == "DOE^JANE"
    assert entry.last_image_at == NOW
    assert entry.reported_at == NOW + timedelta(seconds=3)
    assert [(d.destination, d.state) for d in entry.deliveries] == [("PACS", "waiting")]


def test_a_reading_that_contradicts_itself_is_marked(database: Database) -> None:
    revision_pk = _study(database, 1, StudyState.REPORTED)
    for reading, marked in ((contradicted(), True), (sample_reading(), False)):
        with database.begin() as session:
            readings.save_reading(session, revision_pk, reading, model_seconds=1, now=NOW)
        with database.read() as session:
            assert [entry.review for entry in worklist(session)] == [marked]


def test_a_new_revision_shows_the_last_known_findings(database: Database) -> None:
    revision_pk = _study(database, 1, StudyState.DELIVERED)
    with database.begin() as session:
        said = sample_reading()
        readings.save_reading(session, revision_pk, said, model_seconds=1, now=NOW)
        session.add(
            RevisionRow(
                study_pk=1,
                number=2,
                state="receiving",
                first_received_at=NOW,
                last_received_at=NOW,
                state_at=NOW,
            )
        )
    with database.read() as session:
        (entry,) = worklist(session)
    assert (entry.revision, entry.visible) == (2, VisibleState.RUNNING)
    assert len(entry.findings) == len(said.present)


def test_the_number_of_queries_does_not_grow(database: Database) -> None:
    for number in range(1, 4):
        _study(database, number)
    with _counted(database) as few, database.read() as session:
        worklist(session)
    for number in range(4, 20):
        _study(database, number)
    with _counted(database) as many, database.read() as session:
        assert len(worklist(session)) == 19
    assert len(few) == len(many) <= 9


def test_a_short_list_keeps_what_is_running_and_then_the_newest(database: Database) -> None:
    _study(database, 1, age=1000)
    for number in range(2, 6):
        _study(database, number, StudyState.DELIVERED, age=100 - number)
    with database.read() as session:
        uids = {entry.study.study_uid.text[-1] for entry in worklist(session, limit=3)}
    assert uids == {"1", "5", "4"}


def test_queue_depth_names_every_queue(database: Database) -> None:
    revision_pk = _study(database, 1)
    with database.begin() as session:
        jobs.add_job(session, revision_pk, JobKind.READ, 1, NOW)
    with database.read() as session:
        none = dict.fromkeys([*map(str, JobKind), "deliver"], 0)
        assert queue_depth(session) == none | {"read": 1}
