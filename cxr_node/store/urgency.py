"""Which jobs are read together: those of one urgency, and never one that has failed before.

A model answers a batch in one call. When that call fails, or takes its process along,
nobody knows which study did it: each is tried again alone, so that the one at fault is
found and the others lose one attempt at most.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select
from sqlalchemy.orm import Session

from cxr_node.store import jobs
from cxr_node.store.jobs import IN_LINE, PRESSING, PRESSING_RANK, TURN, Claim, JobKind
from cxr_node.store.schema import JobRow


@dataclass(frozen=True, slots=True, order=True)
class Urgency:
    """The greater goes first: HIGH and above, then quick looks before whole readings."""

    pressing: int
    quick: bool
    rank: int

    @classmethod
    def of(cls, kind: JobKind, rank: int) -> Urgency:
        return cls(rank if rank >= PRESSING_RANK else 0, kind is JobKind.TRIAGE, rank)


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who may come: ``seats`` more of the urgency being read, or whoever outranks it.

    ``above`` is the urgency being read now; None when nothing is, then anybody may come.
    """

    kinds: tuple[JobKind, ...]
    seats: int
    above: Urgency | None
    max_attempts: int


def awaited(session: Session, invitation: Invitation, now: datetime) -> bool:
    """Whether somebody would come. Reads only."""
    first = session.execute(_first(invitation, now)).one_or_none()
    return first is not None and _guests(first, invitation) > 0


def claim_alike(
    session: Session, invitation: Invitation, *, owner: str, now: datetime, lease_seconds: float
) -> list[Claim]:
    """Claim the first in line and those of the same urgency behind it, as many as may come.

    One that outranks those being read gets a seat though none is free.
    """
    statement = _first(invitation, now).with_for_update(skip_locked=True)
    first = session.execute(statement).one_or_none()
    guests = _guests(first, invitation) if first else 0
    if first is None or guests == 0:
        return []
    kind = JobKind(first.kind)
    alike = [JobRow.priority_rank == first.priority_rank, JobRow.attempt == 0]
    return jobs.claim(
        session,
        (kind,),
        owner=owner,
        now=now,
        lease_seconds=lease_seconds,
        limit=guests,
        max_attempts=invitation.max_attempts,
        only=[JobRow.id == first.id] if first.attempt else alike,
    )


def ranks(session: Session, job_pks: Collection[int]) -> dict[int, int]:
    """The priority that jobs have by now: a flag raises also those being read."""
    statement = select(JobRow.id, JobRow.priority_rank).where(JobRow.id.in_(job_pks))
    return {row.id: row.priority_rank for row in session.execute(statement)}


def _first(invitation: Invitation, now: datetime) -> Select[int, int, str, int]:
    """The first in line that is at least as urgent as those being read."""
    statement = select(JobRow.id, JobRow.priority_rank, JobRow.kind, JobRow.attempt)
    free = jobs.free(invitation.kinds, now, invitation.max_attempts)
    return statement.where(free, *_at_least(invitation.above)).order_by(*IN_LINE).limit(1)


def _at_least(above: Urgency | None) -> list[ColumnElement[bool]]:
    if above is None:
        return []
    pressing, turn, rank = PRESSING, TURN, JobRow.priority_rank
    own = 0 if above.quick else 1
    level = or_(turn < own, and_(turn == own, rank >= above.rank))
    return [or_(pressing > above.pressing, and_(pressing == above.pressing, level))]


def _guests(first: Row[int, int, str, int], invitation: Invitation) -> int:
    """How many may come with ``first``, itself included."""
    joins = Urgency.of(JobKind(first.kind), first.priority_rank) == invitation.above
    if first.attempt:
        return 0 if joins else 1
    return invitation.seats if joins else max(invitation.seats, 1)
