"""Work items for tests: an SCU of all five classes, and a follower that is told of events."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt

from cxr_node.dicom import ups_dataset
from cxr_node.dicom.mpps_scp import MPPS
from cxr_node.dicom.ups_reading import code

CLASSES = (ups_dataset.PUSH, ups_dataset.WATCH, ups_dataset.PULL, ups_dataset.QUERY, MPPS)


def workitem(study_uid: str = "", **changes: Any) -> Dataset:
    """A proper N-CREATE data set; by default for anybody."""
    ds = Dataset()
    ds.ProcedureStepState = "SCHEDULED"
    ds.ScheduledProcedureStepPriority = "MEDIUM"
    ds.ProcedureStepLabel = "Read this"
    ds.InputReadinessState = "READY"
    ds.ScheduledProcedureStepStartDateTime = "20260102101500"
    ds.PatientID, ds.PatientName = "P1", "DOE^JANE"
    source = Dataset()
    source.StudyInstanceUID = study_uid or generate_uid()
    ds.InputInformationSequence = [source]
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    return ds


def for_the_node(study_uid: str, **changes: Any) -> Dataset:
    """A request that the node reads this study."""
    wanted = code("110004", "DCM", "Computer Aided Detection")
    return workitem(study_uid, ScheduledWorkitemCodeSequence=[wanted], **changes)


def performed() -> Dataset:
    """What N-SET must say before a work item may be completed."""
    done = Dataset()
    station = code("ELSEWHERE", "99TEST", "Elsewhere")
    done.PerformedStationNameCodeSequence = [station]
    done.PerformedWorkitemCodeSequence = [code("110005", "DCM", "Interpretation")]
    done.PerformedProcedureStepStartDateTime = "20260102101500"
    done.PerformedProcedureStepEndDateTime = "20260102101600"
    done.OutputInformationSequence = []
    ds = Dataset()
    ds.UnifiedProcedureStepPerformedProcedureSequence = [done]
    return ds


class Steps:
    """An association with the node for every class of work items."""

    def __init__(self, port: int, calling: str = "SENDER", called: str = "CXRNODE") -> None:
        entity = AE(ae_title=calling)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
        for uid in CLASSES:
            entity.add_requested_context(uid)
        self.association = entity.associate("127.0.0.1", port, ae_title=called)
        assert self.association.is_established

    def create(self, ds: Dataset, uid: str | None = None) -> tuple[int, str]:
        """Status and the UID of the new item."""
        named = uid or generate_uid()
        status, _ = self.association.send_n_create(ds, ups_dataset.PUSH, named)
        return int(status.Status), named

    def get(self, uid: str) -> Dataset:
        status, found = self.association.send_n_get(
            [], ups_dataset.PUSH, uid, meta_uid=ups_dataset.PULL
        )
        assert status.Status == 0
        assert found is not None
        return found

    def set(self, uid: str, ds: Dataset, transaction: str = "") -> int:
        if transaction:
            ds.TransactionUID = transaction
        status, _ = self.association.send_n_set(
            ds, ups_dataset.PUSH, uid, meta_uid=ups_dataset.PULL
        )
        return int(status.Status)

    def act(self, kind: int, uid: str, meta: str = ups_dataset.PULL, **told: str) -> int:
        """One N-ACTION; ``told`` are attributes of its information."""
        information = Dataset()
        for keyword, value in told.items():
            setattr(information, keyword, value)
        status, _ = self.association.send_n_action(
            information, kind, ups_dataset.PUSH, uid, meta_uid=meta
        )
        return int(status.Status)

    def state(self, uid: str, wanted: str, transaction: str = "") -> int:
        told = {"ProcedureStepState": wanted}
        return self.act(1, uid, **told, **({"TransactionUID": transaction} if transaction else {}))

    def cancel(self, uid: str) -> int:
        return self.act(2, uid, ups_dataset.PUSH, ReasonForCancellation="not needed")

    def watch(self, kind: int, uid: str, receiver: str = "FOLLOWER", **told: str) -> int:
        """Subscribe (3), unsubscribe (4) or suspend (5)."""
        lock = {"DeletionLock": "FALSE"} if kind == 3 else {}
        return self.act(kind, uid, ups_dataset.WATCH, ReceivingAE=receiver, **lock, **told)

    def find(self, **keys: Any) -> list[Dataset]:
        query = Dataset()
        query.SOPInstanceUID = ""
        for keyword, value in keys.items():
            setattr(query, keyword, value)
        answers = self.association.send_c_find(query, ups_dataset.QUERY)
        found = list(answers)
        assert found[-1][0].Status == 0
        return [ds for _, ds in found[:-1] if ds is not None]

    def close(self) -> None:
        self.association.release()


@contextmanager
def steps(port: int, calling: str = "SENDER") -> Iterator[Steps]:
    found = Steps(port, calling)
    try:
        yield found
    finally:
        found.close()


@dataclass
class Follower:
    """Listens for N-EVENT-REPORT: work item, event type and data set of each, in order."""

    port: int = 0
    told: list[tuple[str, int, Dataset]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def states(self, uid: str) -> list[str]:
        return [str(ds.ProcedureStepState) for of, kind, ds in self.told if (of, kind) == (uid, 1)]

    def _take(self, event: evt.Event) -> tuple[int, None]:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.told.append((uid, int(event.event_type), event.event_information))
        self.arrived.set()
        return 0x0000, None


@contextmanager
def following(port: int = 0, title: str = "FOLLOWER") -> Iterator[Follower]:
    """A follower that is at home."""
    follower = Follower()
    entity = AE(ae_title=title)
    entity.add_supported_context(ups_dataset.EVENT, scu_role=True, scp_role=True)
    server = entity.start_server(
        ("127.0.0.1", port),
        block=False,
        evt_handlers=[(evt.EVT_N_EVENT_REPORT, follower._take)],
    )
    assert server is not None
    follower.port = int(server.server_address[1])
    try:
        yield follower
    finally:
        entity.shutdown()
