"""Calls of storage commitment: asks a peer for it, and tells a peer what came of its request."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pynetdicom import evt
from pynetdicom.presentation import build_context, build_role

from cxr_node.dicom.commitment import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST_COMMITMENT,
    action_information,
    event_information,
)
from cxr_node.dicom.commitment_scp import answer_report
from cxr_node.dicom.contexts import NATIVE
from cxr_node.dicom.store_scu import DimseSender, release, status_in
from cxr_node.domain.commitment import CommitmentReport, CommitmentRequest
from cxr_node.domain.errors import Undeliverable

_LINGER_SECONDS = 1.0
"""How long an association stays open for a peer that answers on the same one."""
_WANTED = "Storage Commitment"

OnReport = Callable[[CommitmentReport], None]


class CommitmentCaller(DimseSender):
    """Opens one association for each call, as for a C-STORE."""

    def ask(self, destination: str, request: CommitmentRequest, on_report: OnReport) -> None:
        """N-ACTION. A report that comes on the same association goes to ``on_report``.

        Raises :class:`Undeliverable` unless the peer took the request.
        """
        entity = self._entity()
        entity.requested_contexts = [build_context(PUSH_MODEL, list(NATIVE))]
        association = self._associate(entity, destination, _WANTED)
        told = threading.Event()

        def hear(event: evt.Event) -> tuple[int, None]:
            try:
                return answer_report(event, on_report)
            finally:
                told.set()

        association.bind(evt.EVT_N_EVENT_REPORT, hear)
        try:
            answer, _ = association.send_n_action(
                action_information(request), REQUEST_COMMITMENT, PUSH_MODEL, PUSH_MODEL_INSTANCE
            )
            _taken(status_in(answer))
            told.wait(_LINGER_SECONDS)
        except (ValueError, RuntimeError) as error:
            raise Undeliverable("the request could not be sent", permanent=False) from error
        finally:
            release(association)

    def tell(self, destination: str, report: CommitmentReport) -> None:
        """N-EVENT-REPORT on an association of our own, in the role of the SCP (PS3.4 J.3.3).

        Raises :class:`Undeliverable` unless the peer took the report.
        """
        entity = self._entity()
        entity.requested_contexts = [build_context(PUSH_MODEL, list(NATIVE))]
        roles = [build_role(PUSH_MODEL, scp_role=True)]
        association = self._associate(entity, destination, _WANTED, roles)
        kind, information = event_information(report)
        try:
            answer, _ = association.send_n_event_report(
                information, kind, PUSH_MODEL, PUSH_MODEL_INSTANCE
            )
            _taken(status_in(answer))
        except (ValueError, RuntimeError) as error:
            raise Undeliverable("the report could not be sent", permanent=False) from error
        finally:
            release(association)


def _taken(status: int) -> None:
    if status != 0x0000:
        raise Undeliverable(f"refused: 0x{status:04X}", permanent=False, status=status)
