"""Orders and patient changes that come as messages: kept before they are acknowledged.

The acknowledgement AA promises what 0x0000 promises for an image: it is safe here. A message
that comes twice is acted upon once and answered alike.
"""

from __future__ import annotations

import logging

from cxr_node.domain.errors import MessageRefused, NotConformant, StoreUnavailable
from cxr_node.domain.events import Event, emit
from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.orders import Heard, PatientChange
from cxr_node.domain.ports import Clock
from cxr_node.messaging.acknowledgement import acknowledgement
from cxr_node.messaging.hl7_message import Message, read_message
from cxr_node.messaging.order_mapping import OrderMapping
from cxr_node.messaging.order_messages import OrderReader
from cxr_node.store import orders
from cxr_node.store.database import Database

_DATA_TYPE, _INTERNAL = 102, 207


class OrderDesk:
    """Answers each received message, from any number of threads."""

    def __init__(self, db: Database, clock: Clock, mapping: OrderMapping) -> None:
        self._db = db
        self._clock = clock
        self._reader = OrderReader(mapping)

    def answer(self, data: bytes) -> bytes:
        """The acknowledgement of one message; AA only after its transaction is durable."""
        message: Message | None = None
        refusal: MessageRefused | None = None
        try:
            message = read_message(data)
            self.take(self._reader.read(message, data))
        except MessageRefused as error:
            refusal = error
        except NotConformant as error:
            refusal = MessageRefused("AE", _DATA_TYPE, "MSH", str(error))
        except StoreUnavailable:
            refusal = MessageRefused("AE", _INTERNAL, "", "not kept; send it again later")
        if refusal is not None:
            emit(
                Event.MESSAGE_REFUSED,
                level=logging.WARNING,
                reason=refusal.condition,
                place=refusal.place,
            )
        return acknowledgement(message, self._clock.now(), refusal)

    def take(self, heard: Heard) -> None:
        """Act upon one message in one transaction. Raises :class:`StoreUnavailable`."""
        now = self._clock.now()
        with self._db.begin() as session:
            new = orders.hear(session, heard, now)
            for order in heard.orders if new else ():
                orders.save_order(session, order, now)
                orders.hurry(session, order)
            if new and heard.change is not None:
                before, kind = _before(heard.change)
                orders.follow_patient(session, before, heard.change.patient, kind, now)
        emit(Event.MESSAGE_TAKEN if new else Event.MESSAGE_REPEATED, kind=_known(heard))


def _before(change: PatientChange) -> tuple[PatientFacts, str]:
    if change.merged_from is not None:
        return change.merged_from, "merge"
    return change.patient, "update"


def _known(heard: Heard) -> str:
    """The kind was in the mapping, so that no text of a sender reaches the log."""
    return heard.kind.replace("^", "-").lower()
