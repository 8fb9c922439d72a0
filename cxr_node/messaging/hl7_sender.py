"""Sends ORU^R01 over MLLP until the receiver has said AA; what else it says decides the rest."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from cxr_node.config_messaging import Hl7Section
from cxr_node.domain.delivery import Outcome, Parcel, Verdict
from cxr_node.domain.errors import ConfigurationError, NotConformant
from cxr_node.messaging.hl7_message import Message, read_message
from cxr_node.messaging.mllp import BrokenFrame, exchange
from cxr_node.messaging.notice_files import read_notice
from cxr_node.messaging.result_mapping import ResultMapping
from cxr_node.messaging.result_message import control_id, result_message

_TAKEN = frozenset({"AA", "CA"})
_LATER = frozenset({"204", "206", "207"})
"""Conditions (table 0357) that time may cure: unknown key, locked record, internal error."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What an acknowledgement says."""

    code: str
    control_id: str
    condition: str


def read_acknowledgement(data: bytes) -> Acknowledged:
    """MSA-1, MSA-2 and the error code. Raises :class:`NotConformant`."""
    message = read_message(data)
    code = message.value("MSA-1")
    if not code:
        raise NotConformant("the answer has no MSA-1")
    return Acknowledged(code, message.value("MSA-2"), _condition(message))


def _condition(message: Message) -> str:
    """ERR-3 since v2.5, MSA-6 and ERR-1.4 before."""
    places = ("ERR-3.1", "MSA-6.1", "ERR-1.4.1")
    return next((found for place in places if (found := message.value(place))), "")


def outcome_of(said: Acknowledged, asked: str) -> Outcome:
    """AA and CA are done. Errors that time may cure come again, and so does AE without a
    known code; a rejection and an error in the message itself do not."""
    if said.control_id != asked:
        return Outcome(Verdict.RETRY, "acknowledged another message")
    if said.code in _TAKEN:
        return Outcome(Verdict.DONE)
    numbered = said.condition if said.condition.isdigit() else ""
    words = f"answered {said.code[:2]} {numbered}".strip()
    status = int(numbered[:4]) if numbered else None
    again = numbered in _LATER or (said.code in ("AE", "CE") and not numbered)
    return Outcome(Verdict.RETRY if again else Verdict.REFUSED, words, status)


class Hl7Destination:
    """Fulfils :class:`cxr_node.domain.delivery.Destination`.

    One connection per message: a receiver that was restarted is found at once. Raises
    :class:`ConfigurationError` where the certificates cannot be used.
    """

    def __init__(self, section: Hl7Section, mapping: ResultMapping) -> None:
        self._section = section
        self._mapping = mapping
        self._context = _requesting(section)

    def send(self, parcel: Parcel) -> Outcome:
        """One ORU^R01; done where it was acknowledged with AA or CA."""
        try:
            notice = read_notice(parcel.path)
        except NotConformant as error:
            return Outcome(Verdict.REFUSED, str(error))
        message = result_message(notice, self._section, self._mapping)
        try:
            answer = exchange(
                (self._section.host, self._section.port),
                message,
                seconds=self._section.timeout_seconds,
                context=self._context,
            )
            said = read_acknowledgement(answer)
        except ssl.SSLError:
            return Outcome(Verdict.RETRY, "no TLS connection")
        except OSError as error:
            return Outcome(Verdict.RETRY, f"no connection ({type(error).__name__})")
        except BrokenFrame as error:
            return Outcome(Verdict.RETRY, f"no answer ({error.reason})")
        except NotConformant:
            return Outcome(Verdict.RETRY, "answered something that is no acknowledgement")
        return outcome_of(said, control_id(notice))


def _requesting(section: Hl7Section) -> ssl.SSLContext | None:
    if not section.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=section.ca_file or None)
        if section.certificate_file:
            context.load_cert_chain(section.certificate_file, section.key_file)
    except OSError as error:  # ssl.SSLError is one
        words = f"hl7 {section.name}: ca_file, certificate_file or key_file cannot be used (PEM)"
        raise ConfigurationError(words) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
