"""Who sits and whose turn it is: by urgency, together, and alone after a failure."""

from __future__ import annotations

from contextlib import ExitStack
from typing import cast

import pytest

from cxr_node.reasoning.staged import OpenReading
from cxr_node.services.read_jobs import Task
from cxr_node.services.sitting import Seat, Sitting
from cxr_node.store.jobs import Claim, JobKind
from cxr_node.store.urgency import Urgency

ROUTINE, STAT = 1, 4


class FakeReading:
    """An open study that counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def seat(
    number: int, rank: int = ROUTINE, kind: JobKind = JobKind.READ, attempt: int = 1
) -> tuple[Seat, FakeReading]:
    reading, opened = FakeReading(), ExitStack()
    opened.callback(reading.close)
    claim = Claim(number, number, kind, token=1, attempt=attempt, rank=rank)
    task = Task(claim, study_pk=number, quality_control=False, candidates=())
    return Seat(task, cast(OpenReading, reading), opened), reading


def seated(sitting: Sitting, *arguments: object) -> Seat:
    made, _ = seat(*arguments)  # type: ignore[arg-type]
    sitting.sit(made)
    return made


def test_equals_advance_together() -> None:
    sitting = Sitting(4)
    assert sitting.turn() == []
    assert sitting.urgency is None
    seats = [seated(sitting, number) for number in (1, 2, 3)]
    assert sitting.turn() == seats
    assert sitting.free == 1
    assert sitting.urgency == Urgency.of(JobKind.READ, ROUTINE)


def test_the_most_urgent_advance_alone_until_they_leave() -> None:
    sitting = Sitting(2)
    routine = [seated(sitting, 1), seated(sitting, 2)]
    quick = seated(sitting, 3, ROUTINE, JobKind.TRIAGE)
    assert sitting.turn() == [quick]
    stat = seated(sitting, 4, STAT)
    assert sitting.turn() == [stat]
    assert sitting.free == 0
    sitting.leave(stat)
    assert sitting.turn() == [quick]
    sitting.leave(quick)
    assert sitting.turn() == routine


def test_a_free_seat_is_one_of_the_number_not_of_those_who_stepped_in() -> None:
    sitting = Sitting(2)
    first, _ = seated(sitting, 1), seated(sitting, 2)
    stat = seated(sitting, 3, STAT)
    sitting.leave(first)
    assert sitting.free == 0
    sitting.leave(stat)
    assert sitting.free == 1


def test_one_tried_before_is_asked_alone_and_nobody_joins() -> None:
    sitting = Sitting(4)
    fresh = seated(sitting, 1)
    tried = [seated(sitting, n, ROUTINE, JobKind.READ, 2) for n in (2, 3)]
    assert sitting.free == 0
    assert sitting.turn() == tried[:1]
    sitting.leave(tried[0])
    assert sitting.turn() == tried[1:]
    sitting.leave(tried[1])
    assert sitting.turn() == [fresh]
    assert sitting.free == 3


def test_one_tried_before_gives_way_to_the_more_urgent() -> None:
    sitting = Sitting(4)
    seated(sitting, 1, ROUTINE, JobKind.READ, 2)
    stat = seated(sitting, 2, STAT)
    assert sitting.turn() == [stat]


def test_a_raised_priority_counts_at_once() -> None:
    sitting = Sitting(4)
    _, raised = seated(sitting, 1), seated(sitting, 2)
    sitting.rerank({1: ROUTINE, 2: STAT})
    assert sitting.turn() == [raised]
    assert sitting.urgency == Urgency.of(JobKind.READ, STAT)
    sitting.rerank({})
    assert len(sitting.turn()) == 2


def test_whoever_leaves_is_closed_once_and_all_at_the_end() -> None:
    made = [seat(number) for number in (1, 2)]
    with pytest.raises(ZeroDivisionError), Sitting(2) as sitting:
        for one, _ in made:
            sitting.sit(one)
        sitting.leave(made[0][0])
        assert [reading.closed for _, reading in made] == [1, 0]
        raise ZeroDivisionError
    assert [reading.closed for _, reading in made] == [1, 1]
    assert len(sitting) == 0
