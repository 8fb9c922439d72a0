"""Answers Modality Worklist C-FIND with the reading worklist, flagged studies first.

A worklist normally says what is to be examined; here each entry is a study that was
taken, with the priority and the state that the reading gave it (PS3.4 K, PS3.3 C.4.10).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydicom.dataset import Dataset

from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.dicom.worklist_match import matches, projected, put
from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.worklist import WorklistEntry

PENDING = 0xFF00
CANCELLED = 0xFE00
OUT_OF_RESOURCES = 0xA700
IDENTIFIER_WRONG = 0xA900

_UTF8 = "ISO_IR 192"
_NOT_IN_LO = re.compile(r"[\x00-\x1f\x7f\\]+")
_DATE = re.compile(r"\d{8}\Z", re.ASCII)
_TIME = re.compile(r"\d{2,6}(\.\d{1,6})?\Z", re.ASCII)

Answer = tuple[int, Dataset | None]


class WorklistService:
    """C-FIND over the entries that ``worklist`` returns at that moment."""

    def __init__(self, ae_title: str, worklist: Callable[[], Sequence[WorklistEntry]]) -> None:
        self._ae_title = ae_title
        self._worklist = worklist

    def find(self, event: Any, peer: str) -> Iterator[Answer]:
        """Pending answers in reading order; the library adds the final success."""
        try:
            keys = event.identifier
            asked = [str(key.VR) for key in keys.iterall()]
        except BROKEN_VALUE:
            yield IDENTIFIER_WRONG, None
            return
        try:
            found = self.answers(keys)
        except CxrNodeError as error:
            emit_failure(Event.WORKLIST_ANSWERED, error, peer=peer)
            yield OUT_OF_RESOURCES, None
            return
        emit(Event.WORKLIST_ANSWERED, peer=peer, keys=len(asked), matches=len(found))
        for answer in found:
            if event.is_cancelled:
                yield CANCELLED, None
                return
            yield PENDING, answer

    def answers(self, keys: Dataset) -> list[Dataset]:
        """Every entry that matches, with only the attributes asked for."""
        found = []
        for entry in self._worklist():
            whole = worklist_item(entry, self._ae_title)
            if matches(whole, keys):
                answer = projected(whole, keys)
                put(answer, "SpecificCharacterSet", "CS", _UTF8)
                found.append(answer)
        return found


def worklist_item(entry: WorklistEntry, ae_title: str) -> Dataset:
    """One entry as a complete worklist item."""
    study, patient = entry.study, entry.patient
    words = state_words(entry)
    ds = Dataset()
    put(ds, "SpecificCharacterSet", "CS", _UTF8)
    put(ds, "AccessionNumber", "SH", study.accession_number)
    put(ds, "ReferringPhysicianName", "PN", study.referring_physician)
    put(ds, "PatientName", "PN", patient.name)
    put(ds, "PatientID", "LO", patient.patient_id)
    put(ds, "IssuerOfPatientID", "LO", patient.issuer)
    put(ds, "PatientBirthDate", "DA", patient.birth_date)
    put(ds, "PatientSex", "CS", patient.sex)
    put(ds, "StudyInstanceUID", "UI", study.study_uid.text)
    put(ds, "RequestedProcedureID", "SH", study.study_id or study.accession_number)
    put(ds, "RequestedProcedureDescription", "LO", _short(words))
    put(ds, "RequestedProcedurePriority", "SH", entry.priority.value)
    put(ds, "RequestedProcedureComments", "LT", _long(words, entry.priority_words))
    put(ds, "ScheduledProcedureStepSequence", "SQ", [_step(entry, ae_title, words)])
    return ds


def state_words(entry: WorklistEntry) -> str:
    """The visible state as a radiologist reads it, for example "flagged - pneumothorax"."""
    named = [finding.replace("_", " ") for finding in entry.findings]
    detail = entry.words or ", ".join(named)
    return f"{entry.visible.value} - {detail}" if detail else entry.visible.value


def _step(entry: WorklistEntry, ae_title: str, words: str) -> Dataset:
    day, hour = _taken_at(entry)
    ds = Dataset()
    put(ds, "Modality", "CS", "DX")
    put(ds, "ScheduledStationAETitle", "AE", ae_title)
    put(ds, "ScheduledProcedureStepStartDate", "DA", day)
    put(ds, "ScheduledProcedureStepStartTime", "TM", hour)
    reader = entry.claim.name if entry.claim else ""
    put(ds, "ScheduledPerformingPhysicianName", "PN", reader)
    put(ds, "ScheduledProcedureStepDescription", "LO", _short(f"AI reading: {words}"))
    put(ds, "ScheduledProcedureStepID", "SH", f"AI{entry.revision}")
    return ds


def _taken_at(entry: WorklistEntry) -> tuple[str, str]:
    """Study date and time; when they are missing, the local time of the first image's arrival."""
    arrived = entry.received_at.astimezone()
    day, hour = entry.study.study_date, entry.study.study_time
    if not _DATE.match(day):
        return arrived.strftime("%Y%m%d"), arrived.strftime("%H%M%S")
    return day, hour if _TIME.match(hour) else "000000"


def _short(words: str) -> str:
    return _NOT_IN_LO.sub(" ", words)[:64].strip()


def _long(words: str, reason: str) -> str:
    joined = f"{words}. {reason}" if reason and reason not in words else words
    return _NOT_IN_LO.sub(" ", joined)[:10_240].strip()
