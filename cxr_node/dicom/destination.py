"""A peer that takes results by C-STORE, as one kind of destination of the outbox."""

from __future__ import annotations

from cxr_node.domain.delivery import Outcome, Parcel, Verdict
from cxr_node.domain.errors import ClassNotTaken, Undeliverable
from cxr_node.domain.ports import ObjectSender


class DimseDestination:
    """Fulfils :class:`cxr_node.domain.delivery.Destination`."""

    def __init__(self, sender: ObjectSender) -> None:
        self._sender = sender

    def send(self, parcel: Parcel) -> Outcome:
        """One C-STORE; done only where the peer said 0x0000 or a warning (PS3.4 B.2.3)."""
        try:
            status = self._sender.send(parcel.destination, parcel.path)
        except ClassNotTaken as error:
            return Outcome(Verdict.NOT_TAKEN, str(error), error.status)
        except Undeliverable as error:
            verdict = Verdict.REFUSED if error.permanent else Verdict.RETRY
            return Outcome(verdict, str(error), error.status)
        return Outcome(Verdict.DONE, status=status)
