"""Work items as data sets: what is stored, what is checked, what others are told.

Attributes and requirements are those of PS3.4 Table CC.2.5-3; only what the table makes
type 1 is insisted on, what it makes type 2 is added empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from cxr_node.dicom import values
from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.dicom.worklist_match import put
from cxr_node.domain.errors import NotConformant
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ups import UpsState, UpsStatus
from cxr_node.domain.workitem import WorkitemFacts, WorkitemQuery

PUSH = "1.2.840.10008.5.1.4.34.6.1"
WATCH = "1.2.840.10008.5.1.4.34.6.2"
PULL = "1.2.840.10008.5.1.4.34.6.3"
EVENT = "1.2.840.10008.5.1.4.34.6.4"
QUERY = "1.2.840.10008.5.1.4.34.6.5"
GLOBAL = "1.2.840.10008.5.1.4.34.5"
FILTERED = "1.2.840.10008.5.1.4.34.5.1"
"""SOP classes of UPS, and the well-known instances for subscriptions to many."""

STATE_REPORT, CANCEL_REQUESTED, PROGRESS_REPORT, ASSIGNED = 1, 2, 3, 5
"""Event Type IDs (PS3.4 Table CC.2.4-1)."""

PRIORITIES = ("LOW", "MEDIUM", "HIGH")
_READINESS = ("READY", "INCOMPLETE", "UNAVAILABLE")
_NEEDED = (
    *("ScheduledProcedureStepPriority", "ProcedureStepLabel"),
    *("ScheduledProcedureStepStartDateTime", "InputReadinessState", "ProcedureStepState"),
)
_EMPTY = (
    *(("TransactionUID", "UI"), ("WorklistLabel", "LO"), ("PatientName", "PN")),
    *(("PatientID", "LO"), ("PatientBirthDate", "DA"), ("PatientSex", "CS")),
    *(("ScheduledWorkitemCodeSequence", "SQ"), ("InputInformationSequence", "SQ")),
    *(
        ("ScheduledStationNameCodeSequence", "SQ"),
        ("ProcedureStepProgressInformationSequence", "SQ"),
    ),
    *(("UnifiedProcedureStepPerformedProcedureSequence", "SQ"),),
)
_FIXED = frozenset({"ProcedureStepState", "SOPInstanceUID", "SOPClassUID"})
_PERFORMED = (
    *("PerformedStationNameCodeSequence", "PerformedWorkitemCodeSequence"),
    *("PerformedProcedureStepStartDateTime", "PerformedProcedureStepEndDateTime"),
)


def encoded(ds: Dataset) -> bytes:
    """As it is stored. Raises :class:`NotConformant` for values that cannot be written."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    try:
        write_dataset(stream, ds)
    except BROKEN_VALUE as error:
        raise NotConformant("the work item holds a value that cannot be kept") from error
    return stream.getvalue()


def decoded(document: bytes) -> Dataset:
    """What :func:`encoded` kept."""
    head = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00"
    return Dataset(dcmread(BytesIO(bytes(128) + b"DICM" + head + document), force=True))


def facts(ds: Dataset) -> WorkitemFacts:
    """What a stored work item is searched by."""
    return WorkitemFacts(
        uid=Uid(values.text(ds, "SOPInstanceUID")),
        state=UpsState(values.text(ds, "ProcedureStepState")),
        priority_rank=PRIORITIES.index(values.text(ds, "ScheduledProcedureStepPriority")),
        study_uid=study_of(ds),
        patient_id=values.text(ds, "PatientID"),
    )


def study_of(ds: Dataset) -> str:
    """The study that is to be worked on: of the input, else of the item itself."""
    for item in values.items(ds, "InputInformationSequence"):
        if named := values.text(item, "StudyInstanceUID"):
            return named[:64]
    return values.text(ds, "StudyInstanceUID")[:64]


def query_of(keys: Dataset) -> WorkitemQuery:
    """The part of a query that the database can answer."""
    study = _exact(keys, "StudyInstanceUID")
    for item in values.items(keys, "InputInformationSequence"):
        study = study or _exact(item, "StudyInstanceUID")
    ranks = [
        PRIORITIES.index(p)
        for p in _exact(keys, "ScheduledProcedureStepPriority")
        if p in PRIORITIES
    ]
    patients = _exact(keys, "PatientID")
    return WorkitemQuery(
        uids=_exact(keys, "SOPInstanceUID"),
        states=_exact(keys, "ProcedureStepState"),
        priority_ranks=tuple(ranks),
        study_uids=study,
        patient_id=patients[0] if len(patients) == 1 else "",
    )


def _exact(keys: Dataset, keyword: str) -> tuple[str, ...]:
    found = values.text(keys, keyword)
    return () if not found or set("*?") & set(found) else tuple(found.split("\\"))


def created(ds: Dataset, uid: Uid) -> tuple[UpsStatus, Dataset]:
    """A work item as it is to be stored, or why it cannot be created (PS3.4 CC.2.5)."""
    for keyword in _NEEDED:
        if keyword not in ds:
            return UpsStatus.MISSING_ATTRIBUTE, ds
        if not values.text(ds, keyword):
            return UpsStatus.MISSING_VALUE, ds
    if values.text(ds, "ProcedureStepState") != UpsState.SCHEDULED:
        return UpsStatus.NOT_SCHEDULED, ds
    if (
        values.text(ds, "TransactionUID")
        or values.text(ds, "ScheduledProcedureStepPriority") not in PRIORITIES
        or values.text(ds, "InputReadinessState") not in _READINESS
    ):
        return UpsStatus.INVALID_VALUE, ds
    kept = Dataset()
    for element in ds:
        kept.add(element)
    put(kept, "SOPClassUID", "UI", PUSH)
    put(kept, "SOPInstanceUID", "UI", uid.text)
    for keyword, vr in _EMPTY:
        if keyword not in kept:
            put(kept, keyword, vr, [] if vr == "SQ" else "")
    return UpsStatus.SUCCESS, kept


def updated(item: Dataset, changes: Dataset) -> UpsStatus:
    """Put ``changes`` into ``item`` (N-SET, PS3.4 CC.2.6)."""
    for element in changes:
        if element.keyword in _FIXED:
            return UpsStatus.NO_SUCH_ATTRIBUTE
    priority = values.text(changes, "ScheduledProcedureStepPriority")
    if "ScheduledProcedureStepPriority" in changes and priority not in PRIORITIES:
        return UpsStatus.INVALID_VALUE
    for element in changes:
        if element.keyword != "TransactionUID":
            item.add(element)
    return UpsStatus.SUCCESS


def may_complete(item: Dataset) -> bool:
    """Whether what was performed is told as the final state asks (PS3.4 Table CC.2.5-3)."""
    performed = values.items(item, "UnifiedProcedureStepPerformedProcedureSequence")
    return bool(performed) and all(
        "OutputInformationSequence" in one and all(_filled(one, keyword) for keyword in _PERFORMED)
        for one in performed
    )


def _filled(ds: Dataset, keyword: str) -> bool:
    return bool(values.items(ds, keyword) or values.text(ds, keyword))


def state_report(item: Dataset) -> Dataset:
    """UPS State Report, event type 1."""
    report = _part(item, ("ProcedureStepState", "InputReadinessState"))
    for progress in values.items(item, "ProcedureStepProgressInformationSequence"):
        for keyword in ("ReasonForCancellation", "ProcedureStepDiscontinuationReasonCodeSequence"):
            if keyword in progress:
                report.add(progress[keyword])
    return report


def progress_report(item: Dataset) -> Dataset:
    """UPS Progress Report, event type 3."""
    return _part(item, ("ProcedureStepProgressInformationSequence",))


def cancel_report(asked: Dataset, requesting_ae: str) -> Dataset:
    """UPS Cancel Requested, event type 2."""
    keywords = (
        *("ReasonForCancellation", "ProcedureStepDiscontinuationReasonCodeSequence"),
        *("ContactURI", "ContactDisplayName"),
    )
    report = _part(asked, keywords)
    put(report, "RequestingAE", "AE", requesting_ae)
    return report


def _part(ds: Dataset, keywords: Iterable[str]) -> Dataset:
    found = Dataset()
    for keyword in keywords:
        if keyword in ds:
            found.add(ds[keyword])
    return found


def cancelled(item: Dataset, asked: Dataset, now: datetime) -> None:
    """Note when and why it was cancelled."""
    progress = [*values.items(item, "ProcedureStepProgressInformationSequence")][:1] or [Dataset()]
    if "ProcedureStepCancellationDateTime" not in progress[0]:
        put(progress[0], "ProcedureStepCancellationDateTime", "DT", moment(now))
    for keyword in ("ReasonForCancellation", "ProcedureStepDiscontinuationReasonCodeSequence"):
        if keyword in asked:
            progress[0].add(asked[keyword])
    put(item, "ProcedureStepProgressInformationSequence", "SQ", progress)


def moment(at: datetime) -> str:
    """A DICOM date time with its offset from UTC."""
    return at.strftime("%Y%m%d%H%M%S.%f%z")
