"""Takes requests for storage commitment and reports about our own results (PS3.4 Annex J).

A request is only written down here; the answer is worked out and sent by the node's own
loop, so that it survives a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.presentation import PresentationContext, build_context

from cxr_node.dicom.commitment import (
    ALL_COMMITTED,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST_COMMITMENT,
    SOME_FAILED,
    read_report,
    read_request,
)
from cxr_node.dicom.contexts import NATIVE
from cxr_node.dicom.values import BROKEN_VALUE
from cxr_node.domain.commitment import CommitmentReport, CommitmentRequest
from cxr_node.domain.errors import (
    CxrNodeError,
    NotConformant,
    StoreUnavailable,
    Undeliverable,
    Unreadable,
)
from cxr_node.domain.events import Event, emit

NO_SUCH_INSTANCE = 0x0112
NO_SUCH_EVENT = 0x0113
NO_SUCH_ACTION = 0x0123
STATUSES: tuple[tuple[type[CxrNodeError], int], ...] = (
    (NotConformant, 0x0115),  # invalid argument value
    (StoreUnavailable, 0x0213),  # resource limitation: ask again later
    (Undeliverable, 0x0124),  # not authorised: there is no address to send the answer to
    (CxrNodeError, 0x0110),
)
"""First match decides (PS3.7 §10.1.1.1.9, §10.1.4.1.10)."""

OnRequest = Callable[[str, CommitmentRequest], None]


def commitment_context() -> PresentationContext:
    """The listener's context: a peer may ask us, or (by role selection) report to us."""
    context = build_context(PUSH_MODEL, list(NATIVE))
    context.scu_role = True
    context.scp_role = True
    return context


class CommitmentService:
    """N-ACTION of peers, and N-EVENT-REPORT of peers that we have asked."""

    def __init__(
        self, on_request: OnRequest, on_report: Callable[[CommitmentReport], None]
    ) -> None:
        self._on_request = on_request
        self._on_report = on_report

    def action(self, event: evt.Event, peer: str) -> tuple[int, None]:
        """0x0000 when the request is in the database."""
        asked = cast(N_ACTION, event.request).RequestedSOPInstanceUID
        if asked != PUSH_MODEL_INSTANCE:
            return NO_SUCH_INSTANCE, None
        if event.action_type != REQUEST_COMMITMENT:
            return NO_SUCH_ACTION, None
        try:
            self._on_request(peer, read_request(_information(event, "action_information")))
        except CxrNodeError as error:
            return _refused(error), None
        return 0x0000, None

    def report(self, event: evt.Event) -> tuple[int, None]:
        """0x0000 when what it says is in the database, also where it concerns nothing of ours."""
        return answer_report(event, self._on_report)


def answer_report(
    event: evt.Event, on_report: Callable[[CommitmentReport], None]
) -> tuple[int, None]:
    """Status for one N-EVENT-REPORT."""
    if event.event_type not in (ALL_COMMITTED, SOME_FAILED):
        return NO_SUCH_EVENT, None
    try:
        on_report(read_report(_information(event, "event_information")))
    except CxrNodeError as error:
        return _refused(error), None
    return 0x0000, None


def _information(event: evt.Event, which: str) -> Dataset:
    try:
        return cast(Dataset, getattr(event, which))
    except BROKEN_VALUE as error:
        raise Unreadable("the data set cannot be read") from error


def _refused(error: CxrNodeError) -> int:
    status = next(status for kind, status in STATUSES if isinstance(error, kind))
    emit(Event.COMMITMENT_REFUSED, status=status, code=error.code)
    return status
