"""Publishing: a finished reading becomes objects, deliveries and a reported study.

Objects are built and made durable outside any transaction; one transaction then writes
everything together, under the token of the claim. Built twice, an object has the same UID.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cxr_node.config import PeerSection
from cxr_node.domain.assessment import Assessment
from cxr_node.domain.errors import IllegalMove, NotConformant, NotReadable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.notice import NotedObject
from cxr_node.domain.policy import PatientClass
from cxr_node.domain.ports import (
    Clock,
    Doorbell,
    ImageReader,
    PreparedImage,
    Progress,
    Spool,
    SpooledFile,
)
from cxr_node.domain.priority import RANK, PriorityDecision
from cxr_node.domain.study import StudyState
from cxr_node.reporting.measurement_report import ReportRequest, SrClass, predecessor_uid
from cxr_node.reporting.object_file import encode
from cxr_node.reporting.study_objects import (
    PAGE_PICTURE,
    REPORT_KINDS,
    StudyObject,
    build_objects,
    is_report,
    report_kinds,
    shows_pictures,
)
from cxr_node.reporting.templates import Templates
from cxr_node.services.announce import Announced, Announcer
from cxr_node.services.circumstances import patient_class_of
from cxr_node.services.prioritise import decide
from cxr_node.store import jobs, outbox, readings, studies
from cxr_node.store.assessments import assessments_behind
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim
from cxr_node.store.schema import RevisionRow, StudyRow


@dataclass(frozen=True, slots=True)
class BuiltObject:
    """An object that is durable but not yet recorded."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    predecessor_uid: str
    destinations: tuple[str, ...]
    file: SpooledFile

    @property
    def noted(self) -> NotedObject:
        """As it is named to others."""
        return NotedObject(
            Uid(self.sop_class_uid), Uid(self.sop_instance_uid), Uid(self.series_uid)
        )


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a claim asks for, read in one transaction."""

    study_pk: int
    number: int
    reading: Reading
    sources: tuple[Path, ...]
    predecessors: dict[str, Path]
    """The newest object of each kind from an earlier revision."""
    read_at: datetime
    assessments: tuple[Assessment, ...]
    patient_class: PatientClass


class Publish:
    """Writes what a reading said into the study, the outbox and the worklist."""

    def __init__(
        self,
        *,
        db: Database,
        spool: Spool,
        clock: Clock,
        images: ImageReader,
        templates: Templates,
        sr_class: SrClass,
        station_name: str,
        site_key: str,
        destinations: Sequence[PeerSection],
        ring: Doorbell,
        announcer: Announcer | None = None,
    ) -> None:
        self._db = db
        self._spool = spool
        self._clock = clock
        self._images = images
        self._templates = templates
        self._sr_class: SrClass = sr_class
        self._station_name = station_name
        self._site_key = site_key
        self._destinations = tuple(destinations)
        self._bell = ring
        self._announcer = announcer

    def run(self, claim: Claim, progress: Progress) -> None:
        """As :meth:`publish`, for a worker that beats while it works."""
        self.publish(claim, progress)

    def publish(self, claim: Claim, progress: Progress = lambda: None) -> None:
        """Build and commit. Raises :class:`LeaseLost` when another worker holds the job;
        then nothing is recorded, and the files written are swept as orphans."""
        inputs = self._gather(claim)
        decision = decide(inputs.reading, self._templates, inputs.patient_class)
        built = self._objects(inputs, decision)
        told = self._announced(claim, inputs.reading, decision, built)
        progress()
        self._commit(claim, inputs, decision, built, told)
        for made in built:
            emit(
                Event.REPORT_BUILT,
                job=claim.job_pk,
                kind=made.kind,
                instance=Uid(made.sop_instance_uid),
                bytes=made.file.size,
            )
        if told or any(made.destinations for made in built):
            self._bell.ring("deliver")

    def _announced(
        self,
        claim: Claim,
        reading: Reading,
        decision: PriorityDecision,
        built: Sequence[BuiltObject],
    ) -> Announced | None:
        if self._announcer is None:
            return None
        reports = [made.noted for made in built if is_report(made.kind)]
        return self._announcer.report(claim.revision_pk, reading, decision, reports)

    def _gather(self, claim: Claim) -> _Inputs:
        with self._db.read() as session:
            revision = session.get_one(RevisionRow, claim.revision_pk)
            reading = readings.load_reading(session, revision.id, ReadingKind.READ)
            if reading is None:
                raise IllegalMove("a study without a full reading cannot be reported")
            rows = studies.instances_of(session, revision.study_pk, revision.number)
            paths = {row.sop_instance_uid: Path(row.path) for row in rows}
            study_pk, number = revision.study_pk, revision.number
            earlier = {
                kind: Path(found.path)
                for kind in report_kinds(self._destinations) or REPORT_KINDS.values()
                if (found := outbox.newest_object(session, study_pk, kind, number))
            }
            moments = studies.milestones(session, revision.id)
            return _Inputs(
                study_pk=revision.study_pk,
                number=revision.number,
                reading=reading,
                sources=tuple(paths[image.sop_instance_uid.text] for image in reading.images),
                predecessors=earlier,
                read_at=moments.get(Milestone.READ_DONE) or self._clock.now(),
                assessments=assessments_behind(session, revision.id),
                patient_class=patient_class_of(
                    session, session.get_one(StudyRow, study_pk), self._templates.priority
                ),
            )

    def _objects(self, inputs: _Inputs, decision: PriorityDecision) -> list[BuiltObject]:
        request = ReportRequest(
            reading=inputs.reading,
            sources=inputs.sources,
            templates=self._templates,
            revision=inputs.number,
            decision=decision,
            built_at=inputs.read_at,
            sr_class=self._sr_class,
            station_name=self._station_name,
            site_key=self._site_key,
            assessments=inputs.assessments,
        )
        pictures = self._pictures(inputs)
        made = build_objects(request, self._destinations, inputs.predecessors, pictures)
        return [self._durable(one) for one in made]

    def _pictures(self, inputs: _Inputs) -> list[PreparedImage]:
        """Of the images that were read; the page says so where one cannot be shown."""
        if not shows_pictures(self._destinations):
            return []
        found = []
        for path, image in zip(inputs.sources, inputs.reading.images, strict=True):
            try:
                found.append(self._images.prepare(path, image.sop_instance_uid, PAGE_PICTURE))
            except (NotReadable, NotConformant) as error:
                emit(
                    Event.PICTURE_LEFT_OUT,
                    level=logging.WARNING,
                    reason=error.code,
                    instance=image.sop_instance_uid,
                )
        return found

    def _durable(self, made: StudyObject) -> BuiltObject:
        name = Uid(str(made.dataset.SOPInstanceUID))
        return BuiltObject(
            kind=made.kind,
            sop_class_uid=str(made.dataset.SOPClassUID),
            sop_instance_uid=name.text,
            series_uid=str(made.dataset.SeriesInstanceUID),
            predecessor_uid=predecessor_uid(made.dataset),
            destinations=made.destinations,
            file=self._spool.write(name, encode(made.dataset)),
        )

    def _commit(
        self,
        claim: Claim,
        inputs: _Inputs,
        decision: PriorityDecision,
        built: Sequence[BuiltObject],
        told: Announced | None,
    ) -> None:
        now = self._clock.now()
        with self._db.begin() as session:
            jobs.finish(session, claim, now)
            newer = _newer_report(session, inputs.study_pk, inputs.number)
            for made in built:
                _record(session, claim.revision_pk, made, now, deliver=not newer)
            if self._announcer and told and not newer:
                self._announcer.record(session, claim.revision_pk, told)
            _raise_if_higher(session, claim.revision_pk, inputs.study_pk, decision, now)
            studies.move(session, claim.revision_pk, StudyState.REPORTED, now)
            studies.mark(session, claim.revision_pk, Milestone.REPORTED, now)
            if newer or not outbox.unsettled(session, claim.revision_pk):
                studies.move(session, claim.revision_pk, StudyState.DELIVERED, now)
                studies.mark(session, claim.revision_pk, Milestone.DELIVERED, now)
            studies.supersede_earlier(session, inputs.study_pk, newer or inputs.number, now)


def _record(
    session: Session,
    revision_pk: int,
    made: BuiltObject,
    now: datetime,
    *,
    deliver: bool,
) -> None:
    row = outbox.add_object(
        session,
        revision_pk,
        kind=made.kind,
        sop_class_uid=made.sop_class_uid,
        sop_instance_uid=made.sop_instance_uid,
        series_uid=made.series_uid,
        predecessor_uid=made.predecessor_uid,
        file=made.file,
        now=now,
    )
    for destination in made.destinations if deliver else ():
        outbox.add_delivery(session, row.id, destination, now)


def _raise_if_higher(
    session: Session,
    revision_pk: int,
    study_pk: int,
    decision: PriorityDecision,
    now: datetime,
) -> None:
    """The reading raised the study when it was done; only changed rules can ask for more."""
    if session.get_one(StudyRow, study_pk).priority_rank < RANK[decision.priority]:
        studies.raise_priority(session, study_pk, revision_pk, decision, "publish", now)


def _newer_report(session: Session, study_pk: int, number: int) -> int | None:
    """Number of a later revision that was reported first: this report is kept, not sent."""
    reported = (StudyState.REPORTED.value, StudyState.DELIVERED.value)
    statement = select(func.max(RevisionRow.number)).where(
        RevisionRow.study_pk == study_pk,
        RevisionRow.number > number,
        RevisionRow.state.in_(reported),
    )
    return session.scalar(statement)
