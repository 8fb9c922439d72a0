"""A batch is read together, each study settled by itself, and the urgent step in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import update

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.domain.study import StudyState
from cxr_node.reasoning.scripted import ScriptedModel
from cxr_node.reasoning.staged import OpenReading, Request, StagedReader
from cxr_node.services import rounds
from cxr_node.services.claims import Claims
from cxr_node.services.read_jobs import ReadJobs, Task
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind, JobState
from cxr_node.store.schema import JobRow
from tests.reading_room import LIMITS, ROUTINE, STAT, ReadingRoom, unreadable

SICK = ScriptedModel({"overall": "abnormal", "presence/pneumothorax": 0.97, "side": "left"})
BOTH_KINDS = (JobKind.TRIAGE, JobKind.READ)


@pytest.fixture(autouse=True)
def _looks_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits is seen between any two questions, however fast the model is."""
    monkeypatch.setattr(rounds, "LOOK_SECONDS", 0.0)


def once(when: Callable[[list[int]], bool], act: Callable[[], object]) -> Callable[..., None]:
    """A hook that acts at the first call that fits."""
    acted = []

    def hook(numbers: list[int]) -> None:
        if not acted and when(numbers):
            acted.append(numbers)
            act()

    return hook


def test_four_studies_are_asked_together_and_all_are_read(database: Database) -> None:
    room = ReadingRoom(database)
    revisions = [room.add(number) for number in (1, 2, 3, 4)]
    assert room.inference.work() == 4
    assert room.inference.work() == 0
    assert {tuple(call) for call in room.model.calls} == {(1, 2, 3, 4)}
    assert [room.state(pk) for pk in revisions] == [StudyState.REASONING] * 4
    for number, pk in enumerate(revisions, 1):
        said = room.reading(pk)
        assert said is not None
        assert said.images[0].sop_instance_uid.text == f"1.2.3.{number}.1.1"
        assert said == _read_alone(room, said)
    assert room.bell.rung == ["publish"] * 4


def _read_alone(room: ReadingRoom, said: Reading) -> Reading:
    model = room.model
    instance = said.images[0].sop_instance_uid
    image = room.pictures.prepare(Path(), instance, model.image_policy)
    request = Request([image], said.images, ReadingKind.READ, quality_control=False)
    return StagedReader(model).read(request)


def test_a_finished_study_is_committed_and_its_seat_taken_at_once(database: Database) -> None:
    """Study 1 has much to say; 2 is done long before it, and 3 gets the place."""
    room = ReadingRoom(database, limits=LIMITS.model_copy(update={"batch": 2}))
    room.model.instead[1] = SICK
    first, second, _ = (room.add(number) for number in (1, 2, 3))
    seen = []

    def look(numbers: list[int]) -> None:
        if 3 in numbers:
            seen.append((room.job(second).state, room.job(first).state))

    room.model.before = look
    assert room.inference.work() == 3
    assert [1, 3] in room.model.calls
    assert set(seen) == {(JobState.DONE, JobState.RUNNING), (JobState.DONE, JobState.DONE)}
    assert room.finished() == [2, 1, 3]
    assert max(map(len, room.model.calls)) == 2


def test_a_study_without_a_picture_leaves_the_others_alone(database: Database) -> None:
    room = ReadingRoom(database)
    revisions = [room.add(number) for number in (1, 2, 3, 4)]
    room.pictures.broken["1.2.3.2.1.1"] = unreadable()
    room.pictures.broken["1.2.3.3.1.1"] = RuntimeError("the decoder cannot be started")
    while room.inference.work():
        pass
    states = [room.state(pk) for pk in revisions]
    assert states == ["reasoning", StudyState.NOT_ELIGIBLE, StudyState.PARKED, "reasoning"]
    assert room.instance(2).reason == "decode"
    assert [room.job(pk).attempt for pk in revisions] == [1, 1, 3, 1]


def test_a_study_that_cannot_be_assembled_fails_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = ReadingRoom(database)
    revisions = [room.add(number) for number in (1, 2, 3)]
    assemble = OpenReading.reading

    def poisoned(reading: OpenReading) -> Reading:
        said = assemble(reading)
        if said.images[0].sop_instance_uid.text.startswith("1.2.3.2."):
            raise ValueError("this one cannot be put together")
        return said

    monkeypatch.setattr(OpenReading, "reading", poisoned)
    room.inference.work()
    assert [room.job(pk).state for pk in revisions] == ["done", "parked", "done"]
    assert [room.job(pk).attempt for pk in revisions] == [1, 3, 1]
    assert room.state(revisions[1]) == StudyState.PARKED


def test_after_a_failed_batch_the_poison_is_found_one_by_one(database: Database) -> None:
    room = ReadingRoom(database)
    revisions = [room.add(number) for number in (1, 2, 3, 4)]

    def poison(numbers: list[int]) -> None:
        if 3 in numbers:
            raise RuntimeError("the model broke")

    room.model.before = poison
    while room.inference.work():
        pass
    assert room.model.calls[0] == [1, 2, 3, 4]
    assert all(len(call) == 1 for call in room.model.calls[1:])
    assert [room.job(pk).state for pk in revisions] == ["done", "done", "parked", "done"]
    assert [room.job(pk).attempt for pk in revisions] == [2, 2, 3, 2]
    assert room.state(revisions[2]) == StudyState.PARKED


def test_one_tried_before_waits_until_nobody_is_beside_it(database: Database) -> None:
    """Study 1 is long and 2 short: the seat of 2 stays free, for it is the turn of 3."""
    room = ReadingRoom(database, limits=LIMITS.model_copy(update={"batch": 2}))
    room.model.instead[1] = SICK
    _, _, tried, _, _ = (room.add(number) for number in (1, 2, 3, 4, 5))
    with database.begin() as session:
        session.execute(update(JobRow).filter_by(revision_pk=tried).values(attempt=1))
    room.inference.work()
    assert {tuple(call) for call in room.model.calls} == {(1, 2), (1,), (3,), (4, 5)}
    assert room.finished() == [2, 1, 3, 4, 5]


@pytest.mark.parametrize("batch", [1, 4])
def test_a_stat_that_arrives_in_the_middle_is_finished_first(
    database: Database, batch: int
) -> None:
    room = ReadingRoom(database, limits=LIMITS.model_copy(update={"batch": batch}))
    for number in (1, 2, 3, 4):
        room.add(number)
    urgent = room.add(9, None)
    arrive = once(
        lambda numbers: len(room.model.calls) == 12,
        lambda: room.queue(urgent, JobKind.TRIAGE, STAT),
    )
    room.model.before = arrive
    assert room.inference.work() == 5
    assert room.finished() == [9, 1, 2, 3, 4]
    alone = [call for call in room.model.calls if 9 in call]
    assert alone
    assert all(call == [9] for call in alone)
    assert room.model.calls[11] == room.model.calls[12 + len(alone)] == [1, 2, 3, 4][:batch]


def test_quick_looks_step_in_before_whole_readings_that_do_not_press(database: Database) -> None:
    room = ReadingRoom(database)
    room.add(1)
    quick = room.add(2, None)
    lower = room.add(3, None)

    def arrive() -> None:
        room.queue(lower, JobKind.TRIAGE, ROUTINE - 1)
        room.queue(quick, JobKind.TRIAGE, ROUTINE)

    room.model.before = once(lambda numbers: len(room.model.calls) == 5, arrive)
    room.inference.work()
    assert room.finished() == [2, 3, 1]


def test_the_waiting_keep_their_leases(database: Database) -> None:
    """The STAT takes two leases long; nobody else gets the studies that wait for it."""
    room = ReadingRoom(database)
    revisions = [room.add(number) for number in (1, 2)]
    urgent = room.add(9, None)
    other = Claims(database, room.clock, LIMITS, "other")
    stolen: list[int] = []

    def slow() -> None:
        end = time.monotonic() + 2 * LIMITS.lease_seconds
        while time.monotonic() < end:
            stolen.append(other.work(BOTH_KINDS, lambda claim, progress: None))
            time.sleep(0.1)

    arrive = once(lambda n: len(room.model.calls) == 3, lambda: room.queue(urgent, JobKind.READ, 4))
    take_long = once(lambda numbers: numbers == [9], slow)

    def hook(numbers: list[int]) -> None:
        arrive(numbers)
        take_long(numbers)

    room.model.before = hook
    assert room.inference.work() == 3
    assert room.finished() == [9, 1, 2]
    assert len(stolen) > 10
    assert not any(stolen)
    assert [room.job(pk).attempt for pk in revisions] == [1, 1]


def test_a_poison_that_steps_in_harms_nobody_who_waits(database: Database) -> None:
    room = ReadingRoom(database)
    revisions = [room.add(number) for number in (1, 2)]
    urgent = room.add(9, None)
    arrive = once(lambda n: len(room.model.calls) == 3, lambda: room.queue(urgent, JobKind.READ, 4))

    def hook(numbers: list[int]) -> None:
        arrive(numbers)
        if 9 in numbers:
            raise RuntimeError("the model broke")

    room.model.before = hook
    room.inference.work()
    assert [room.job(pk).attempt for pk in revisions] == [1, 1]
    assert [room.job(pk).state for pk in revisions] == ["done", "done"]
    assert room.job(urgent).state == JobState.PARKED


def test_a_study_flagged_while_it_is_read_goes_first(database: Database) -> None:
    room = ReadingRoom(database)
    _, flagged = [room.add(number) for number in (1, 2)]

    def flag() -> None:
        with database.begin() as session:
            session.execute(
                update(JobRow).filter_by(revision_pk=flagged).values(priority_rank=STAT)
            )

    room.model.before = once(lambda numbers: len(room.model.calls) == 6, flag)
    room.inference.work()
    assert room.model.calls[:6] == [[1, 2]] * 6
    assert room.model.calls[6] == [2]
    assert room.finished() == [2, 1]


def test_a_study_lost_to_another_worker_is_dropped_and_the_rest_is_read(
    database: Database,
) -> None:
    room = ReadingRoom(database)
    revisions = [room.add(number) for number in (1, 2, 3)]

    def steal() -> None:
        with database.begin() as session:
            job = update(JobRow).filter_by(revision_pk=revisions[1])
            session.execute(job.values(token=JobRow.token + 1, owner="other"))

    room.model.before = once(lambda numbers: len(room.model.calls) == 3, steal)
    room.inference.work()
    assert room.finished() == [1, 3]
    assert room.reading(revisions[1]) is None
    assert room.job(revisions[1]).owner == "other"


def test_a_database_away_for_a_moment_costs_one_study(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = ReadingRoom(database)
    revisions = [room.add(number) for number in (1, 2, 3)]
    commit = ReadJobs.commit

    def away(rows: ReadJobs, task: Task, reading: Reading, seconds: float) -> None:
        if task.claim.revision_pk == revisions[1]:
            raise StoreUnavailable("gone")
        commit(rows, task, reading, seconds)

    monkeypatch.setattr(ReadJobs, "commit", away)
    room.inference.work()
    assert room.finished() == [1, 3]
    assert room.job(revisions[1]).state == JobState.RUNNING


def test_nothing_is_claimed_after_the_end_was_asked_for(database: Database) -> None:
    room = ReadingRoom(database, limits=LIMITS.model_copy(update={"batch": 1}))
    revisions = [room.add(number) for number in (1, 2)]
    assert room.inference.work(lambda: len(room.model.calls) < 4) == 1
    assert [room.job(pk).state for pk in revisions] == ["done", "waiting"]
    assert room.inference.work(lambda: False) == 0


def test_triage_first_then_readings_and_no_mixture(database: Database) -> None:
    room = ReadingRoom(database)
    for number in (1, 2):
        room.add(number)
    for number in (3, 4, 5):
        room.add(number, JobKind.TRIAGE)
    room.inference.work()
    assert {frozenset(call) for call in room.model.calls} == {
        frozenset({3, 4, 5}),
        frozenset({1, 2}),
    }
    assert room.finished() == [3, 4, 5, 1, 2]


def _sizes(calls: Sequence[Sequence[int]]) -> set[int]:
    return {len(call) for call in calls}


def test_two_workers_share_a_queue_without_doubling(database: Database) -> None:
    room = ReadingRoom(database, limits=LIMITS.model_copy(update={"batch": 2}))
    other = ReadingRoom(database, limits=LIMITS.model_copy(update={"batch": 2}))
    revisions = [room.add(number) for number in range(1, 6)]
    room.model.before = once(lambda numbers: True, lambda: other.inference.work())
    room.inference.work()
    assert [room.job(pk).attempt for pk in revisions] == [1] * 5
    assert sorted(room.finished()) == [1, 2, 3, 4, 5]
    assert _sizes(room.model.calls) <= {1, 2}
