"""The life of a study revision: its states and legal moves, as a table."""

from __future__ import annotations

from enum import StrEnum

from cxr_node.domain.errors import IllegalMove


class StudyState(StrEnum):
    """Where one revision of a study stands."""

    RECEIVING = "receiving"
    ASSEMBLED = "assembled"
    NOT_ELIGIBLE = "not-eligible"
    QUEUED = "queued"
    REASONING = "reasoning"
    REPORTED = "reported"
    DELIVERED = "delivered"
    PARKED = "parked"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


MOVES: dict[StudyState, frozenset[StudyState]] = {
    StudyState.RECEIVING: frozenset({StudyState.ASSEMBLED}),
    StudyState.ASSEMBLED: frozenset({StudyState.NOT_ELIGIBLE, StudyState.QUEUED}),
    StudyState.QUEUED: frozenset({StudyState.REASONING, StudyState.PARKED}),
    StudyState.REASONING: frozenset(
        {StudyState.QUEUED, StudyState.REPORTED, StudyState.PARKED, StudyState.NOT_ELIGIBLE}
    ),
    StudyState.REPORTED: frozenset(
        {StudyState.DELIVERED, StudyState.PARKED, StudyState.SUPERSEDED, StudyState.WITHDRAWN}
    ),
    StudyState.DELIVERED: frozenset({StudyState.SUPERSEDED, StudyState.WITHDRAWN}),
    StudyState.PARKED: frozenset(
        {StudyState.QUEUED, StudyState.REPORTED, StudyState.DELIVERED, StudyState.SUPERSEDED}
    ),
    StudyState.NOT_ELIGIBLE: frozenset({StudyState.SUPERSEDED}),
    StudyState.SUPERSEDED: frozenset(),
    StudyState.WITHDRAWN: frozenset(),
}

RUNNING = frozenset(
    {StudyState.RECEIVING, StudyState.ASSEMBLED, StudyState.QUEUED, StudyState.REASONING}
)


def moved(current: StudyState, target: StudyState) -> StudyState:
    """Return ``target`` if the table allows the move, else raise :class:`IllegalMove`."""
    if target not in MOVES[current]:
        raise IllegalMove(f"a study that is {current} cannot become {target}")
    return target


class VisibleState(StrEnum):
    """The one state a person sees, in words a radiologist understands."""

    RUNNING = "running"
    READ = "read, nothing flagged"
    FLAGGED = "flagged"
    NOT_ELIGIBLE = "not eligible"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


_VISIBLE = {
    StudyState.NOT_ELIGIBLE: VisibleState.NOT_ELIGIBLE,
    StudyState.PARKED: VisibleState.FAILED,
    StudyState.SUPERSEDED: VisibleState.SUPERSEDED,
    StudyState.WITHDRAWN: VisibleState.WITHDRAWN,
}


def visible_state(state: StudyState, *, flagged: bool) -> VisibleState:
    """What the page, the API and the worklist say; silence is never "normal"."""
    if state in _VISIBLE:
        return _VISIBLE[state]
    if flagged:
        return VisibleState.FLAGGED
    return VisibleState.RUNNING if state in RUNNING else VisibleState.READ
