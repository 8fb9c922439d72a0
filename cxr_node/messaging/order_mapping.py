"""The shape of ``messages/orders.yaml``: which field of a message feeds what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cxr_node.domain.policy import PatientClass
from cxr_node.domain.priority import Priority

_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9]\d?)(?:\.([1-9]\d?))?(?:\.([1-9]\d?))?\Z")
_EVENT = re.compile(r"[A-Z0-9]{3}\^[A-Z0-9]{3}\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """A component of a field, all counted from 1."""

    segment: str
    field: int
    component: int = 1
    subcomponent: int = 1


def _place(text: str) -> str:
    parsed(text)
    return text


def _event(text: str) -> str:
    if not _EVENT.match(text):
        raise ValueError(f"{text}: must look like ORM^O01")
    return text


def parsed(text: str) -> Place:
    """A place as it is written, such as PID-3.4.1. Raises ValueError."""
    found = _PLACE.match(text)
    if not found:
        raise ValueError(f"{text}: must look like PID-3, PID-3.4 or PID-3.4.1")
    segment, field, *rest = found.groups()
    component, subcomponent = (int(part) if part else 1 for part in rest)
    return Place(segment, int(field), component, subcomponent)


Places = tuple[Annotated[str, AfterValidator(_place)], ...]
Events = tuple[Annotated[str, AfterValidator(_event)], ...]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PatientPlaces(_Table):
    """Where the facts of a patient stand. ``name`` means whole fields."""

    patient_id: Places = Field(min_length=1)
    issuer: Places = ()
    name: Places = ()
    birth_date: Places = ()
    sex: Places = ()
    prior_id: Places = ()
    prior_issuer: Places = ()


class OrderPlaces(_Table):
    """Where the facts of an order stand."""

    control: Places = ()
    status: Places = ()
    placer_number: Places = ()
    filler_number: Places = ()
    accession_number: Places = Field(min_length=1)
    study_uid: Places = ()
    priority: Places = ()
    patient_class: Places = ()
    reason: Places = ()
    procedure_code: Places = ()
    procedure_text: Places = ()
    procedure_scheme: Places = ()
    scheduled_at: Places = ()
    referring_physician: Places = ()


class OrderMapping(_Table):
    """The whole file."""

    version: str = Field(max_length=16)
    orders: Events
    updates: Events
    merges: Events
    ignored: Events
    patient: PatientPlaces
    identifier_types: tuple[str, ...] = Field(min_length=1)
    order: OrderPlaces
    cancels: tuple[str, ...]
    priorities: dict[Priority, tuple[str, ...]]
    patient_classes: dict[PatientClass, tuple[str, ...]]

    @model_validator(mode="after")
    def _once(self) -> Self:
        events = [*self.orders, *self.updates, *self.merges, *self.ignored]
        if len(events) != len(set(events)):
            raise ValueError("orders: a message stands in two of orders, updates, merges, ignored")
        for name, table in (("priorities", self.priorities), ("classes", self.patient_classes)):
            values = [value for held in table.values() for value in held]
            if len(values) != len(set(values)):
                raise ValueError(f"{name}: a value stands under two names")
        return self

    def priority(self, said: str) -> Priority:
        """What a value means; an unknown one is an ordinary order."""
        return next(
            (found for found, held in self.priorities.items() if said.upper() in held),
            Priority.ROUTINE,
        )

    def patient_class(self, said: str) -> PatientClass:
        """What a value means; unknown where it means nothing here."""
        return next(
            (found for found, held in self.patient_classes.items() if said.upper() in held),
            PatientClass.UNKNOWN,
        )
