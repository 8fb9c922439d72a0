"""HL7 v2 orders and patient changes as what they say, by the site's mapping."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cxr_node.domain.errors import MessageRefused
from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.notice import Coded
from cxr_node.domain.orders import Heard, OrderFacts, OrderState, PatientChange
from cxr_node.messaging.hl7_message import Message, Segment, present
from cxr_node.messaging.order_mapping import OrderMapping, parsed
from cxr_node.messaging.person_names import to_pn

_GROUP_STARTS = "ORC"
_DIGITS = re.compile(r"\d{8}(?:\d{2}){0,3}")
_UID = re.compile(r"[0-9.]{1,64}\Z")
_SEXES = frozenset({"M", "F", "O"})
_UNSUPPORTED_TYPE, _UNSUPPORTED_EVENT, _MISSING = 200, 201, 101


@dataclass(frozen=True, slots=True)
class OrderReader:
    """Reads messages by one mapping."""

    mapping: OrderMapping

    def read(self, message: Message, data: bytes) -> Heard:
        """What the message says. Raises :class:`MessageRefused` naming the field."""
        code, trigger = message.value("MSH-9.1"), message.value("MSH-9.2")
        kind = f"{code}^{trigger}"
        control_id = message.value("MSH-10")
        if not control_id:
            raise MessageRefused("AE", _MISSING, "MSH-10", "no message control ID")
        heard = Heard(
            sender="|".join(message.value(f"MSH-{number}") for number in (3, 4)),
            control_id=control_id,
            sha256=hashlib.sha256(data).hexdigest(),
            kind=kind,
        )
        return self._filled(message, heard)

    def _filled(self, message: Message, heard: Heard) -> Heard:
        said = (heard.sender, heard.control_id, heard.sha256, heard.kind)
        if heard.kind in self.mapping.orders:
            return Heard(*said, orders=tuple(self._orders(message)))
        if heard.kind in self.mapping.updates:
            return Heard(*said, change=PatientChange(self._patient(message)))
        if heard.kind in self.mapping.merges:
            return Heard(*said, change=self._merge(message))
        if heard.kind in self.mapping.ignored:
            return heard
        known = {kind.partition("^")[0] for kind in (*self.mapping.orders, *self.mapping.updates)}
        code = heard.kind.partition("^")[0]
        number = _UNSUPPORTED_EVENT if code in known else _UNSUPPORTED_TYPE
        raise MessageRefused("AR", number, "MSH-9", "this message is not taken here")

    def _patient(self, message: Message) -> PatientFacts:
        places = self.mapping.patient
        identifier, issuer = self._identifier(message, places.patient_id, places.issuer)
        if not identifier:
            raise MessageRefused("AE", _MISSING, places.patient_id[0], "no patient identifier")
        sex = _first(message, places.sex).upper()
        return PatientFacts(
            patient_id=identifier,
            issuer=issuer,
            name=_name(message, places.name),
            birth_date=_date_time(_first(message, places.birth_date))[:8],
            sex=sex if sex in _SEXES else "",
        )

    def _merge(self, message: Message) -> PatientChange:
        places = self.mapping.patient
        prior, issuer = self._identifier(message, places.prior_id, places.prior_issuer)
        if not prior:
            where = (*places.prior_id, "MRG-1")[0]
            raise MessageRefused("AE", _MISSING, where, "no identifier to merge from")
        return PatientChange(self._patient(message), PatientFacts(prior, issuer))

    def _identifier(
        self, message: Message, places: Sequence[str], issuers: Sequence[str]
    ) -> tuple[str, str]:
        """Identifier and issuer of the repetition whose type comes first in the mapping."""
        for text in places:
            where = parsed(text)
            for segment in message.named(where.segment):
                chosen = self._chosen(segment.repetitions(where.field), where.component)
                if chosen is not None:
                    value = present("".join(chosen[where.component - 1][:1]))
                    return value, _issuer(chosen, issuers, where.field)
        return "", ""

    def _chosen(self, repetitions: list[list[list[str]]], component: int) -> list[list[str]] | None:
        ranks = {name: rank for rank, name in enumerate(self.mapping.identifier_types)}
        last = len(ranks)

        def rank(components: list[list[str]]) -> int:
            kind = components[4][0] if len(components) > 4 else ""
            return ranks.get(kind, last)

        filled = [
            one
            for one in repetitions
            if len(one) >= component and present("".join(one[component - 1][:1]))
        ]
        return min(filled, key=rank, default=None)

    def _orders(self, message: Message) -> Iterator[OrderFacts]:
        """One order for each ORC with its OBR, or for each OBR where there is no ORC."""
        patient = self._patient(message)
        found = list(_groups(message))
        if not found:
            raise MessageRefused("AE", _MISSING, "OBR", "no order in the message")
        for common, group in found:
            order = self._order(message, patient, [*common, *group])
            if not order.key:
                place = self.mapping.order.accession_number[0]
                raise MessageRefused("AE", _MISSING, place, "an order without any number")
            yield order

    def _order(
        self, message: Message, patient: PatientFacts, within: Sequence[Segment]
    ) -> OrderFacts:
        places = self.mapping.order

        def said(name: str) -> str:
            return _first(message, getattr(places, name), within)

        uid = said("study_uid")
        cancelled = said("control").upper() in self.mapping.cancels
        code = said("procedure_code")
        return OrderFacts(
            patient=patient,
            accession_number=said("accession_number"),
            placer_number=said("placer_number"),
            filler_number=said("filler_number"),
            study_uid=uid if _UID.match(uid) else "",
            priority=self.mapping.priority(said("priority")),
            patient_class=self.mapping.patient_class(said("patient_class")),
            reason=said("reason"),
            procedure=Coded(said("procedure_scheme"), code, said("procedure_text"))
            if code or said("procedure_text")
            else None,
            scheduled_at=_date_time(said("scheduled_at")),
            referring_physician=_physician(message, places.referring_physician, within),
            state=OrderState.CANCELLED if cancelled else OrderState.OPEN,
        )


def _groups(message: Message) -> Iterator[tuple[list[Segment], list[Segment]]]:
    """What comes before the first order, and the segments of each order."""
    names = [segment.name for segment in message.segments]
    start = _GROUP_STARTS if _GROUP_STARTS in names else "OBR"
    firsts = [number for number, name in enumerate(names) if name == start]
    common = list(message.segments[1 : firsts[0]]) if firsts else []
    for first, end in pairwise([*firsts, len(names)]):
        yield common, list(message.segments[first:end])


def _first(message: Message, places: Sequence[str], within: Sequence[Segment] | None = None) -> str:
    return next((found for text in places if (found := message.value(text, within))), "")


def _issuer(chosen: list[list[str]], issuers: Sequence[str], field: int) -> str:
    for text in issuers:
        where = parsed(text)
        if where.field == field and len(chosen) >= where.component:
            parts = chosen[where.component - 1]
            return present("".join(parts[where.subcomponent - 1 : where.subcomponent]))
    return ""


def _name(message: Message, places: Sequence[str]) -> str:
    for text in places:
        where = parsed(text)
        for segment in message.named(where.segment):
            repetitions = [
                [present("".join(component[:1])) for component in components]
                for components in segment.repetitions(where.field)
            ]
            if found := to_pn(repetitions):
                return found
    return ""


def _physician(message: Message, places: Sequence[str], within: Sequence[Segment]) -> str:
    """A Person Name from XCN, where the parts of a name follow an identifier."""
    for text in places:
        where = parsed(text)
        for segment in message.named(where.segment, within):
            for components in segment.repetitions(where.field)[:1]:
                parts = [present("".join(component[:1])) for component in components]
                if found := to_pn([parts[1:6]]):
                    return found
    return ""


def _date_time(said: str) -> str:
    """HL7 DTM without fraction and zone; empty where it is none."""
    found = _DIGITS.match(said)
    return found[0] if found else ""
