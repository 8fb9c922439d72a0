"""What persons think of single findings: kept in order, never changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.amendment import Person, PersonRole
from cxr_node.domain.assessment import Assessment, AssessmentVerdict, Opinion
from cxr_node.domain.findings import FindingKind, Reading, ReadingKind
from cxr_node.store import amendments, readings
from cxr_node.store.schema import AssessmentRow, RevisionRow, StudyRow


def add_assessments(
    session: Session,
    revision_pk: int,
    opinions: Sequence[Opinion],
    person: Person,
    now: datetime,
) -> None:
    """Record verdicts on the findings of one revision's reading."""
    for opinion in opinions:
        session.add(
            AssessmentRow(
                revision_pk=revision_pk,
                finding=opinion.finding.value,
                verdict=opinion.verdict.value,
                comment=opinion.comment,
                person_name=person.name,
                organisation=person.organisation,
                role=person.role.value,
                assessed_at=now,
            )
        )


def assessments_behind(session: Session, revision_pk: int) -> tuple[Assessment, ...]:
    """What was thought of the readings that this amended revision came of, oldest first.

    Only what had been said when it was asked for, so that a report is the same built twice.
    """
    stored = newest = amendments.amendment_of(session, revision_pk)
    behind = []
    while stored is not None:
        behind.append(stored.base_revision_pk)
        stored = amendments.amendment_of(session, stored.base_revision_pk)
    if newest is None:
        return ()
    statement = (
        select(AssessmentRow, RevisionRow.number)
        .join(RevisionRow, RevisionRow.id == AssessmentRow.revision_pk)
        .where(
            AssessmentRow.revision_pk.in_(behind),
            AssessmentRow.assessed_at <= newest.amendment.at,
        )
        .order_by(AssessmentRow.id)
    )
    return tuple(_assessment(row, number) for row, number in session.execute(statement))


def _assessment(row: AssessmentRow, revision: int) -> Assessment:
    finding, verdict = FindingKind(row.finding), AssessmentVerdict(row.verdict)
    return Assessment(
        revision=revision,
        opinion=Opinion(finding, verdict, row.comment),
        person=Person(row.person_name, row.organisation, PersonRole(row.role)),
        at=row.assessed_at,
    )


@dataclass(frozen=True, slots=True)
class Assessed:
    """An assessment with the reading that it speaks of, and whose study it is."""

    study_uid: str
    patient: str
    """Patient ID with its issuer; empty where the study names no patient."""
    reading: Reading
    assessment: Assessment


def every_assessment(session: Session) -> Iterator[Assessed]:
    """Everything that was ever assessed, oldest first; one reading in memory at a time."""
    statement = (
        select(AssessmentRow, RevisionRow, StudyRow)
        .join(RevisionRow, RevisionRow.id == AssessmentRow.revision_pk)
        .join(StudyRow, StudyRow.id == RevisionRow.study_pk)
        .order_by(AssessmentRow.id)
    )
    known: tuple[int, Reading | None] = (0, None)
    for row, revision, study in session.execute(statement):
        if known[0] != revision.id:
            known = revision.id, readings.load_reading(session, revision.id, ReadingKind.READ)
        reading = known[1]
        if reading is not None:
            patient = f"{study.patient_id}^{study.issuer}" if study.patient_id else ""
            yield Assessed(study.study_uid, patient, reading, _assessment(row, revision.number))
