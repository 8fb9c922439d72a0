"""A peer of both roles of storage commitment, made of pynetdicom alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context, build_role

from cxr_node.dicom.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE
from cxr_node.dicom.contexts import NATIVE


@dataclass
class CommitmentPeer:
    """Stores nothing, answers every C-STORE 0x0000, and keeps every request and report.

    ``answers``: "same" reports on the association of the request, "own" on one of the peer's
    own to ``node_port``, "never" not at all. Instances for which ``refuses`` is set are failed.
    """

    answers: str = "own"
    node_port: int = 0
    refuses: bool = False
    action_status: int = 0x0000
    port: int = 0
    requests: list[Dataset] = field(default_factory=list)
    reports: list[tuple[int, Dataset]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)

    def store(self, event: evt.Event) -> int:
        self.stored.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    def action(self, event: evt.Event) -> tuple[int, None]:
        self.requests.append(event.action_information)
        if self.action_status == 0x0000 and self.answers != "never":
            threading.Thread(target=self.report, args=(event.assoc,), daemon=True).start()
        return self.action_status, None

    def heard(self, event: evt.Event) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        return 0x0000, None

    def report(self, association: Association) -> None:
        kind, information = self._report(self.requests[-1])
        if self.answers == "own":
            association = self.associate(scp=True)
        status, _ = association.send_n_event_report(
            information, kind, PUSH_MODEL, PUSH_MODEL_INSTANCE
        )
        self.statuses.append(int(status.Status))
        if self.answers == "own":
            association.release()

    def _report(self, request: Dataset) -> tuple[int, Dataset]:
        ds = Dataset()
        ds.TransactionUID = request.TransactionUID
        if not self.refuses:
            ds.ReferencedSOPSequence = request.ReferencedSOPSequence
            return 1, ds
        ds.FailedSOPSequence = request.ReferencedSOPSequence
        for item in ds.FailedSOPSequence:
            item.FailureReason = 0x0112
        return 2, ds

    def associate(self, *, scp: bool = False, called: str = "CXRNODE") -> Association:
        """An association to the node; ``scp`` proposes the role of who reports."""
        entity = AE(ae_title="PACS")
        entity.requested_contexts = [build_context(PUSH_MODEL, list(NATIVE))]
        roles = [build_role(PUSH_MODEL, scp_role=True)] if scp else []
        found = entity.associate("127.0.0.1", self.node_port, ae_title=called, ext_neg=roles)
        assert found.is_established
        return found

    def ask(self, transaction: str, *references: tuple[str, str]) -> int:
        """N-ACTION to the node; the status it answers."""
        ds = Dataset()
        ds.TransactionUID = transaction
        ds.ReferencedSOPSequence = [_item(*reference) for reference in references]
        association = self.associate()
        status, _ = association.send_n_action(ds, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE)
        association.release()
        return int(status.Status)


def _item(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = instance
    return item


@contextmanager
def commitment_peer(peer: CommitmentPeer, port: int = 0) -> Iterator[CommitmentPeer]:
    """Let it listen on loopback."""
    entity = AE(ae_title="PACS")
    entity.supported_contexts = AllStoragePresentationContexts
    context = build_context(PUSH_MODEL, list(NATIVE))
    context.scu_role = context.scp_role = True
    entity.supported_contexts = [*entity.supported_contexts, context]
    handlers = [
        (evt.EVT_C_STORE, peer.store),
        (evt.EVT_N_ACTION, peer.action),
        (evt.EVT_N_EVENT_REPORT, peer.heard),
    ]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    assert server is not None
    peer.port = server.server_address[1]
    try:
        yield peer
    finally:
        server.shutdown()
