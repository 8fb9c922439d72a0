"""Assembly (transaction T2): a study that has gone quiet is closed, judged and queued."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.config import AssemblySection
from cxr_node.domain.eligibility import InstanceVerdict, Reason, study_reason
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid, work_key
from cxr_node.domain.instance import View
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.ports import Clock, Doorbell
from cxr_node.domain.study import StudyState
from cxr_node.services.exams import WRONG_ENTRY
from cxr_node.store import exams, jobs, orders, prior_fetches, studies, workitems
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import InstanceRow, JobRow, RevisionRow, StudyRow

_BATCH = 50
_NO_ANSWER = (StudyState.NOT_ELIGIBLE, StudyState.SUPERSEDED, StudyState.WITHDRAWN)


def close_due(
    db: Database,
    clock: Clock,
    config: AssemblySection,
    model_digest: str,
    templates_version: str,
    ring: Doorbell,
    prior_seconds: float = 0.0,
) -> int:
    """Close every revision that is due; the number closed. Safe to run in several processes.

    A reading waits up to ``prior_seconds`` for an earlier study that is being searched.
    """
    waits = timedelta(seconds=prior_seconds)
    closed = 0
    while True:
        now = clock.now()
        with db.begin() as session:
            due = studies.due_revisions(
                session,
                quiet_before=now - timedelta(seconds=config.quiet_seconds),
                opened_before=now - timedelta(seconds=config.max_seconds),
                not_after=now + timedelta(seconds=config.max_seconds),
                limit=_BATCH,
            )
            queued = [
                _close(session, row, model_digest, templates_version, now, waits) for row in due
            ]
        if any(queued):
            ring.ring("read")
        closed += len(due)
        if len(due) < _BATCH:
            return closed


def _close(
    session: Session,
    revision: RevisionRow,
    model: str,
    templates: str,
    now: datetime,
    waits: timedelta,
) -> bool:
    """Close one revision; True when its reading was queued."""
    study = session.get_one(StudyRow, revision.study_pk)
    instances = studies.instances_of(session, study.id, revision.number)
    reason = _reason(instances)
    digests = [row.sha256 for row in instances if _is_eligible(row)]
    revision.work_key = work_key(Uid(study.study_uid), digests, model, templates)
    if reason is None:
        earlier = _answered_by(session, revision)
        if earlier is not None:
            studies.absorb(session, revision, earlier.number)
            return False
    session.flush()
    studies.move(session, revision.id, StudyState.ASSEMBLED, now)
    studies.mark(session, revision.id, Milestone.CLOSED, now)
    uid = Uid(study.study_uid)
    emit(Event.REVISION_CLOSED, study=uid, revision=revision.number, instances=len(instances))
    if reason is not None:
        studies.move(session, revision.id, StudyState.NOT_ELIGIBLE, now, reason=reason.value)
        emit(Event.STUDY_NOT_ELIGIBLE, study=uid, revision=revision.number, reason=reason)
        return False
    studies.move(session, revision.id, StudyState.QUEUED, now)
    if why := _unwanted(session, study, revision):
        studies.move(session, revision.id, StudyState.PARKED, now, reason=why)
        return False
    emit(Event.JOB_QUEUED, study=uid, revision=revision.number, kind=JobKind.READ)
    held = now + waits if prior_fetches.is_open(session, revision.id) else None
    return jobs.add_job(
        session, revision.id, JobKind.READ, orders.queue_rank(session, study), now, held
    )


def _unwanted(session: Session, study: StudyRow, revision: RevisionRow) -> str:
    """Why a study that could be read shall not be; empty for the others."""
    if workitems.is_cancelled(session, study.study_uid, revision.number):
        return workitems.TAKEN_BACK
    return WRONG_ENTRY if exams.was_wrong_entry(session, study.study_uid) else ""


def _is_eligible(row: InstanceRow) -> bool:
    return row.is_image and not row.reason


def _reason(instances: list[InstanceRow]) -> Reason | None:
    images = [row for row in instances if row.is_image]
    if images and all(row.as_prior for row in images):
        return Reason.PRIOR
    verdicts = [
        InstanceVerdict(View(row.view), Reason(row.reason) if row.reason else None)
        for row in instances
    ]
    patients = {row.patient_key for row in instances if row.is_image}
    return study_reason(
        verdicts, patients=len(patients), conflicts=sum(row.conflicts for row in instances)
    )


def _answered_by(session: Session, revision: RevisionRow) -> RevisionRow | None:
    """An earlier revision of the study with the same work: late objects added no image to read.

    None where a job of this revision exists: then somebody may be at work on it.
    """
    begun = select(JobRow.id).filter_by(revision_pk=revision.id).exists()
    statement = (
        select(RevisionRow)
        .where(
            RevisionRow.study_pk == revision.study_pk,
            RevisionRow.number < revision.number,
            RevisionRow.work_key == revision.work_key,
            RevisionRow.state.not_in([state.value for state in _NO_ANSWER]),
            ~begun,
        )
        .order_by(RevisionRow.number.desc())
        .limit(1)
    )
    with session.no_autoflush:
        return session.scalars(statement).one_or_none()
