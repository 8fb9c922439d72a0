"""Jobs: claimed under a lease by one UPDATE … RETURNING, finished under a fencing token.

The token rises with every claim, so a worker that wakes from the dead changes no row and
learns it by :class:`LeaseLost`. Takeover time is the lease plus the poll.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.errors import LeaseLost
from cxr_node.domain.priority import RANK, Priority
from cxr_node.store.schema import JobRow
from cxr_node.store.statements import insert_once, rows_changed, storable


class JobKind(StrEnum):
    """What a job asks for."""

    TRIAGE = "triage"
    READ = "read"
    AMEND = "amend"
    """Read again what follows a person's correction."""
    PUBLISH = "publish"
    SHADOW = "shadow"


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do one job; ``attempt`` counts this one, ``rank`` is its priority's."""

    job_pk: int
    revision_pk: int
    kind: JobKind
    token: int
    attempt: int
    rank: int


_WAITING = JobState.WAITING.value
_RUNNING = JobState.RUNNING.value
# Nobody has looked at a study whose quick look is still to come: it may be the worst of all,
# so it goes before every whole reading that is not pressing itself, and at one priority too.
PRESSING_RANK = RANK[Priority.HIGH]
PRESSING: ColumnElement[int] = case(
    (JobRow.priority_rank >= PRESSING_RANK, JobRow.priority_rank), else_=0
)
TURN: ColumnElement[int] = case((JobRow.kind == JobKind.TRIAGE.value, 0), else_=1)
IN_LINE = (PRESSING.desc(), TURN, JobRow.priority_rank.desc(), JobRow.created_at, JobRow.id)
LONGEST_LEASE = timedelta(minutes=15)
"""One that ends later was given before the clock was set back; the token keeps it harmless."""
_FREED: dict[str, Any] = {"owner": "", "lease_until": None}


def add_job(
    session: Session,
    revision_pk: int,
    kind: JobKind,
    priority_rank: int,
    now: datetime,
    held_until: datetime | None = None,
) -> bool:
    """Queue a job; False if this revision has one of this kind already, in any state.

    Nobody claims it before ``held_until``, or before :func:`let_go`.
    """
    values = {
        "revision_pk": revision_pk,
        "kind": kind.value,
        "state": _WAITING,
        "priority_rank": priority_rank,
        "created_at": now,
        "held_until": held_until,
    }
    return insert_once(session, JobRow, values) is not None


def bring_forward(session: Session, revision_pk: int, rank: int) -> None:
    """What waits takes at least this place in line; the study's priority stays as it is."""
    session.execute(
        update(JobRow)
        .where(
            JobRow.revision_pk == revision_pk,
            JobRow.state == _WAITING,
            JobRow.priority_rank < rank,
        )
        .values(priority_rank=rank)
    )


def let_go(session: Session, revision_pk: int, kind: JobKind) -> None:
    """What the job was held for is settled."""
    session.execute(
        update(JobRow)
        .where(JobRow.revision_pk == revision_pk, JobRow.kind == kind.value)
        .values(held_until=None)
    )


def claim(
    session: Session,
    kinds: Collection[JobKind],
    *,
    owner: str,
    now: datetime,
    lease_seconds: float,
    limit: int = 1,
    max_attempts: int | None = None,
    only: Sequence[ColumnElement[bool]] = (),
) -> list[Claim]:
    """Take up to ``limit`` jobs: highest priority, triage before the rest, then oldest.

    An expired lease counts as free; with ``max_attempts`` a job whose attempts are used
    up is left for :func:`park_exhausted`. ``only`` narrows the choice further.
    """
    picked = (
        select(JobRow.id)
        .where(free(kinds, now, max_attempts), *only)
        .order_by(*IN_LINE)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    statement = (
        update(JobRow)
        .where(JobRow.id.in_(select(picked.c.id)))
        .values(
            state=_RUNNING,
            owner=storable(owner, 64),
            token=JobRow.token + 1,
            attempt=JobRow.attempt + 1,
            lease_until=now + timedelta(seconds=lease_seconds),
        )
        .returning(JobRow.__table__)
        .execution_options(synchronize_session=False)
    )
    rows = sorted(session.execute(statement), key=_order)
    return [
        Claim(r.id, r.revision_pk, JobKind(r.kind), r.token, r.attempt, r.priority_rank)
        for r in rows
    ]


def _order(row: Row[Any]) -> tuple[int, bool, int, datetime, int]:
    """The order of the claim again: RETURNING promises none."""
    rank = row.priority_rank
    pressing = rank if rank >= PRESSING_RANK else 0
    return (-pressing, row.kind != JobKind.TRIAGE.value, -rank, row.created_at, row.id)


def free(
    kinds: Collection[JobKind], now: datetime, max_attempts: int | None = None
) -> ColumnElement[bool]:
    """Whether a job may be claimed: it waits, or its lease has expired."""
    over = or_(JobRow.lease_until < now, JobRow.lease_until > now + LONGEST_LEASE)
    expired = and_(JobRow.state == _RUNNING, over)
    found = and_(
        JobRow.kind.in_([kind.value for kind in kinds]),
        or_(JobRow.state == _WAITING, expired),
        or_(JobRow.held_until.is_(None), JobRow.held_until <= now),
    )
    return found if max_attempts is None else and_(found, JobRow.attempt < max_attempts)


def renew(session: Session, claim: Claim, *, now: datetime, lease_seconds: float) -> bool:
    """Prolong the lease; False when another worker holds the job."""
    return _settle(session, claim, {"lease_until": now + timedelta(seconds=lease_seconds)})


def finish(session: Session, claim: Claim, now: datetime) -> None:
    """Close the job. Raises :class:`LeaseLost` when another worker holds it."""
    done = {"state": JobState.DONE.value, "finished_at": now, "error": "", **_FREED}
    _settle_or_lose(session, claim, done)


def hand_back(
    session: Session,
    claim: Claim,
    error: str,
    *,
    now: datetime,
    max_attempts: int,
    pause_seconds: float = 0.0,
) -> JobState:
    """Give up this attempt: the job waits again, or is parked after the last one.

    Nobody claims it for ``pause_seconds``: what was wrong may need that long to be right.
    Raises :class:`LeaseLost` when another worker holds it.
    """
    used_up = claim.attempt >= max_attempts
    state = JobState.PARKED if used_up else JobState.WAITING
    values = {
        "state": state.value,
        "error": storable(error),
        "finished_at": now if used_up else None,
        "held_until": None if used_up else now + timedelta(seconds=pause_seconds),
        **_FREED,
    }
    _settle_or_lose(session, claim, values)
    return state


def _settle(session: Session, claim: Claim, values: dict[str, Any]) -> bool:
    held = (JobRow.id == claim.job_pk, JobRow.token == claim.token, JobRow.state == _RUNNING)
    return rows_changed(session, update(JobRow).where(*held).values(**values)) == 1


def _settle_or_lose(session: Session, claim: Claim, values: dict[str, Any]) -> None:
    if not _settle(session, claim, values):
        raise LeaseLost(f"{claim.kind} job {claim.job_pk} is held by another worker")


def park_exhausted(
    session: Session,
    *,
    now: datetime,
    max_attempts: int,
    kinds: Sequence[JobKind] = tuple(JobKind),
) -> list[int]:
    """Park jobs whose last allowed attempt died with its worker; their revisions' keys."""
    statement = (
        update(JobRow)
        .where(
            JobRow.kind.in_([kind.value for kind in kinds]),
            JobRow.state == _RUNNING,
            JobRow.lease_until < now,
            JobRow.attempt >= max_attempts,
        )
        .values(
            state=JobState.PARKED.value,
            error="the worker stopped during the last attempt",
            finished_at=now,
            **_FREED,
        )
        .returning(JobRow.revision_pk)
        .execution_options(synchronize_session=False)
    )
    return sorted(session.execute(statement).scalars())


def waiting(session: Session, kinds: Collection[JobKind]) -> int:
    """How many jobs nobody has claimed."""
    statement = select(func.count()).where(
        JobRow.state == _WAITING, JobRow.kind.in_([kind.value for kind in kinds])
    )
    return session.scalar(statement) or 0


def claimable(session: Session, kinds: Collection[JobKind], now: datetime) -> int:
    """How many jobs wait, or are free again because their lease expired."""
    statement = select(func.count()).select_from(JobRow).where(free(kinds, now))
    return session.scalar(statement) or 0


def replay(session: Session, revision_pk: int, now: datetime) -> None:
    """An operator's second chance: parked jobs wait again with all their attempts."""
    session.execute(
        update(JobRow)
        .where(JobRow.revision_pk == revision_pk, JobRow.state == JobState.PARKED.value)
        .values(state=_WAITING, attempt=0, error="", finished_at=None, created_at=now, **_FREED)
    )
