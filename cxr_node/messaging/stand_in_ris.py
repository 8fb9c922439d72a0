"""A stand-in for a RIS, for sandboxes and demonstrations: sends orders, takes results.

It keeps nothing; a real RIS does far more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cxr_node.domain.errors import MessageRefused, NotConformant
from cxr_node.domain.ports import Clock
from cxr_node.messaging.acknowledgement import acknowledgement
from cxr_node.messaging.hl7_message import read_message
from cxr_node.messaging.hl7_text import encoded, escaped

_STUDY_UID = "110180"
_TRIAGE = "TRIAGE"
_DATA_TYPE = 102


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a RIS orders; all of it invented."""

    accession_number: str
    patient_id: str
    patient_name: str = ""
    """XPN: family^given."""
    priority: str = "R"
    patient_class: str = "O"
    reason: str = ""


def order_message(order: Ordered, now: datetime) -> bytes:
    """ORM^O01 of one chest radiograph."""
    stamp = now.strftime("%Y%m%d%H%M%S")
    number = escaped(order.accession_number)
    name = "^".join(escaped(part) for part in order.patient_name.split("^"))
    urgency = f"^^^{stamp}^^{escaped(order.priority)}"
    segments = (
        f"MSH|^~\\&|RIS|SANDBOX|CXRNODE|NODE|{stamp}||ORM^O01^ORM_O01|R{now.timestamp():.6f}|P"
        "|2.5.1||||||UNICODE UTF-8",
        f"PID|1||{escaped(order.patient_id)}^^^SANDBOX^MR||{name}",
        f"PV1|1|{escaped(order.patient_class)}",
        f"ORC|NW|{number}|{number}||||{urgency}",
        f"OBR|1|{number}|{number}|36554-4^Chest X-ray 1 view^LN{'|' * 14}{number}"
        f"{'|' * 9}{urgency}||||^{escaped(order.reason)}",
    )
    return encoded("".join(f"{segment}\r" for segment in segments), "UNICODE UTF-8")


@dataclass(frozen=True, slots=True)
class ResultHeard:
    """One line of what an ORU^R01 said."""

    accession_number: str
    study_uid: str
    status: str
    priority: str
    flag: str
    present: tuple[str, ...]
    """Names of the findings held present."""


def read_result(data: bytes) -> ResultHeard:
    """The gist of a result. Raises :class:`NotConformant`."""
    message = read_message(data)
    values: dict[str, tuple[str, str]] = {}
    present = []
    for obx in message.named("OBX"):
        within = [obx]
        code, value = (message.value(place, within) for place in ("OBX-3.1", "OBX-5.1"))
        values.setdefault(code, (value, message.value("OBX-8", within)))
        if message.value("OBX-5.2", within) == "Present":
            present.append(message.value("OBX-3.2", within))
    priority, flag = values.get(_TRIAGE, ("", ""))
    return ResultHeard(
        accession_number=message.value("OBR-18"),
        study_uid=values.get(_STUDY_UID, ("", ""))[0],
        status=message.value("OBR-25"),
        priority=priority,
        flag=flag,
        present=tuple(present),
    )


class ResultDesk:
    """Answers AA to every result and hands its gist to ``heard``."""

    def __init__(self, clock: Clock, heard: Callable[[ResultHeard], None]) -> None:
        self._clock = clock
        self._heard = heard

    def answer(self, data: bytes) -> bytes:
        """The acknowledgement; bytes that are no message are answered AR."""
        try:
            message = read_message(data)
        except NotConformant as error:
            refusal = MessageRefused("AR", _DATA_TYPE, "MSH", str(error))
            return acknowledgement(None, self._clock.now(), refusal)
        self._heard(read_result(data))
        return acknowledgement(message, self._clock.now())
