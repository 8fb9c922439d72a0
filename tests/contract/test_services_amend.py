"""A person corrects a reading: what follows is read again, what was there is left alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, update

from cxr_node.domain.amendment import Correction, Person, PersonRole
from cxr_node.domain.assessment import AssessmentVerdict, Opinion
from cxr_node.domain.errors import AmendmentConflict, AmendmentRefused, UnknownStudy
from cxr_node.domain.findings import FindingKind, Presence, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState
from cxr_node.reasoning.given import parsed
from cxr_node.reasoning.scripted import ScriptedModel
from cxr_node.services.amend import Amendments, AmendmentWish
from cxr_node.store import assessments, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind, JobState
from cxr_node.store.schema import (
    AmendmentRow,
    JobRow,
    PriorityEventRow,
    RevisionRow,
    StudyRow,
)
from tests.instances import NOW
from tests.models import picture
from tests.reading_room import STAT, ReadingRoom
from tests.reports import templates

SICK = {
    "overall": "abnormal",
    "presence/pneumothorax": 0.97,
    "side": "left",
    "severity": "severe",
}
STUDY = Uid("1.2.3.1")
READER = Person("Reader^Ruth", "General Hospital", PersonRole.ATTENDING)
ABSENT = parsed("findings.presence/pneumothorax=absent")


@pytest.fixture
def room(database: Database) -> Iterator[ReadingRoom]:
    """Study 1 was read, flagged and delivered."""
    found = ReadingRoom(database, ScriptedModel(SICK))
    found.add(1)
    found.inference.work()
    deliver(found, 1)
    yield found


def deliver(room: ReadingRoom, number: int) -> None:
    """Put the newest revision of a study where a report that was sent leaves it."""
    with room.db.begin() as session:
        study = session.scalars(select(StudyRow).filter_by(study_uid=f"1.2.3.{number}")).one()
        newest = studies.current_revision(session, study.id)
        assert newest is not None
        for state in (StudyState.REPORTED, StudyState.DELIVERED):
            studies.move(session, newest.id, state, NOW)


def desk(room: ReadingRoom) -> Amendments:
    return Amendments(
        db=room.db,
        clock=room.clock,
        bell=room.bell,
        templates=templates(),
        model=lambda: room.model.identity,
    )


def wish(*corrections: Correction, **more: Any) -> AmendmentWish:
    return AmendmentWish(READER, "seen on the lateral view", corrections, **more)


def revision(room: ReadingRoom, number: int) -> int:
    with room.db.read() as session:
        return session.scalars(select(RevisionRow.id).filter_by(number=number)).one()


def reading(room: ReadingRoom, number: int) -> Reading:
    found = room.reading(revision(room, number))
    assert found is not None
    return found


def held(said: Reading, kind: FindingKind) -> Presence:
    return next(f.presence for f in said.findings if f.kind is kind)


def test_what_follows_is_read_again_in_a_revision_of_its_own(room: ReadingRoom) -> None:
    before = reading(room, 1)
    room.model.calls.clear()
    assert desk(room).amend(STUDY, wish(ABSENT, revision=1)) == 2
    assert room.bell.rung[-1] == "read"
    assert room.state(revision(room, 2)) == StudyState.QUEUED
    assert room.inference.work() == 1
    after = reading(room, 2)
    assert held(before, FindingKind.PNEUMOTHORAX) is Presence.PRESENT
    assert held(after, FindingKind.PNEUMOTHORAX) is Presence.ABSENT
    assert after.amendment is not None
    assert (after.amendment.person, after.amendment.base_revision) == (READER, 1)
    assert reading(room, 1) == before
    (corrected,) = (t for t in after.turns if t.by_person)
    at = after.turns.index(corrected)
    assert after.turns[:at] == before.turns[:at]
    assert corrected.settled == "absent"
    assert (corrected.probabilities, corrected.scores) == ({}, {})
    # Only what stands behind the correction was put to the model.
    assert len(room.model.calls) == len(after.turns) - at - 1
    assert not [t for t in after.turns if t.question == "side"]
    assert room.job(revision(room, 2), JobKind.PUBLISH).state == JobState.WAITING


def test_the_later_questions_see_the_persons_answer(room: ReadingRoom) -> None:
    text = "Left apical line, 2 cm; <b>not</b> tension."
    chosen = parsed(f"attributes_grounding.description/pneumothorax={text}")
    desk(room).amend(STUDY, wish(chosen))
    contexts: list[str] = []
    asked = room.model.answer

    def watch(pairs: Any) -> Any:
        contexts.append(pairs[0][0].context)
        return asked(pairs)

    room.model.answer = watch  # type: ignore[method-assign]
    room.inference.work()
    assert contexts and all(text in context for context in contexts)
    finding = next(f for f in reading(room, 2).findings if f.kind == "pneumothorax")
    assert finding.description == text
    assert not finding.by_person


def test_an_amended_reading_is_amended_again(room: ReadingRoom) -> None:
    desk(room).amend(STUDY, wish(ABSENT))
    room.inference.work()
    with pytest.raises(AmendmentConflict, match="it can be corrected once it is reported"):
        desk(room).amend(STUDY, wish(ABSENT, revision=2))
    deliver(room, 1)
    # An earlier question: what the first person said further down still holds.
    projection = parsed("quality_view.projection=AP")
    desk(room).amend(STUDY, wish(projection, revision=2))
    room.inference.work()
    last = reading(room, 3)
    assert held(last, FindingKind.PNEUMOTHORAX) is Presence.ABSENT
    assert last.projection == "AP"
    assert last.amendment is not None
    assert last.amendment.carried == (ABSENT,)
    assert [t.answer for t in last.turns if t.by_person] == ["AP", "absent"]
    deliver(room, 1)
    back = parsed("findings.presence/pneumothorax=present")
    desk(room).amend(STUDY, wish(back, revision=3))
    room.inference.work()
    assert held(reading(room, 4), FindingKind.PNEUMOTHORAX) is Presence.PRESENT
    deliver(room, 1)
    with pytest.raises(AmendmentRefused, match="these very answers already"):
        desk(room).amend(STUDY, wish(back, revision=4))


def test_verification_alone_asks_the_model_nothing(room: ReadingRoom) -> None:
    room.model.calls.clear()
    desk(room).amend(STUDY, wish(verified=True))
    room.inference.work()
    assert room.model.calls == []
    assert reading(room, 2).turns == reading(room, 1).turns


def test_a_correction_that_nobody_came_to_is_said(room: ReadingRoom) -> None:
    box = parsed("attributes_grounding.side/edema=left")
    with pytest.raises(AmendmentRefused, match="did not come to any of these"):
        desk(room).amend(STUDY, wish(box))
    desk(room).amend(STUDY, wish(ABSENT, box))
    room.inference.work()
    assert (
        "a correction was not used, its question was not asked: attributes_grounding.side/edema"
        in reading(room, 2).warnings
    )


def events(room: ReadingRoom) -> list[tuple[str, str, str, str]]:
    with room.db.read() as session:
        rows = session.scalars(select(PriorityEventRow).order_by(PriorityEventRow.id))
        return [(row.before, row.after, row.source, row.words) for row in rows]


def priority(room: ReadingRoom) -> str:
    with room.db.read() as session:
        return session.scalars(select(StudyRow.priority)).one()


def test_without_a_word_of_the_person_the_priority_stays(room: ReadingRoom) -> None:
    assert priority(room) == Priority.STAT
    desk(room).amend(STUDY, wish(ABSENT))
    room.inference.work()
    assert priority(room) == Priority.STAT
    assert events(room)[-1][:3] == ("STAT", "STAT", "amend")


def test_a_person_may_lower_the_priority_and_is_named(room: ReadingRoom) -> None:
    desk(room).amend(STUDY, wish(ABSENT, priority=Priority.ROUTINE))
    assert priority(room) == Priority.ROUTINE
    told = "Reader^Ruth, attending, General Hospital: seen on the lateral view"
    assert events(room)[-1] == ("STAT", "ROUTINE", "attending", told)
    room.inference.work()
    assert priority(room) == Priority.ROUTINE


def test_a_finding_that_a_person_adds_raises_the_priority(database: Database) -> None:
    room = ReadingRoom(database, ScriptedModel())
    room.add(1)
    room.inference.work()
    deliver(room, 1)
    assert priority(room) == Priority.ROUTINE
    desk(room).amend(STUDY, wish(parsed("findings.presence/pneumothorax=present")))
    assert room.job(revision(room, 2), JobKind.AMEND).priority_rank == STAT - 1
    room.inference.work()
    said = reading(room, 2)
    finding = next(f for f in said.findings if f.kind is FindingKind.PNEUMOTHORAX)
    assert (finding.presence, finding.by_person) == (Presence.PRESENT, True)
    assert finding.probability is None
    assert finding.laterality is not None
    assert priority(room) == Priority.HIGH


def test_of_two_at_once_one_wins_and_the_other_is_told(room: ReadingRoom) -> None:
    outcomes: list[object] = []
    start = threading.Barrier(2)

    def correct(answer: str) -> None:
        chosen = parsed(f"findings.presence/edema={answer}")
        start.wait()
        try:
            outcomes.append(desk(room).amend(STUDY, wish(chosen, revision=1)))
        except AmendmentConflict as conflict:
            outcomes.append(str(conflict))

    threads = [threading.Thread(target=correct, args=(a,)) for a in ("present", "uncertain")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [
        2,
        "revision 1 is not the newest reading any more; look at revision 2 first",
    ]
    with room.db.read() as session:
        assert session.scalar(select(func.count()).select_from(AmendmentRow)) == 1


def test_a_study_that_is_being_read_cannot_be_corrected_yet(room: ReadingRoom) -> None:
    room.add(2)
    with pytest.raises(AmendmentConflict, match="the study is queued"):
        desk(room).amend(Uid("1.2.3.2"), wish(ABSENT))
    with pytest.raises(AmendmentConflict, match="no full reading yet"):
        desk(room).assess(
            Uid("1.2.3.2"), [Opinion(FindingKind.EDEMA, AssessmentVerdict.ACCEPTED)], READER
        )
    with pytest.raises(UnknownStudy):
        desk(room).amend(Uid("1.2.3.99"), wish(ABSENT))


def test_another_model_does_not_go_on_with_it(room: ReadingRoom) -> None:
    other = Amendments(
        db=room.db,
        clock=room.clock,
        bell=room.bell,
        templates=templates(),
        model=lambda: ScriptedModel({"side": "right"}).identity,
    )
    with pytest.raises(AmendmentConflict, match="the node now reads with scripted 1"):
        other.amend(STUDY, wish(ABSENT))


def use_up(room: ReadingRoom) -> None:
    """Every attempt that a job has."""
    for _ in range(room.limits.max_attempts):
        assert room.inference.work() == 1


def test_an_attempt_that_fails_is_tried_again_and_then_parked(room: ReadingRoom) -> None:
    desk(room).amend(STUDY, wish(ABSENT))
    room.pictures.broken["1.2.3.1.1.1"] = OSError("gone")
    use_up(room)
    assert room.job(revision(room, 2), JobKind.AMEND).state == JobState.PARKED
    assert room.state(revision(room, 2)) == StudyState.PARKED
    assert room.state(revision(room, 1)) == StudyState.DELIVERED
    with pytest.raises(AmendmentConflict, match="was not read"):
        desk(room).amend(STUDY, wish(ABSENT))


def test_another_picture_than_then_is_not_gone_on_with(room: ReadingRoom) -> None:
    desk(room).amend(STUDY, wish(ABSENT))
    room.pictures.ready[1] = picture(7)
    use_up(room)
    with room.db.read() as session:
        reason = session.get_one(RevisionRow, revision(room, 2)).reason
        assert session.scalars(select(JobRow.error).filter_by(kind="amend")).one() == (
            "AmendmentRefused"
        )
    assert "cxr-node replay STUDY --verify" in reason


def test_a_withdrawn_study_is_left_alone(room: ReadingRoom) -> None:
    with room.db.begin() as session:
        session.execute(update(RevisionRow).values(state=StudyState.WITHDRAWN.value))
    with pytest.raises(AmendmentConflict, match="withdrawn"):
        desk(room).amend(STUDY, wish(ABSENT))


def test_a_correction_says_what_it_thinks_of_the_findings(room: ReadingRoom) -> None:
    desk(room).amend(
        STUDY,
        wish(
            parsed("findings.presence/pneumothorax=present"),
            parsed("attributes_grounding.severity/pneumothorax=severe"),
            parsed("findings.presence/edema=present"),
            parsed("findings.presence/fracture=absent"),
        ),
    )
    with room.db.read() as session:
        found = assessments.assessments_behind(session, revision(room, 2))
    assert {a.opinion.finding: a.opinion.verdict for a in found} == {
        FindingKind.PNEUMOTHORAX: AssessmentVerdict.SUPPLEMENTED,
        FindingKind.EDEMA: AssessmentVerdict.REJECTED,
        FindingKind.FRACTURE: AssessmentVerdict.ACCEPTED,
    }
    assert {a.revision for a in found} == {1}


def test_assessments_are_kept_one_after_the_other(room: ReadingRoom) -> None:
    kind = FindingKind.PNEUMOTHORAX
    first = Opinion(kind, AssessmentVerdict.ACCEPTED)
    second = Opinion(kind, AssessmentVerdict.SUPPLEMENTED, "under tension")
    assert desk(room).assess(STUDY, [first], READER, revision=1) == 1
    desk(room).assess(STUDY, [second], READER)
    with room.db.read() as session:
        found = list(assessments.every_assessment(session))
    assert [f.assessment.opinion for f in found] == [first, second]
    assert (found[0].study_uid, found[0].patient) == ("1.2.3.1", "P1^")
    assert found[0].reading == reading(room, 1)
    with pytest.raises(AmendmentConflict, match="not the newest"):
        desk(room).assess(STUDY, [first], READER, revision=7)
    with pytest.raises(AmendmentRefused, match="one verdict"):
        desk(room).assess(STUDY, [first, second], READER)


def test_what_a_person_said_is_no_result_of_the_model(room: ReadingRoom) -> None:
    desk(room).amend(STUDY, wish(ABSENT))
    room.inference.work()
    opinion = Opinion(FindingKind.PNEUMOTHORAX, AssessmentVerdict.ACCEPTED)
    with pytest.raises(AmendmentRefused, match="given by a person"):
        desk(room).assess(STUDY, [opinion], READER)


def test_the_documents_come_back_as_they_were_kept(room: ReadingRoom) -> None:
    desk(room).amend(STUDY, wish(ABSENT, verified=True, priority=Priority.HIGH))
    room.inference.work()
    with room.db.read() as session:
        found = readings.newest_full_reading(session, session.scalars(select(StudyRow.id)).one())
        assert found is not None
        assert readings.load_reading(session, found[0].id, ReadingKind.READ) == found[1]
    amendment = found[1].amendment
    assert amendment is not None
    assert (amendment.verified, amendment.priority) == (True, Priority.HIGH)
    assert amendment.given == {ABSENT.key: "absent"}
