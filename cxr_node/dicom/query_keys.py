"""Keys of Study Root queries, and what their answers say; the same for DIMSE and DICOMweb."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydicom.dataset import Dataset

from cxr_node.dicom import values
from cxr_node.dicom.contexts import IMAGE_CLASSES
from cxr_node.dicom.worklist_match import put
from cxr_node.domain.errors import MalformedUid
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.prior_search import (
    RADIOGRAPHS,
    FoundImage,
    FoundStudy,
    is_chest,
)

STUDY_KEYS = (
    *(("PatientName", "PN"), ("PatientBirthDate", "DA"), ("StudyInstanceUID", "UI")),
    *(("StudyTime", "TM"), ("StudyDescription", "LO"), ("ModalitiesInStudy", "CS")),
)
"""Return keys at STUDY level besides those that are matched (PS3.4 C.6.2.1)."""
SERIES_KEYS = (
    *(("SeriesInstanceUID", "UI"), ("Modality", "CS"), ("BodyPartExamined", "CS")),
    *(("SeriesDescription", "LO"),),
)
IMAGE_KEYS = (("SOPInstanceUID", "UI"), ("SOPClassUID", "UI"))
_UTF8 = "ISO_IR 192"
_CLASSES = frozenset(str(uid) for uid in IMAGE_CLASSES)


def study_keys(patient: PatientFacts, dates: tuple[str, str]) -> Dataset:
    """Studies of this patient ID between two dates (both included)."""
    keys = _keys("STUDY", STUDY_KEYS)
    if not (patient.patient_id + patient.issuer).isascii():
        put(keys, "SpecificCharacterSet", "CS", _UTF8)
    put(keys, "PatientID", "LO", patient.patient_id)
    put(keys, "IssuerOfPatientID", "LO", "")
    put(keys, "StudyDate", "DA", "-".join(dates))
    return keys


def series_keys(found: FoundStudy) -> Dataset:
    """All series of a study."""
    keys = _keys("SERIES", SERIES_KEYS)
    put(keys, "StudyInstanceUID", "UI", found.study.study_uid.text)
    return keys


def image_keys(study_uid: Uid, series_uid: Uid) -> Dataset:
    """All instances of a series."""
    keys = _keys("IMAGE", IMAGE_KEYS)
    put(keys, "StudyInstanceUID", "UI", study_uid.text)
    put(keys, "SeriesInstanceUID", "UI", series_uid.text)
    return keys


def retrieve_keys(images: Sequence[FoundImage]) -> Dataset:
    """The unique keys of images of one series (PS3.4 C.4.2.1.4.1)."""
    keys = _keys("IMAGE", ())
    put(keys, "StudyInstanceUID", "UI", images[0].study_uid.text)
    put(keys, "SeriesInstanceUID", "UI", images[0].series_uid.text)
    put(keys, "SOPInstanceUID", "UI", [image.instance_uid.text for image in images])
    return keys


def _keys(level: str, empty: Iterable[tuple[str, str]]) -> Dataset:
    keys = Dataset()
    put(keys, "QueryRetrieveLevel", "CS", level)
    for keyword, vr in empty:
        put(keys, keyword, vr, "")
    return keys


def found_studies(answers: Iterable[Dataset]) -> list[FoundStudy]:
    """What is said of studies; an answer without a usable UID is left out."""
    return [found for answer in answers if (found := _study(answer)) is not None]


def _study(answer: Dataset) -> FoundStudy | None:
    uid = _uid(answer, "StudyInstanceUID")
    if uid is None:
        return None
    study = StudyFacts(
        study_uid=uid,
        study_date=values.text(answer, "StudyDate"),
        study_time=values.text(answer, "StudyTime"),
        description=values.text(answer, "StudyDescription"),
    )
    patient = PatientFacts(
        patient_id=values.text(answer, "PatientID"),
        issuer=values.text(answer, "IssuerOfPatientID"),
        name=values.text(answer, "PatientName"),
        birth_date=values.text(answer, "PatientBirthDate"),
    )
    modalities = values.text(answer, "ModalitiesInStudy").split("\\")
    return FoundStudy(study, patient, tuple(name for name in modalities if name))


def wanted_series(answers: Iterable[Dataset], found: FoundStudy) -> Iterator[Uid]:
    """Radiographs of the chest among the series of a study."""
    for answer in answers:
        uid = _uid(answer, "SeriesInstanceUID")
        part = values.text(answer, "BodyPartExamined")
        described = values.text(answer, "SeriesDescription")
        if (
            uid is not None
            and values.text(answer, "Modality") in RADIOGRAPHS
            and is_chest(part, described, found.study.description)
        ):
            yield uid


def found_images(
    answers: Iterable[Dataset], found: FoundStudy, series_uid: Uid
) -> list[FoundImage]:
    """Images of a class that this node takes; an archive that names no class is believed."""
    images = []
    for answer in answers:
        uid = _uid(answer, "SOPInstanceUID")
        named = values.text(answer, "SOPClassUID")
        if uid is not None and (not named or named in _CLASSES):
            images.append(FoundImage(found.study.study_uid, series_uid, uid))
    return images


def _uid(answer: Dataset, keyword: str) -> Uid | None:
    try:
        return values.uid(answer, keyword)
    except MalformedUid:
        return None
