"""Routes DIMSE-N requests to the service that keeps instances of their SOP class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import evt

from cxr_node.dicom.commitment import PUSH_MODEL
from cxr_node.dicom.commitment_scp import CommitmentService
from cxr_node.dicom.mpps_scp import MPPS, MppsService
from cxr_node.dicom.ups_scp import UpsService

NO_SUCH_CLASS = 0x0118
Reply = tuple[int, Dataset | None]


class NormalisedServices:
    """Those of storage commitment, work items and exams that the listener offers."""

    def __init__(
        self,
        commitment: CommitmentService | None,
        workitems: UpsService | None,
        exams: MppsService | None,
    ) -> None:
        self._commitment = commitment
        self._workitems = workitems
        self._exams = exams

    def handlers(self, peer_of: Callable[[Any], str]) -> list[Any]:
        """For the library; ``peer_of`` names the peer of an event's association."""
        bound: list[Any] = [
            (evt.EVT_N_CREATE, lambda event: self._create(event)),
            (evt.EVT_N_SET, lambda event: self._set(event)),
            (evt.EVT_N_GET, lambda event: self._get(event)),
            (evt.EVT_N_ACTION, lambda event: self._action(event, peer_of(event))),
        ]
        if self._commitment is not None:
            bound.append((evt.EVT_N_EVENT_REPORT, self._commitment.report))
        return bound

    def _create(self, event: Any) -> Reply:
        if event.request.AffectedSOPClassUID == MPPS and self._exams is not None:
            return self._exams.create(event, _caller(event))
        if self._workitems is not None:
            return self._workitems.create(event, _caller(event))
        return NO_SUCH_CLASS, None

    def _set(self, event: Any) -> Reply:
        if event.request.RequestedSOPClassUID == MPPS and self._exams is not None:
            return self._exams.update(event, _caller(event))
        if self._workitems is not None:
            return self._workitems.update(event, _caller(event))
        return NO_SUCH_CLASS, None

    def _get(self, event: Any) -> Reply:
        if self._workitems is not None and event.request.RequestedSOPClassUID != MPPS:
            return self._workitems.get(event, _caller(event))
        return NO_SUCH_CLASS, None

    def _action(self, event: Any, peer: str) -> Reply:
        if event.request.RequestedSOPClassUID == PUSH_MODEL:
            if self._commitment is not None:
                return self._commitment.action(event, peer)
        elif self._workitems is not None:
            return self._workitems.action(event, _caller(event))
        return NO_SUCH_CLASS, None


def _caller(event: Any) -> str:
    return str(event.assoc.requestor.ae_title).strip(" ")
