"""Runs of the canary and the references they are held against; apart from every study.

A run is queued here and nowhere else, so that no worklist, count or report can hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.errors import IllegalMove
from cxr_node.store.schema import CanaryReferenceRow, CanaryRunRow
from cxr_node.store.statements import insert_or_update, rows_changed, storable


class CanaryState(StrEnum):
    """What became of a run."""

    WAITING = "waiting"
    RUNNING = "running"
    STORED = "stored"
    """The first answers of this model about this picture: they are the reference now."""
    HELD = "held"
    DRIFTED = "drifted"
    UNANSWERED = "unanswered"
    ACCEPTED = "accepted"
    """A person made its answers the reference."""


OPEN = (CanaryState.WAITING, CanaryState.RUNNING)
ALARMING = (CanaryState.DRIFTED, CanaryState.UNANSWERED)
_OPEN = tuple(state.value for state in OPEN)
MAX_CLAIMS = 3
"""A run that ended so many workers is left to be given up."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to make one run."""

    run_pk: int
    token: int


@dataclass(frozen=True, slots=True)
class Answered:
    """Who answered what about which picture; ``answers`` are JSON values."""

    model_digest: str
    picture_sha256: str
    answers: dict[str, Any]
    model_seconds: float


def newest(session: Session) -> CanaryRunRow | None:
    """The run that was queued last."""
    return session.scalar(select(CanaryRunRow).order_by(CanaryRunRow.id.desc()).limit(1))


def last_finished(session: Session) -> CanaryRunRow | None:
    """The newest run that came to an end, whichever."""
    statement = select(CanaryRunRow).where(CanaryRunRow.state.not_in(_OPEN))
    return session.scalar(statement.order_by(CanaryRunRow.id.desc()).limit(1))


def alarm(session: Session) -> str:
    """Why a person must look, in words; empty when the last run to end held."""
    run = last_finished(session)
    if run is None or run.state not in ALARMING:
        return ""
    said = "; ".join(run.words.splitlines()) or "no reason was recorded"
    if run.state == CanaryState.DRIFTED:
        return f"the canary study is answered otherwise than its reference: {said}"
    return f"the canary study got no answer: {said}"


def queue(session: Session, now: datetime) -> int:
    """Queue a run, or find the one that is open; its key."""
    run = newest(session)
    if run is None or run.state not in _OPEN:
        run = CanaryRunRow(state=CanaryState.WAITING.value, scheduled_at=now, answers={})
        session.add(run)
        session.flush()
    return run.id


def _free(now: datetime) -> ColumnElement[bool]:
    """Whether a run may be claimed: it waits, or its worker went away."""
    expired = and_(
        CanaryRunRow.state == CanaryState.RUNNING.value,
        CanaryRunRow.lease_until < now,
        CanaryRunRow.token < MAX_CLAIMS,
    )
    return or_(CanaryRunRow.state == CanaryState.WAITING.value, expired)


def claim(session: Session, now: datetime, lease_seconds: float) -> Turn | None:
    """Take the run that is free; None when there is none."""
    chosen = select(CanaryRunRow.id).where(_free(now)).order_by(CanaryRunRow.id).limit(1)
    statement = (
        update(CanaryRunRow)
        .where(CanaryRunRow.id.in_(chosen.with_for_update(skip_locked=True)))
        .values(
            state=CanaryState.RUNNING.value,
            token=CanaryRunRow.token + 1,
            lease_until=now + timedelta(seconds=lease_seconds),
        )
        .returning(CanaryRunRow.id, CanaryRunRow.token)
        .execution_options(synchronize_session=False)
    )
    taken = session.execute(statement).one_or_none()
    return None if taken is None else Turn(taken.id, taken.token)


def awaited(session: Session, now: datetime) -> bool:
    """Whether a run may be claimed. Reads only."""
    found = select(func.count()).select_from(CanaryRunRow).where(_free(now))
    return bool(session.scalar(found))


def renew(session: Session, turn: Turn, now: datetime, lease_seconds: float) -> bool:
    """Prolong the lease; False when the run is no longer ours."""
    return _settle(session, turn, {"lease_until": now + timedelta(seconds=lease_seconds)})


def hand_back(session: Session, turn: Turn) -> bool:
    """The worker ends: another may make the run. False when it is no longer ours."""
    waiting = {"state": CanaryState.WAITING.value, "lease_until": None}
    return _settle(session, turn, waiting)


def finish(
    session: Session, turn: Turn, state: CanaryState, found: Answered, words: str, now: datetime
) -> bool:
    """Write what came of a run; False, and nothing written, when it is no longer ours."""
    values = {
        "state": state.value,
        "finished_at": now,
        "lease_until": None,
        "model_digest": found.model_digest,
        "picture_sha256": found.picture_sha256,
        "answers": found.answers,
        "words": storable(words),
        "model_seconds": found.model_seconds,
    }
    return _settle(session, turn, values)


def fail(session: Session, turn: Turn, words: str, now: datetime) -> bool:
    """A run ends without an answer; False when it is no longer ours."""
    state = CanaryState.UNANSWERED.value
    ended = {"state": state, "finished_at": now, "lease_until": None, "words": storable(words)}
    return _settle(session, turn, ended)


def _settle(session: Session, turn: Turn, values: dict[str, Any]) -> bool:
    ours = (
        CanaryRunRow.id == turn.run_pk,
        CanaryRunRow.token == turn.token,
        CanaryRunRow.state == CanaryState.RUNNING.value,
    )
    return rows_changed(session, update(CanaryRunRow).where(*ours).values(**values)) == 1


def give_up(session: Session, run_pk: int, words: str, now: datetime) -> bool:
    """Nobody answered in time; whoever still works on it writes nothing. False if it ended."""
    statement = (
        update(CanaryRunRow)
        .where(CanaryRunRow.id == run_pk, CanaryRunRow.state.in_(_OPEN))
        .values(
            state=CanaryState.UNANSWERED.value,
            finished_at=now,
            lease_until=None,
            words=storable(words),
        )
    )
    return rows_changed(session, statement) == 1


def reference(session: Session, model_digest: str, picture_sha256: str) -> dict[str, Any] | None:
    """The answers that are held to be right; None where there are none yet."""
    statement = select(CanaryReferenceRow.answers).filter_by(
        model_digest=model_digest, picture_sha256=picture_sha256
    )
    return session.scalar(statement)


def store_reference(session: Session, found: Answered, by: str, now: datetime) -> None:
    """Make these answers the reference of their model and picture."""
    values = {
        "model_digest": found.model_digest,
        "picture_sha256": found.picture_sha256,
        "answers": found.answers,
        "accepted_by": storable(by, 64),
        "stored_at": now,
    }
    insert_or_update(session, CanaryReferenceRow, values, ("model_digest", "picture_sha256"))


def accept(session: Session, by: str, now: datetime) -> CanaryRunRow:
    """The last run's answers become the reference. Raises :class:`IllegalMove` without any."""
    run = last_finished(session)
    if run is None or not run.answers:
        raise IllegalMove("the last canary run has no answers; `cxr-node canary run` makes some")
    seconds = run.model_seconds or 0.0
    found = Answered(run.model_digest, run.picture_sha256, run.answers, seconds)
    store_reference(session, found, by, now)
    run.state = CanaryState.ACCEPTED.value
    run.words = storable(f"accepted by {by}")
    return run


def counts(session: Session) -> dict[str, int]:
    """Runs by state; every state is named."""
    rows = session.execute(select(CanaryRunRow.state, func.count()).group_by(CanaryRunRow.state))
    return dict.fromkeys((s.value for s in CanaryState), 0) | {row[0]: row[1] for row in rows}
