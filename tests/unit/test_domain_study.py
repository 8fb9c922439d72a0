"""The life of a study: legal moves, and what a person sees of them."""

from __future__ import annotations

from itertools import product

import pytest

from cxr_node.domain.errors import IllegalMove
from cxr_node.domain.priority import RANK, Priority, is_flag, raised
from cxr_node.domain.study import MOVES, StudyState, VisibleState, moved, visible_state


@pytest.mark.parametrize(("current", "target"), list(product(StudyState, StudyState)))
def test_a_move_is_made_or_refused_by_the_table(current: StudyState, target: StudyState) -> None:
    if target in MOVES[current]:
        assert moved(current, target) is target
    else:
        with pytest.raises(IllegalMove, match=str(target)):
            moved(current, target)


def test_every_state_can_be_reached_from_receiving() -> None:
    reached, edge = {StudyState.RECEIVING}, {StudyState.RECEIVING}
    while edge:
        edge = {target for state in edge for target in MOVES[state]} - reached
        reached |= edge
    assert reached == set(StudyState)


@pytest.mark.parametrize(
    ("state", "flagged", "seen"),
    [
        (StudyState.RECEIVING, False, VisibleState.RUNNING),
        (StudyState.REASONING, True, VisibleState.FLAGGED),
        (StudyState.REPORTED, False, VisibleState.READ),
        (StudyState.DELIVERED, True, VisibleState.FLAGGED),
        (StudyState.NOT_ELIGIBLE, True, VisibleState.NOT_ELIGIBLE),
        (StudyState.PARKED, False, VisibleState.FAILED),
        (StudyState.SUPERSEDED, True, VisibleState.SUPERSEDED),
        (StudyState.WITHDRAWN, True, VisibleState.WITHDRAWN),
    ],
)
def test_a_person_sees_one_state(state: StudyState, flagged: bool, seen: VisibleState) -> None:
    assert visible_state(state, flagged=flagged) is seen


@pytest.mark.parametrize("state", StudyState)
def test_only_a_read_study_ever_looks_read(state: StudyState) -> None:
    looks_read = visible_state(state, flagged=False) is VisibleState.READ
    assert looks_read == (state in (StudyState.REPORTED, StudyState.DELIVERED))


@pytest.mark.parametrize(("current", "proposed"), list(product(Priority, Priority)))
def test_priority_only_rises(current: Priority, proposed: Priority) -> None:
    after = raised(current, proposed)
    assert RANK[after] == max(RANK[current], RANK[proposed])


def test_high_and_stat_are_flags() -> None:
    assert [p for p in Priority if is_flag(p)] == [Priority.HIGH, Priority.STAT]
