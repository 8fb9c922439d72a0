"""Dispatch: parks what no worker could finish, and rings again for work that still waits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from cxr_node.config import JobsSection
from cxr_node.domain.errors import IllegalMove
from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock, Doorbell
from cxr_node.domain.study import StudyState
from cxr_node.store import jobs, outbox, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind

_READING = (JobKind.TRIAGE, JobKind.READ, JobKind.AMEND)
_STUDY_WORDS = {
    JobKind.READ: "reading",
    JobKind.AMEND: "reading on from a correction",
    JobKind.PUBLISH: "building the report",
}


def sweep(db: Database, clock: Clock, config: JobsSection, ring: Doorbell) -> None:
    """One round; safe to run in several processes and after any crash."""
    now = clock.now()
    with db.begin() as session:
        _park(session, config.max_attempts, now)
    with db.read() as session:
        work = {
            "read": jobs.claimable(session, _READING, now),
            "publish": jobs.claimable(session, (JobKind.PUBLISH,), now),
            "deliver": outbox.due(session, now),
            "shadow": jobs.claimable(session, (JobKind.SHADOW,), now),
        }
    for queue, number in work.items():
        if number:
            ring.ring(queue)


def _park(session: Session, attempts: int, now: datetime) -> None:
    """A lost quick look parks no study, its full reading still comes; nor does a second reading."""
    for kind in JobKind:
        parked = jobs.park_exhausted(session, now=now, max_attempts=attempts, kinds=(kind,))
        for revision_pk in parked:
            emit(Event.JOB_PARKED, revision_pk=revision_pk, kind=kind)
            if kind in _STUDY_WORDS:
                _park_study(session, revision_pk, _words(kind, attempts), now)


def _park_study(session: Session, revision_pk: int, words: str, now: datetime) -> None:
    try:
        studies.move(session, revision_pk, StudyState.PARKED, now, reason=words)
    except IllegalMove:
        # The study was withdrawn or superseded meanwhile: the job alone is parked.
        emit(Event.JOB_PARKED, revision_pk=revision_pk, kind="study-unchanged")


def _words(kind: JobKind, attempts: int) -> str:
    return (
        f"{_STUDY_WORDS[kind]} stopped the worker {attempts} times: read this study without "
        "the node, see the log for its job, mend the cause, then run cxr-node replay"
    )
