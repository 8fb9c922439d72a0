"""Requests and reports of storage commitment as data sets (PS3.4 J.3.2, J.3.3)."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.uid import UID

from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.domain.commitment import (
    CommitmentReport,
    CommitmentRequest,
    FailureReason,
    Reference,
)
from cxr_node.domain.errors import MalformedUid, Unreadable
from cxr_node.domain.identifiers import Uid

PUSH_MODEL = UID("1.2.840.10008.1.20.1")
PUSH_MODEL_INSTANCE = UID("1.2.840.10008.1.20.1.1")
REQUEST_COMMITMENT = 1
"""Action Type ID of the one action there is."""
ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event Type IDs."""
_MOST_REFERENCES = 10_000


def action_information(request: CommitmentRequest) -> Dataset:
    """The data set of an N-ACTION request."""
    ds = Dataset()
    ds.TransactionUID = request.transaction_uid
    ds.ReferencedSOPSequence = [_item(one) for one in request.references]
    return ds


def event_information(report: CommitmentReport) -> tuple[int, Dataset]:
    """Event Type ID and data set of an N-EVENT-REPORT request."""
    ds = Dataset()
    ds.TransactionUID = report.transaction_uid
    if report.committed:
        ds.ReferencedSOPSequence = [_item(one) for one in report.committed]
    if not report.failed:
        return ALL_COMMITTED, ds
    ds.FailedSOPSequence = [_item(one, reason) for one, reason in report.failed]
    return SOME_FAILED, ds


def _item(reference: Reference, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if reason is not None:
        item.FailureReason = reason
    return item


def read_request(ds: Dataset) -> CommitmentRequest:
    """Raises :class:`MalformedUid` or :class:`Unreadable`."""
    references = tuple(_reference(item) for item in _items(ds, "ReferencedSOPSequence"))
    if not references:
        raise Unreadable("no instance is named")
    return CommitmentRequest(_uid(ds, "TransactionUID"), references)


def read_report(ds: Dataset) -> CommitmentReport:
    """Raises :class:`MalformedUid` or :class:`Unreadable`."""
    committed = tuple(_reference(item) for item in _items(ds, "ReferencedSOPSequence"))
    failed = tuple((_reference(i), _reason(i)) for i in _items(ds, "FailedSOPSequence"))
    return CommitmentReport(_uid(ds, "TransactionUID"), committed, failed)


def _items(ds: Dataset, keyword: str) -> Iterable[Dataset]:
    try:
        found = ds.get(keyword) or []
        if len(found) > _MOST_REFERENCES:
            raise Unreadable("too many instances are named")
        return list(found)
    except BROKEN_VALUE as error:
        raise Unreadable("the list of instances cannot be read") from error


def _reference(item: Dataset) -> Reference:
    return Reference(_uid(item, "ReferencedSOPClassUID"), _uid(item, "ReferencedSOPInstanceUID"))


def _reason(item: Dataset) -> int:
    try:
        return int(item.get("FailureReason") or FailureReason.PROCESSING_FAILURE)
    except BROKEN_VALUE:
        return FailureReason.PROCESSING_FAILURE


def _uid(ds: Dataset, keyword: str) -> str:
    try:
        value = str(ds.get(keyword) or "")
    except BROKEN_VALUE as error:
        raise MalformedUid("a UID cannot be read") from error
    return Uid(value).text
