"""The same document under another SOP class, for receivers that take no other.

Comprehensive 3D SR and Comprehensive SR hold the same tree here, because a radiograph has
no coordinates in space (PS3.3 A.35.3, A.35.13). Changed bytes never travel under an old
UID, so the document gets one of its own, computed from the first.
"""

from __future__ import annotations

from collections.abc import Callable

from pydicom import Dataset
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage

from cxr_node.domain.identifiers import Uid, result_uid


def comprehensive_uid(instance: str) -> Uid:
    """UID that :func:`as_comprehensive` gives the report of that UID."""
    return result_uid("comprehensive", instance)


def as_comprehensive(report: Dataset, known: Callable[[str], bool]) -> Dataset | None:
    """``report`` as a Comprehensive SR, changed in place; None if it is no 3D one.

    ``known`` says whether a UID names a report that was built: a predecessor is named in
    the form that this receiver got.
    """
    if report.SOPClassUID != Comprehensive3DSRStorage:
        return None
    for study in report.get("PredecessorDocumentsSequence") or ():
        for series in study.ReferencedSeriesSequence:
            for earlier in series.ReferencedSOPSequence:
                _rename_earlier(earlier, series, known)
    uid = comprehensive_uid(str(report.SOPInstanceUID))
    report.SOPClassUID = ComprehensiveSRStorage
    report.SOPInstanceUID = UID(uid.text)
    report.SeriesInstanceUID = _series_uid(uid)
    report.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
    report.file_meta.MediaStorageSOPInstanceUID = UID(uid.text)
    return report


def _rename_earlier(earlier: Dataset, series: Dataset, known: Callable[[str], bool]) -> None:
    uid = comprehensive_uid(str(earlier.ReferencedSOPInstanceUID))
    if known(uid.text):
        earlier.ReferencedSOPClassUID = ComprehensiveSRStorage
        earlier.ReferencedSOPInstanceUID = uid.text
        series.SeriesInstanceUID = _series_uid(uid)


def _series_uid(instance: Uid) -> str:
    return result_uid("series", instance.text).text
