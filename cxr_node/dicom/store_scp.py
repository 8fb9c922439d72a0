"""Answers C-STORE: hands each received file to intake and translates errors to statuses.

0x0000 is the promise that the bytes are safe here, and nothing else; the table below is
the only place where an error becomes a DIMSE status (PS3.4 B.2.3, PS3.7 C).
"""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset

from cxr_node.dicom.reception import ArrivingDataSet
from cxr_node.domain.errors import (
    CxrNodeError,
    MalformedUid,
    SpoolFull,
    StoreUnavailable,
    Unreadable,
    WrongInstance,
    WrongSopClass,
    WrongStudy,
)
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.instance import Received

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122

STATUSES: tuple[tuple[type[CxrNodeError], int, str], ...] = (
    (MalformedUid, 0x0117, "a UID is malformed"),
    (WrongSopClass, 0xA900, "data set and command differ in SOP class"),
    (WrongInstance, 0xC002, "data set and command differ in SOP instance"),
    (WrongStudy, 0xC003, "no usable Study or Series Instance UID"),
    (Unreadable, 0xC001, "the data set is cut or malformed"),
    (SpoolFull, 0xA700, "no room now, try again later"),
    (StoreUnavailable, 0xA700, "cannot store now, try again later"),
    (CxrNodeError, 0xC000, "cannot be stored"),
)
"""First match decides. The comments go to the sender, so they quote nothing received."""


def status_of(error: CxrNodeError) -> tuple[int, str]:
    """DIMSE status and error comment (at most 64 characters) for an error."""
    return next((status, words) for kind, status, words in STATUSES if isinstance(error, kind))


class StoreService:
    """One C-STORE at a time for one association; ``on_instance`` makes it durable."""

    def __init__(self, on_instance: Callable[[Received], None]) -> None:
        self._on_instance = on_instance

    def store(
        self,
        data_set: ArrivingDataSet,
        *,
        negotiated_class: str,
        calling_ae: str,
        address: str,
        move_originator: str = "",
    ) -> Dataset:
        """The response status for a message that has arrived in full."""
        if data_set.failure is None and data_set.command.sop_class_uid != negotiated_class:
            return _refused(SOP_CLASS_NOT_SUPPORTED, "not the SOP class of this context")
        try:
            received = Received(
                partial=data_set.finish(),
                sop_class_uid=data_set.command.sop_class_uid,
                sop_instance_uid=data_set.command.sop_instance_uid,
                transfer_syntax=data_set.command.transfer_syntax,
                calling_ae=calling_ae,
                address=address,
                move_originator=move_originator,
            )
            self._on_instance(received)
        except CxrNodeError as error:
            status, words = status_of(error)
            return _refused(status, words, error.code)
        except Exception as error:  # noqa: BLE001 - the sender must get an answer to any fault
            emit_failure(Event.INSTANCE_REFUSED, error, status=PROCESSING_FAILURE)
            return _answer(PROCESSING_FAILURE, "internal error")
        return _answer(SUCCESS)


def _refused(status: int, words: str, code: str = "sop-class") -> Dataset:
    emit(Event.INSTANCE_REFUSED, status=status, code=code)
    return _answer(status, words)


def _answer(status: int, words: str = "") -> Dataset:
    ds = Dataset()
    ds.Status = status
    if words:
        ds.ErrorComment = words
    return ds
