"""Tells followers of work items what happened: N-EVENT-REPORT (PS3.4 CC.2.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import build_role

from cxr_node.config import PeerSection
from cxr_node.dicom import ups_dataset
from cxr_node.dicom.contexts import NATIVE
from cxr_node.dicom.reception import IMPLEMENTATION_UID, IMPLEMENTATION_VERSION
from cxr_node.domain.errors import Undeliverable

Options = Callable[[PeerSection, float], dict[str, Any]]
Report = tuple[int, str, int, bytes]
"""Key of the event, work item, event type and data set."""


class EventSender:
    """Sends events of work items to peers, as SCP of the UPS Event class."""

    def __init__(
        self, own_ae: str, peers: Sequence[PeerSection], seconds: float, options: Options
    ) -> None:
        self._own_ae = own_ae
        self._peers = {peer.ae_title: peer for peer in peers if peer.host and peer.port}
        self._seconds = seconds
        self._options = options

    def reaches(self, ae_title: str) -> bool:
        """Whether a peer of this title has an address."""
        return ae_title in self._peers

    def send(self, ae_title: str, reports: Sequence[Report]) -> Iterator[int]:
        """One association for all; yields the key of each event that arrived.

        An event that the receiver refuses has arrived too: it would refuse it again. Raises
        :class:`Undeliverable` where there is no association or no answer.
        """
        peer = self._peers.get(ae_title)
        if peer is None:
            raise Undeliverable("the receiver is not configured", permanent=True)
        entity = ApplicationEntity(self._own_ae)
        entity.implementation_class_uid = IMPLEMENTATION_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION
        entity.connection_timeout = entity.acse_timeout = self._seconds
        entity.dimse_timeout = entity.network_timeout = self._seconds
        entity.add_requested_context(ups_dataset.EVENT, list(NATIVE))
        role = build_role(ups_dataset.EVENT, scp_role=True)
        try:
            association = entity.associate(
                peer.host,
                peer.port,
                ae_title=ae_title,
                ext_neg=[role],
                **self._options(peer, self._seconds),
            )
        except OSError as error:
            raise Undeliverable("the receiver has no address", permanent=False) from error
        if not association.is_established:
            raise Undeliverable("no association", permanent=False)
        try:
            for key, uid, kind, document in reports:
                self._tell(association, uid, kind, ups_dataset.decoded(document))
                yield key
        finally:
            if association.is_established:
                association.release()

    def _tell(self, association: Any, uid: str, kind: int, report: Dataset) -> None:
        try:
            status, _ = association.send_n_event_report(
                report, kind, ups_dataset.PUSH, uid, meta_uid=ups_dataset.EVENT
            )
        except (ValueError, RuntimeError) as error:
            raise Undeliverable("the event could not be sent", permanent=False) from error
        if "Status" not in status:
            raise Undeliverable("no answer", permanent=False)
