"""Reading: claim a job, prepare its picture, ask the model, commit the answers.

No transaction is open while pixels are decoded or the model runs; the result is written
only under the fencing token of the claim (transactions T4 and T5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_node.domain.errors import NotReadable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.findings import ImageReference, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import View
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.ports import Clock, Doorbell, ImageReader, PreparedImage, Progress, VisionModel
from cxr_node.domain.study import StudyState
from cxr_node.reasoning.staged import Request, StagedReader
from cxr_node.reporting.templates import Templates
from cxr_node.services.claims import Claims
from cxr_node.services.prioritise import decide
from cxr_node.store import jobs, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind
from cxr_node.store.schema import InstanceRow, RevisionRow, StudyRow

_STARTED = {JobKind.TRIAGE: Milestone.TRIAGE_STARTED, JobKind.READ: Milestone.READ_STARTED}
_DONE = {JobKind.TRIAGE: Milestone.TRIAGE_DONE, JobKind.READ: Milestone.READ_DONE}
_VIEW_ORDER = (View.PA, View.AP, View.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An eligible frontal image of the study, ready to be decoded."""

    instance_pk: int
    path: Path
    reference: ImageReference


@dataclass(frozen=True, slots=True)
class _Task:
    """What a claim asks for, read in one transaction."""

    claim: Claim
    study_pk: int
    quality_control: bool
    candidates: tuple[_Candidate, ...]


class Inference:
    """Works through triage and read jobs with one model."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        claims: Claims,
        model: VisionModel,
        images: ImageReader,
        templates: Templates,
        bell: Doorbell,
    ) -> None:
        self._db = db
        self._clock = clock
        self._claims = claims
        self._model = model
        self._reader = StagedReader(model)
        self._images = images
        self._templates = templates
        self._bell = bell

    def work(self) -> int:
        """Claim and settle one batch; return how many jobs were claimed."""
        return self._claims.work((JobKind.TRIAGE, JobKind.READ), self._run)

    def _run(self, claim: Claim, progress: Progress) -> None:
        task = self._begin(claim)
        prepared = self._prepare(task, progress)
        if isinstance(prepared, NotReadable):
            self._commit_unreadable(task, prepared)
            return
        candidate, image = prepared
        began = self._clock.monotonic()
        request = Request(
            images=[image],
            references=[candidate.reference],
            kind=ReadingKind(claim.kind.value),
            quality_control=task.quality_control,
        )
        reading = self._reader.read(request, progress)
        self._commit(task, reading, self._clock.monotonic() - began)

    def _begin(self, claim: Claim) -> _Task:
        """T4: read what to do and mark the start."""
        now = self._clock.now()
        with self._db.begin() as session:
            revision = session.get_one(RevisionRow, claim.revision_pk)
            study = session.get_one(StudyRow, revision.study_pk)
            if claim.kind is JobKind.READ and revision.state == StudyState.QUEUED:
                studies.move(session, revision.id, StudyState.REASONING, now)
            studies.mark(session, revision.id, _STARTED[claim.kind], now)
            rows = studies.instances_of(session, study.id, revision.number)
            return _Task(claim, study.id, study.quality_control, _candidates(rows))

    def _prepare(
        self, task: _Task, progress: Progress
    ) -> tuple[_Candidate, PreparedImage] | NotReadable:
        """The first candidate that can be decoded, or why none can."""
        refusal = NotReadable("view")
        for candidate in task.candidates:
            try:
                image = self._images.prepare(
                    candidate.path,
                    candidate.reference.sop_instance_uid,
                    self._model.image_policy,
                )
            except NotReadable as error:
                refusal = error
                self._note_unreadable(candidate, error)
            else:
                progress()
                return candidate, image
        return refusal

    def _note_unreadable(self, candidate: _Candidate, error: NotReadable) -> None:
        with self._db.begin() as session:
            session.get_one(InstanceRow, candidate.instance_pk).reason = error.reason

    def _commit_unreadable(self, task: _Task, refusal: NotReadable) -> None:
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

    def _commit(self, task: _Task, reading: Reading, model_seconds: float) -> None:
        """T5: answers, priority and the publish job, only if the token still matches."""
        decision = decide(reading, self._templates)
        claim, now = task.claim, self._clock.now()
        with self._db.begin() as session:
            jobs.finish(session, claim, now)
            readings.save_reading(
                session, claim.revision_pk, reading, model_seconds=model_seconds, now=now
            )
            priority = studies.raise_priority(
                session, task.study_pk, claim.revision_pk, decision, claim.kind.value, now
            )
            studies.mark(session, claim.revision_pk, _DONE[claim.kind], now)
            if claim.kind is JobKind.READ:
                rank = session.get_one(StudyRow, task.study_pk).priority_rank
                jobs.add_job(session, claim.revision_pk, JobKind.PUBLISH, rank, now)
        emit(Event.PRIORITY_DECIDED, job=claim.job_pk, priority=priority, rule=decision.rule)
        emit(Event.JOB_FINISHED, job=claim.job_pk, kind=claim.kind, seconds=model_seconds)
        if claim.kind is JobKind.READ:
            self._bell.ring("publish")


def _candidates(rows: Sequence[InstanceRow]) -> tuple[_Candidate, ...]:
    """Eligible frontal images, PA before AP before unstated, in order of arrival."""
    eligible = [row for row in rows if not row.reason and View(row.view) in _VIEW_ORDER]
    eligible.sort(key=lambda row: (_VIEW_ORDER.index(View(row.view)), row.id))
    return tuple(
        _Candidate(
            row.id,
            Path(row.path),
            ImageReference(
                Uid(row.sop_instance_uid),
                Uid(row.sop_class_uid),
                Uid(row.series_uid),
                row.rows or 0,
                row.columns or 0,
                row.view,
            ),
        )
        for row in eligible
    )
