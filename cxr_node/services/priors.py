"""The earlier study to compare with: of the same patient, and known to this node.

A patient is the digest of patient ID and issuer, never a name; without an ID nobody is the
same. Only the picture is used: no text of an earlier study reaches the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cxr_node.domain.errors import CxrNodeError, NotReadable
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.findings import PriorStudy
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.ports import ImagePolicy, ImageReader
from cxr_node.domain.prior_search import date_range, is_earlier, same_person
from cxr_node.domain.study import StudyState
from cxr_node.reasoning.staged import PriorPicture
from cxr_node.services.frontal import Candidate, candidates, first_picture
from cxr_node.store import studies
from cxr_node.store.schema import InstanceRow, StudyRow

UNREADABLE = "no picture of the prior study could be prepared"
_TRIED = 3
"""So many earlier studies are tried, newest first, until a picture can be prepared."""
_LOOKED_AT = 20
NOT_FETCHED = "no prior could be fetched"


@dataclass(frozen=True, slots=True)
class EarlierStudy:
    """A study that may be compared with, and its frontal images."""

    study_uid: Uid
    date: str
    choice: tuple[Candidate, ...]


def earlier_studies(
    session: Session, study: StudyRow, rows: Sequence[InstanceRow]
) -> tuple[EarlierStudy, ...]:
    """Earlier studies of the patient of ``rows``, newest first.

    A study without a date is not known to be earlier; of two on one day the times decide.
    """
    patient = _patient(rows)
    dates = date_range(study.study_date)
    if not patient or dates is None:
        return ()
    found = []
    for other in session.scalars(_same_patient(study, patient, dates)):
        if _is_earlier(other, study) and (earlier := _usable(session, other, patient)):
            found.append(earlier)
    return tuple(found[:_TRIED])


def _patient(rows: Sequence[InstanceRow]) -> str:
    """The one patient of these images; empty when unstated or not one."""
    patients = {row.patient_key for row in rows if row.is_image}
    return patients.pop() if len(patients) == 1 else ""


def _same_patient(study: StudyRow, patient: str, dates: tuple[str, str]) -> Select[StudyRow]:
    with_images = select(InstanceRow.study_pk).where(
        InstanceRow.patient_key == patient, InstanceRow.is_image, InstanceRow.reason == ""
    )
    return (
        select(StudyRow)
        .where(
            StudyRow.id.in_(with_images),
            StudyRow.id != study.id,
            StudyRow.quality_control == study.quality_control,
            StudyRow.study_date.between(*dates),
        )
        .order_by(StudyRow.study_date.desc(), StudyRow.study_time.desc(), StudyRow.id.desc())
        .limit(_LOOKED_AT)
    )


def _is_earlier(other: StudyRow, study: StudyRow) -> bool:
    before, now = (other.study_date, other.study_time), (study.study_date, study.study_time)
    return is_earlier(before, now) and same_person(_person(study), _person(other))


def _person(row: StudyRow) -> PatientFacts:
    """Issuers are compared image by image."""
    return PatientFacts(row.patient_id, "", row.patient_name, row.birth_date)


def _usable(session: Session, other: StudyRow, patient: str) -> EarlierStudy | None:
    """Unless it holds images of somebody else, a conflict, or was taken back by a person."""
    current = studies.current_revision(session, other.id)
    if current is None or current.state == StudyState.WITHDRAWN:
        return None
    rows = studies.instances_of(session, other.id, current.number)
    if _patient(rows) != patient or any(row.conflicts for row in rows):
        return None
    choice = candidates([row for row in rows if row.is_image])
    return EarlierStudy(Uid(other.study_uid), other.study_date, choice) if choice else None


def prior_picture(
    earlier: Sequence[EarlierStudy], images: ImageReader, policy: ImagePolicy
) -> PriorPicture | None:
    """The newest one whose picture can be prepared; None when none can, whatever the cause."""
    for study in earlier:
        try:
            candidate, image = first_picture(study.choice, images, policy, _note)
        except (CxrNodeError, OSError) as error:
            if not isinstance(error, NotReadable):
                emit_failure(Event.PRIOR_UNREADABLE, error)
        else:
            return PriorPicture(PriorStudy(study.study_uid, candidate.reference, study.date), image)
    return None


def _note(candidate: Candidate, error: NotReadable) -> None:
    instance = candidate.reference.sop_instance_uid
    emit(Event.PRIOR_UNREADABLE, instance=instance, reason=error.reason)
