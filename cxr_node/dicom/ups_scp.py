"""Answers UPS Push, Watch, Pull and Query over DIMSE (PS3.4 Annex CC)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom.presentation import PresentationContext, build_context

from cxr_node.dicom import ups_dataset, values
from cxr_node.dicom.contexts import NATIVE
from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.domain.errors import CxrNodeError, MalformedUid, StoreUnavailable
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ups import UpsStatus

CHANGE_STATE, REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = 1, 2, 3, 4, 5
"""Action Type IDs (PS3.4 Table CC.2.1-1 and following)."""

_PENDING = 0xFF00
_CANCELLED = 0xFE00
_UNABLE = 0xC000
_BUSY = 0xA700
_NOT_UNDERSTOOD = 0xA900
_RESOURCES = 0x0213

Reply = tuple[int, Dataset | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and data set of a response."""

    status: UpsStatus
    data_set: Dataset | None = None


class WorkitemRequests(Protocol):
    """What can be asked about work items; :class:`cxr_node.services.workitems.Workitems`."""

    def create(self, uid: Uid, ds: Dataset, caller: str) -> Answer: ...
    def get(self, uid: str, keywords: tuple[int, ...] = ()) -> Answer: ...
    def update(self, uid: str, changes: Dataset, caller: str) -> Answer: ...
    def change_state(self, uid: str, wanted: str, given: str, caller: str) -> Answer: ...
    def request_cancel(self, uid: str, asked: Dataset, caller: str) -> Answer: ...
    def find(self, keys: Dataset) -> Iterator[Dataset]: ...
    def subscribe(
        self,
        uid: str,
        receiver: str,
        *,
        locks: bool = False,
        keys: Dataset | None = None,
        by_web: bool = False,
    ) -> Answer: ...
    def unsubscribe(self, uid: str, receiver: str) -> Answer: ...
    def suspend(self, uid: str, receiver: str) -> Answer: ...


def ups_contexts() -> list[PresentationContext]:
    """What the listener negotiates for work items."""
    classes = (ups_dataset.PUSH, ups_dataset.WATCH, ups_dataset.PULL, ups_dataset.QUERY)
    return [build_context(uid, list(NATIVE)) for uid in classes]


class UpsService:
    """One request at a time of one association; ``caller`` is its AE title."""

    def __init__(self, workitems: WorkitemRequests) -> None:
        self._workitems = workitems

    def create(self, event: Any, caller: str) -> Reply:
        """N-CREATE; without an instance UID the node gives one."""
        named = event.request.AffectedSOPInstanceUID
        uid = str(named or generate_uid(prefix=None))

        def ask() -> Answer:
            return self._workitems.create(Uid(uid), event.attribute_list, caller)

        status, _ = self._reply(ask, caller)
        told = Dataset()
        if not named and status == UpsStatus.SUCCESS:
            told.AffectedSOPInstanceUID = uid
        return status, told

    def get(self, event: Any, caller: str) -> Reply:
        """N-GET."""
        tags = tuple(int(tag) for tag in event.attribute_identifiers)
        return self._reply(lambda: self._workitems.get(_instance(event), tags), caller)

    def update(self, event: Any, caller: str) -> Reply:
        """N-SET."""
        return self._reply(
            lambda: self._workitems.update(_instance(event), event.modification_list, caller),
            caller,
        )

    def action(self, event: Any, caller: str) -> Reply:
        """N-ACTION of all five types."""
        asked = {
            CHANGE_STATE: self._change_state,
            REQUEST_CANCEL: self._request_cancel,
            SUBSCRIBE: self._subscribe,
            UNSUBSCRIBE: self._unsubscribe,
            SUSPEND: self._suspend,
        }.get(event.action_type)
        if asked is None:
            return UpsStatus.NO_SUCH_ACTION, None
        return self._reply(
            lambda: asked(_instance(event), event.action_information, caller), caller
        )

    def _change_state(self, uid: str, told: Dataset, caller: str) -> Answer:
        wanted = values.text(told, "ProcedureStepState")
        return self._workitems.change_state(
            uid, wanted, values.text(told, "TransactionUID"), caller
        )

    def _request_cancel(self, uid: str, told: Dataset, caller: str) -> Answer:
        return self._workitems.request_cancel(uid, told, caller)

    def _subscribe(self, uid: str, told: Dataset, caller: str) -> Answer:
        keys = None
        if uid == ups_dataset.FILTERED:
            keys = Dataset()
            for element in told:
                if element.keyword not in ("ReceivingAE", "DeletionLock"):
                    keys.add(element)
        return self._workitems.subscribe(
            uid,
            values.text(told, "ReceivingAE"),
            locks=values.text(told, "DeletionLock") == "TRUE",
            keys=keys,
        )

    def _unsubscribe(self, uid: str, told: Dataset, caller: str) -> Answer:
        return self._workitems.unsubscribe(uid, values.text(told, "ReceivingAE"))

    def _suspend(self, uid: str, told: Dataset, caller: str) -> Answer:
        return self._workitems.suspend(uid, values.text(told, "ReceivingAE"))

    def find(self, event: Any, caller: str) -> Iterator[Reply]:
        """C-FIND: pending answers, the urgent first; the library adds the final success."""
        try:
            keys = event.identifier
            list(keys.iterall())
        except BROKEN_VALUE:
            yield _NOT_UNDERSTOOD, None
            return
        number = 0
        try:
            for found in self._workitems.find(keys):
                if event.is_cancelled:
                    yield _CANCELLED, None
                    return
                number += 1
                yield _PENDING, found
        except CxrNodeError as error:
            emit_failure(Event.WORKITEM_ASKED, error, peer=caller)
            yield (_BUSY if isinstance(error, StoreUnavailable) else _UNABLE), None
            return
        emit(Event.WORKITEM_ASKED, peer=caller, matches=number)

    def _reply(self, ask: Callable[[], Answer], caller: str) -> Reply:
        try:
            answer = ask()
        except MalformedUid:
            return UpsStatus.INVALID_INSTANCE, None
        except StoreUnavailable:
            return _RESOURCES, None
        except BROKEN_VALUE as error:
            emit_failure(Event.WORKITEM_ASKED, error, peer=caller)
            return UpsStatus.PROCESSING_FAILURE, None
        emit(Event.WORKITEM_ASKED, peer=caller, status=int(answer.status))
        return int(answer.status), answer.data_set


def _instance(event: Any) -> str:
    return str(event.request.RequestedSOPInstanceUID or "")
