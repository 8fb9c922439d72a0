"""What stands now of studies, for whoever asks rather than being told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.findings import Reading
from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.notice import Notice, NoticeEvent
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.domain.study import StudyState
from cxr_node.reporting.templates import Templates
from cxr_node.services.noting import Standing, noted
from cxr_node.store import orders, readings
from cxr_node.store.database import Database
from cxr_node.store.schema import PriorityEventRow, ReadingRow, RevisionRow, StudyRow

MOST = 50
_REPORTED = (StudyState.REPORTED.value, StudyState.DELIVERED.value, StudyState.PARKED.value)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which studies; what is empty does not matter."""

    study_uid: str = ""
    accession_number: str = ""
    patient_id: str = ""
    number: int = 0
    """The node's own number of the study."""


@dataclass(frozen=True, slots=True)
class Current:
    """The newest reported reading of one study, under the node's own number of it."""

    number: int
    notice: Notice


class CurrentResults:
    """Reads the database at each question."""

    def __init__(self, db: Database, templates: Templates, station_name: str) -> None:
        self._db = db
        self._templates = templates
        self._station_name = station_name

    def find(self, asked: Asked, limit: int = MOST) -> list[Current]:
        """The newest studies first; those that have no reported reading are left out."""
        with self._db.read() as session:
            return list(self._found(session, asked, min(limit, MOST)))

    def _found(self, session: Session, asked: Asked, limit: int) -> Iterator[Current]:
        reported = (
            select(RevisionRow.study_pk)
            .join(ReadingRow, ReadingRow.revision_pk == RevisionRow.id)
            .where(RevisionRow.state.in_(_REPORTED))
        )
        statement = select(StudyRow).where(StudyRow.id.in_(reported))
        wanted = {
            StudyRow.study_uid: asked.study_uid,
            StudyRow.accession_number: asked.accession_number,
            StudyRow.patient_id: asked.patient_id,
            StudyRow.id: asked.number,
        }
        for column, value in wanted.items():
            if value:
                statement = statement.where(column == value)
        for study in session.scalars(statement.order_by(StudyRow.id.desc()).limit(limit)):
            found = readings.newest_full_reading(session, study.id)
            if found is not None:
                yield Current(study.id, self._notice(session, study, *found))

    def _notice(
        self, session: Session, study: StudyRow, revision: RevisionRow, reading: Reading
    ) -> Notice:
        event = session.scalars(
            select(PriorityEventRow)
            .filter_by(study_pk=study.id)
            .order_by(PriorityEventRow.id.desc())
            .limit(1)
        ).one_or_none()
        decision = PriorityDecision(
            priority=Priority(study.priority),
            rule=event.rule if event else "",
            words=study.priority_words,
            policy_version=event.policy_version if event else "",
        )
        corrected = reading.amendment is not None
        standing = Standing(
            uid=result_uid("current", study.study_uid, revision.number, reading.model.digest),
            event=NoticeEvent.CORRECTED if corrected else NoticeEvent.REPORTED,
            at=revision.state_at,
            station=self._station_name,
            study=study,
            revision=revision.number,
            reading=reading,
            decision=decision,
            order=orders.order_of(session, study),
        )
        return noted(standing, self._templates)
