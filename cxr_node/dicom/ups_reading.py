"""The data set of the node's own work items: a reading, what it needs and what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydicom.dataset import Dataset

from cxr_node.dicom import ups_dataset, values
from cxr_node.dicom.ups_dataset import moment
from cxr_node.dicom.worklist_match import put
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ups import UpsState

LABEL = "AI reading of a chest radiograph"
WORK = ("110004", "DCM", "Computer Aided Detection")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Performer:
    """Who reads: AE title and station name."""

    ae_title: str
    station: str


@dataclass(frozen=True, slots=True)
class ReadingView:
    """Where a reading stands, in the terms of a work item."""

    state: UpsState
    priority: str
    words: str
    percent: int
    study_uid: str
    started_at: datetime
    outputs: tuple[tuple[str, str, str], ...]
    """Series, SOP class and SOP instance of each result."""


class Study(Protocol):
    """Of a study what a work item names."""

    study_uid: str
    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    sex: str
    accession_number: str


class Image(Protocol):
    """Of an image what a work item names."""

    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def scheduled(
    uid: Uid, study: Study, images: Sequence[Image], performer: Performer, at: datetime
) -> Dataset:
    """A new work item (PS3.4 Table CC.2.5-3)."""
    item = Dataset()
    put(item, "SpecificCharacterSet", "CS", "ISO_IR 192")
    put(item, "ProcedureStepState", "CS", UpsState.SCHEDULED.value)
    put(item, "ScheduledProcedureStepPriority", "CS", "MEDIUM")
    put(item, "ProcedureStepLabel", "LO", LABEL)
    put(item, "WorklistLabel", "LO", "AI READING")
    put(item, "InputReadinessState", "CS", "READY")
    put(item, "ScheduledProcedureStepStartDateTime", "DT", moment(at))
    put(item, "ScheduledWorkitemCodeSequence", "SQ", [code(*WORK)])
    put(item, "ScheduledStationNameCodeSequence", "SQ", [_station(performer)])
    put(item, "PatientName", "PN", study.patient_name)
    put(item, "PatientID", "LO", study.patient_id)
    put(item, "IssuerOfPatientID", "LO", study.issuer)
    put(item, "PatientBirthDate", "DA", study.birth_date)
    put(item, "PatientSex", "CS", study.sex)
    put(item, "StudyInstanceUID", "UI", study.study_uid)
    request = Dataset()
    put(request, "StudyInstanceUID", "UI", study.study_uid)
    put(request, "AccessionNumber", "SH", study.accession_number)
    put(item, "ReferencedRequestSequence", "SQ", [request])
    named = [(i.series_uid, i.sop_class_uid, i.sop_instance_uid) for i in images]
    put(item, "InputInformationSequence", "SQ", _instances(study.study_uid, named, performer))
    return ups_dataset.created(item, uid)[1]


def progressed(item: Dataset, view: ReadingView) -> bool:
    """Write the progress; whether it is another than before."""
    progress = [*values.items(item, "ProcedureStepProgressInformationSequence")][:1] or [Dataset()]
    words = _CONTROL.sub(" ", f"{view.priority} - {view.words}")[:_LONGEST]
    before = (
        values.text(progress[0], "ProcedureStepProgress"),
        values.text(progress[0], "ProcedureStepProgressDescription"),
    )
    if before == (str(view.percent), words.strip()):
        return False
    put(progress[0], "ProcedureStepProgress", "DS", str(view.percent))
    put(progress[0], "ProcedureStepProgressDescription", "ST", words.strip())
    put(item, "ProcedureStepProgressInformationSequence", "SQ", progress)
    return True


def performed(item: Dataset, view: ReadingView, performer: Performer, now: datetime) -> None:
    """What was done, as the state COMPLETED asks for it."""
    done = Dataset()
    put(done, "PerformedStationNameCodeSequence", "SQ", [_station(performer)])
    put(done, "PerformedWorkitemCodeSequence", "SQ", [code(*WORK)])
    put(done, "PerformedProcedureStepStartDateTime", "DT", moment(view.started_at))
    put(done, "PerformedProcedureStepEndDateTime", "DT", moment(now))
    outputs = _instances(view.study_uid, view.outputs, performer)
    put(done, "OutputInformationSequence", "SQ", outputs)
    put(item, "UnifiedProcedureStepPerformedProcedureSequence", "SQ", [done])


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """One coded entry (PS3.3 §8)."""
    found = Dataset()
    put(found, "CodeValue", "SH", value)
    put(found, "CodingSchemeDesignator", "SH", scheme)
    put(found, "CodeMeaning", "LO", meaning)
    return found


def _station(performer: Performer) -> Dataset:
    return code(performer.ae_title, "99CXRNODE", performer.station or performer.ae_title)


def _instances(
    study_uid: str, named: Iterable[tuple[str, str, str]], performer: Performer
) -> list[Dataset]:
    """Referenced Instances and Access (PS3.3 Table 10-3b), one item for each series."""
    by_series: dict[str, list[Dataset]] = {}
    for series, sop_class, instance in named:
        reference = Dataset()
        put(reference, "ReferencedSOPClassUID", "UI", sop_class)
        put(reference, "ReferencedSOPInstanceUID", "UI", instance)
        by_series.setdefault(series, []).append(reference)
    return [_series(study_uid, uid, several, performer) for uid, several in by_series.items()]


def _series(
    study_uid: str, series_uid: str, references: list[Dataset], performer: Performer
) -> Dataset:
    found = Dataset()
    put(found, "TypeOfInstances", "CS", "DICOM")
    put(found, "StudyInstanceUID", "UI", study_uid)
    put(found, "SeriesInstanceUID", "UI", series_uid)
    put(found, "ReferencedSOPSequence", "SQ", references)
    where = Dataset()
    put(where, "RetrieveAETitle", "AE", performer.ae_title)
    put(found, "DICOMRetrievalSequence", "SQ", [where])
    return found
