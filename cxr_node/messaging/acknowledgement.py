"""The answer to a received HL7 v2 message: MSA, and ERR where something was wrong (§2.9)."""

from __future__ import annotations

from datetime import datetime

from cxr_node.domain.errors import MessageRefused
from cxr_node.messaging.hl7_message import Message
from cxr_node.messaging.hl7_text import encoded, escaped

_ECHOED = 199
_WORDS = {
    101: "Required field missing",
    102: "Data type error",
    200: "Unsupported message type",
    201: "Unsupported event code",
    207: "Application internal error",
}
_DEFAULT_SET = "UNICODE UTF-8"


def acknowledgement(
    message: Message | None, now: datetime, refusal: MessageRefused | None = None
) -> bytes:
    """AA, or the code of ``refusal``. Without a readable header the answer names no message.

    ``now`` makes MSH-7 and the answer's own control identifier.
    """
    stamp = now.strftime("%Y%m%d%H%M%S")
    heard = [message.value(f"MSH-{n}") for n in (3, 4, 5, 6, 11, 12)] if message else [""] * 6
    application, facility, own, own_facility, processing, version = map(_short, heard)
    trigger = _short(message.value("MSH-9.2")) if message else ""
    control_id = _short(message.value("MSH-10")) if message else ""
    kind = f"ACK^{trigger}^ACK" if trigger else "ACK"
    number = f"A{now.strftime('%Y%m%d%H%M%S%f')}"
    header = (
        f"MSH|^~\\&|{own}|{own_facility}|{application}|{facility}|{stamp}||{kind}|{number}"
        f"|{processing or 'P'}|{version or '2.5.1'}||||||{_DEFAULT_SET}"
    )
    code = refusal.answer if refusal else "AA"
    segments = [header, f"MSA|{code}|{control_id}"]
    if refusal is not None:
        segments.append(_error(refusal))
    return encoded("".join(f"{segment}\r" for segment in segments), _DEFAULT_SET)


def _error(refusal: MessageRefused) -> str:
    segment, _, rest = refusal.place.partition("-")
    location = f"{segment}^1^{rest.partition('.')[0]}" if segment else ""
    words = _WORDS.get(refusal.condition, "Application error")
    coded = f"{refusal.condition}^{words}^HL70357"
    return f"ERR||{location}|{coded}|E||||{escaped(str(refusal))}"


def _short(value: str) -> str:
    return escaped(value[:_ECHOED])
