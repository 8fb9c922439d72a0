"""Storage commitment for what we received (SCP): asked in one association, answered in another.

The answer is what database and spool say at the time it is worked out: a row, a file, and
bytes whose digest is still that of the day they came.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from cxr_node.config import DeliverySection
from cxr_node.domain.commitment import (
    CommitmentReport,
    CommitmentRequest,
    FailureReason,
    Reference,
)
from cxr_node.domain.errors import Undeliverable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.ports import Clock
from cxr_node.services.pauses import pause_seconds
from cxr_node.spool.files import sha256_of
from cxr_node.store import commitments
from cxr_node.store.commitments import DueAnswer, RequestState
from cxr_node.store.database import Database
from cxr_node.store.schema import InstanceRow

_LEASE_TIMEOUTS = 5.0


class Teller(Protocol):
    """Opens an association to a peer and reports. Raises :class:`Undeliverable`."""

    def tell(self, destination: str, report: CommitmentReport) -> None: ...


class Commitment:
    """Takes requests of peers in ``reachable`` and answers them until they are heard."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        teller: Teller,
        reachable: Collection[str],
        limits: DeliverySection,
    ) -> None:
        self._db = db
        self._clock = clock
        self._teller = teller
        self._reachable = frozenset(reachable)
        self._limits = limits

    def request(self, peer: str, request: CommitmentRequest) -> None:
        """Write it down. Raises :class:`Undeliverable` for a peer without an address."""
        if peer not in self._reachable:
            raise Undeliverable("the peer has no host and port for the answer", permanent=True)
        with self._db.begin() as session:
            commitments.add_request(session, peer, request, self._clock.now())
        emit(Event.COMMITMENT_REQUESTED, peer=peer, instances=len(request.references))

    def work(self) -> int:
        """Answer the request that has waited longest; 0 when none is due."""
        now = self._clock.now()
        lease = timedelta(seconds=self._limits.timeout_seconds * _LEASE_TIMEOUTS)
        with self._db.read() as session:
            if not commitments.answer_is_due(session, now):
                return 0
        with self._db.begin() as session:
            due = commitments.claim_answer(session, now, now + lease)
        if due is None:
            return 0
        report = self._report(due.request)
        try:
            self._teller.tell(due.peer, report)
        except Undeliverable as error:
            self._later(due, error)
        else:
            self._settle(due, RequestState.ANSWERED)
            emit(
                Event.COMMITMENT_REPORTED,
                peer=due.peer,
                instances=len(report.committed),
                failed=len(report.failed),
            )
        return 1

    def _report(self, request: CommitmentRequest) -> CommitmentReport:
        uids = [one.sop_instance_uid for one in request.references]
        with self._db.read() as session:
            rows = commitments.received(session, uids)
        found = [(one, _fault(one, rows.get(one.sop_instance_uid))) for one in request.references]
        return CommitmentReport(
            request.transaction_uid,
            tuple(one for one, fault in found if fault is None),
            tuple((one, int(fault)) for one, fault in found if fault is not None),
        )

    def _later(self, due: DueAnswer, error: Undeliverable) -> None:
        now = self._clock.now()
        if now - due.created_at > timedelta(hours=self._limits.max_hours):
            self._settle(due, RequestState.PARKED, str(error))
            emit(Event.COMMITMENT_REFUSED, level=logging.ERROR, code="parked", peer=due.peer)
            return
        pause = pause_seconds(due.attempts, due.request_pk, self._limits)
        with self._db.begin() as session:
            at = now + timedelta(seconds=pause)
            commitments.settle_answer(session, due, RequestState.WAITING, at, str(error))

    def _settle(self, due: DueAnswer, state: RequestState, error: str = "") -> None:
        with self._db.begin() as session:
            commitments.settle_answer(session, due, state, self._clock.now(), error)


def _fault(asked: Reference, row: InstanceRow | None) -> FailureReason | None:
    """Why we cannot promise to keep what the peer holds; None where we can."""
    if row is None or row.removed_at is not None:
        return FailureReason.NO_SUCH_INSTANCE
    if row.sop_class_uid != asked.sop_class_uid:
        return FailureReason.CLASS_INSTANCE_CONFLICT
    if row.conflicts:  # two contents came under this UID, and which one is meant is unknown
        return FailureReason.PROCESSING_FAILURE
    try:
        same = sha256_of(Path(row.path)) == row.sha256
    except FileNotFoundError:
        return FailureReason.NO_SUCH_INSTANCE
    except OSError:
        return FailureReason.PROCESSING_FAILURE
    return None if same else FailureReason.PROCESSING_FAILURE
