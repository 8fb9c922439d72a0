"""The two transactions of a reading: what a claim asks for (T4), and what came of it (T5)."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_node.domain.errors import NotReadable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.findings import Reading
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.policy import PatientClass
from cxr_node.domain.ports import Clock, Doorbell
from cxr_node.domain.priority import RANK
from cxr_node.domain.study import StudyState
from cxr_node.reporting.templates import Templates
from cxr_node.services.announce import Announcer
from cxr_node.services.circumstances import patient_class_of
from cxr_node.services.frontal import Candidate, candidates, unread_reason
from cxr_node.services.prioritise import decide
from cxr_node.services.priors import NOT_FETCHED, EarlierStudy, earlier_studies
from cxr_node.store import jobs, prior_fetches, readings, studies, workitems
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind
from cxr_node.store.schema import InstanceRow, RevisionRow, StudyRow

_STARTED = {
    JobKind.TRIAGE: Milestone.TRIAGE_STARTED,
    JobKind.READ: Milestone.READ_STARTED,
    JobKind.AMEND: Milestone.READ_STARTED,
}
_LAST = min(RANK.values())
_DONE = {
    JobKind.TRIAGE: Milestone.TRIAGE_DONE,
    JobKind.READ: Milestone.READ_DONE,
    JobKind.AMEND: Milestone.READ_DONE,
}
_WHOLE = (JobKind.READ, JobKind.AMEND)
"""Kinds that end in a report."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a claim asks for, read in one transaction."""

    claim: Claim
    study_pk: int
    quality_control: bool
    candidates: tuple[Candidate, ...]
    earlier: tuple[EarlierStudy, ...] = ()
    """Studies to compare with, newest first; only for a full reading."""
    unread_reason: str = ""
    """Why there are no candidates, where there are none."""
    prior_problem: str = ""
    """Why there is no earlier study, where there may be one all the same."""
    patient_class: PatientClass = PatientClass.UNKNOWN


class ReadJobs:
    """Triage, read and amend jobs as rows. Results are written only under the claim's token."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        templates: Templates,
        bell: Doorbell,
        *,
        shadow: bool = False,
        announcer: Announcer | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._templates = templates
        self._bell = bell
        self._shadow = shadow
        self._announcer = announcer

    def begin(self, claim: Claim) -> Task:
        """T4: read what to do and mark the start."""
        now = self._clock.now()
        with self._db.begin() as session:
            revision = session.get_one(RevisionRow, claim.revision_pk)
            study = session.get_one(StudyRow, revision.study_pk)
            if claim.kind in _WHOLE and revision.state == StudyState.QUEUED:
                studies.move(session, revision.id, StudyState.REASONING, now)
            studies.mark(session, revision.id, _STARTED[claim.kind], now)
            workitems.touch_revision(session, revision.id)
            rows = studies.instances_of(session, study.id, revision.number)
            whole = claim.kind is JobKind.READ
            earlier = earlier_studies(session, study, rows) if whole else ()
            why, control = unread_reason(rows), study.quality_control
            vain = whole and not earlier and prior_fetches.was_vain(session, revision.id)
            problem = NOT_FETCHED if vain else ""
            told = patient_class_of(session, study, self._templates.priority)
            return Task(claim, study.id, control, candidates(rows), earlier, why, problem, told)

    def note_unreadable(self, candidate: Candidate, error: NotReadable) -> None:
        """Keep why an image could not be decoded."""
        with self._db.begin() as session:
            session.get_one(InstanceRow, candidate.instance_pk).reason = error.reason

    def commit_unreadable(self, task: Task, refusal: NotReadable) -> None:
        """No image can be decoded: the job is done, the study is not eligible.

        Raises :class:`LeaseLost` when another worker holds the job.
        """
        now = self._clock.now()
        with self._db.begin() as session:
            jobs.finish(session, task.claim, now)
            if task.claim.kind is JobKind.READ:
                studies.move(
                    session,
                    task.claim.revision_pk,
                    StudyState.NOT_ELIGIBLE,
                    now,
                    reason=refusal.reason,
                )
        emit(Event.STUDY_NOT_ELIGIBLE, job=task.claim.job_pk, reason=refusal.reason)

    def commit(self, task: Task, reading: Reading, model_seconds: float) -> None:
        """T5: answers, priority and the publish job.

        Raises :class:`LeaseLost` when another worker holds the job; nothing is written then.
        """
        decision = decide(reading, self._templates, task.patient_class)
        claim = task.claim
        flag = None
        if self._announcer and claim.kind is JobKind.TRIAGE:
            flag = self._announcer.flag(claim.revision_pk, reading, decision)
        now = self._clock.now()
        with self._db.begin() as session:
            jobs.finish(session, claim, now)
            readings.save_reading(
                session, claim.revision_pk, reading, model_seconds=model_seconds, now=now
            )
            priority = studies.raise_priority(
                session, task.study_pk, claim.revision_pk, decision, claim.kind.value, now
            )
            if self._announcer and flag:
                self._announcer.record(session, claim.revision_pk, flag)
            studies.mark(session, claim.revision_pk, _DONE[claim.kind], now)
            workitems.touch_revision(session, claim.revision_pk)
            if claim.kind in _WHOLE:
                rank = session.get_one(StudyRow, task.study_pk).priority_rank
                jobs.add_job(session, claim.revision_pk, JobKind.PUBLISH, rank, now)
                if self._shadow and claim.kind is JobKind.READ:
                    jobs.add_job(session, claim.revision_pk, JobKind.SHADOW, _LAST, now)
        emit(Event.PRIORITY_DECIDED, job=claim.job_pk, priority=priority, rule=decision.rule)
        emit(Event.JOB_FINISHED, job=claim.job_pk, kind=claim.kind, seconds=model_seconds)
        if flag:
            self._bell.ring("deliver")
        if claim.kind in _WHOLE:
            self._bell.ring("publish")
            if self._shadow and claim.kind is JobKind.READ:
                self._bell.ring("shadow")
