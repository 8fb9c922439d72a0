"""Takes Modality Performed Procedure Steps: when an exam is complete (PS3.4 Annex F)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from pydicom.dataset import Dataset
from pynetdicom.presentation import PresentationContext, build_context

from cxr_node.dicom import values
from cxr_node.dicom.contexts import NATIVE
from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.domain.errors import MalformedUid, StoreUnavailable
from cxr_node.domain.exam import Exam, ExamAnswer, ExamState
from cxr_node.domain.identifiers import Uid

MPPS = "1.2.840.10008.3.1.2.3.3"
STATUSES = {
    ExamAnswer.KEPT: 0x0000,
    ExamAnswer.DUPLICATE: 0x0111,
    ExamAnswer.UNKNOWN: 0x0112,
    ExamAnswer.FINAL: 0x0110,
    ExamAnswer.INVALID: 0x0106,
}
"""PS3.4 F.7.2.1.4 and F.7.2.2.4."""
_MALFORMED = 0x0117
_RESOURCES = 0x0213
_NOT_UNDERSTOOD = 0x0110
_WRONG_ENTRY = "110514"
"""Incorrect worklist entry selected (DCM, CID 9300)."""

Reply = tuple[int, Dataset | None]


class ExamReports(Protocol):
    """Who keeps what modalities say; :class:`cxr_node.services.exams.Exams`."""

    def begin(self, exam: Exam, sender: str) -> ExamAnswer: ...
    def change(self, exam: Exam, sender: str) -> ExamAnswer: ...


def mpps_context() -> PresentationContext:
    """What the listener negotiates for exams."""
    return build_context(MPPS, list(NATIVE))


class MppsService:
    """N-CREATE and N-SET of performed procedure steps."""

    def __init__(self, exams: ExamReports) -> None:
        self._exams = exams

    def create(self, event: Any, caller: str) -> Reply:
        """0x0000 when the exam is in the database."""
        uid = event.request.AffectedSOPInstanceUID
        return _answer(lambda: self._exams.begin(_exam(uid, event.attribute_list), caller))

    def update(self, event: Any, caller: str) -> Reply:
        """0x0000 when the change is in the database."""
        uid = event.request.RequestedSOPInstanceUID
        return _answer(lambda: self._exams.change(_exam(uid, event.modification_list), caller))


def _answer(report: Callable[[], ExamAnswer]) -> Reply:
    # Reading the data set is part of the report: a broken value shows only then.
    try:
        return STATUSES[report()], None
    except MalformedUid:
        return _MALFORMED, None
    except StoreUnavailable:
        return _RESOURCES, None
    except BROKEN_VALUE:
        return _NOT_UNDERSTOOD, None


def _exam(uid: str | None, ds: Dataset) -> Exam:
    told = values.text(ds, "PerformedProcedureStepStatus")
    if told and told not in set(ExamState):
        raise ValueError("no such state")
    reasons = values.items(ds, "PerformedProcedureStepDiscontinuationReasonCodeSequence")
    return Exam(
        uid=Uid(str(uid or "")),
        state=ExamState(told) if told else None,
        study_uid=next(_studies(ds), ""),
        images=tuple(_images(ds)),
        wrong_entry=any(values.text(code, "CodeValue") == _WRONG_ENTRY for code in reasons),
    )


def _studies(ds: Dataset) -> Iterator[str]:
    for item in values.items(ds, "ScheduledStepAttributesSequence"):
        if found := values.text(item, "StudyInstanceUID"):
            yield Uid(found).text


def _images(ds: Dataset) -> Iterator[str]:
    for series in values.items(ds, "PerformedSeriesSequence"):
        for image in values.items(series, "ReferencedImageSequence"):
            if found := values.text(image, "ReferencedSOPInstanceUID"):
                yield Uid(found).text
