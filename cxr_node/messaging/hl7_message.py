"""One HL7 v2 message as segments of fields; splitting it is the library's work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import hl7

from cxr_node.domain.errors import NotConformant
from cxr_node.messaging.hl7_text import decoded, unescaped
from cxr_node.messaging.order_mapping import Place, parsed

_BROKEN = (hl7.exceptions.HL7Exception, IndexError, ValueError, KeyError, TypeError)
MOST_SEGMENTS = 2000
_MSH_AT_LEAST = 12


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as the library split it, still escaped."""

    raw: hl7.Segment
    codec: str

    @property
    def name(self) -> str:
        return str(self.raw[0])

    def repetitions(self, field: int) -> list[list[list[str]]]:
        """Repetitions of a field, each its components, each its subcomponents; unescaped."""
        try:
            found = self.raw[field]
        except IndexError:
            return []
        return [self._components(repetition) for repetition in found]

    def _components(self, repetition: object) -> list[list[str]]:
        if isinstance(repetition, str):
            return [[unescaped(repetition, self.codec)]]
        assert isinstance(repetition, list)
        return [self._subcomponents(component) for component in repetition]

    def _subcomponents(self, component: object) -> list[str]:
        parts = [component] if isinstance(component, str) else component
        assert isinstance(parts, list)
        return [unescaped(str(part), self.codec) for part in parts]


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose header can be answered."""

    segments: tuple[Segment, ...]
    codec: str

    @property
    def header(self) -> Segment:
        return self.segments[0]

    def value(self, place: str, within: Sequence[Segment] | None = None) -> str:
        """The component at ``place`` of the first segment of that name that has one; trimmed."""
        where = parsed(place)
        for segment in self.named(where.segment, within):
            if found := _component(segment.repetitions(where.field)[:1], where):
                return found
        return ""

    def named(self, name: str, within: Sequence[Segment] | None = None) -> Iterator[Segment]:
        """The segments of one name, in order."""
        return (one for one in (within or self.segments) if one.name == name)


def _component(repetitions: list[list[list[str]]], where: Place) -> str:
    for components in repetitions:
        parts = components[where.component - 1 : where.component]
        found = "".join(
            "".join(part[where.subcomponent - 1 : where.subcomponent]) for part in parts
        )
        return present(found)
    return ""


def present(value: str) -> str:
    """A value without blanks around it; the explicit null ``""`` is nothing said."""
    trimmed = value.strip()
    return "" if trimmed == '""' else trimmed


def read_message(data: bytes) -> Message:
    """Split a message. Raises :class:`NotConformant` for bytes that are none."""
    text, codec = decoded(data)
    body = text.replace("\r\n", "\r").replace("\n", "\r").strip("\r")
    if body.count("\r") >= MOST_SEGMENTS:
        raise NotConformant("the message has too many segments")
    try:
        whole = hl7.parse(body)
        segments = tuple(Segment(segment, codec) for segment in whole)
        names = [segment.name for segment in segments]
    except _BROKEN as error:
        raise NotConformant("the message cannot be split into segments") from error
    if names[0] != "MSH" or len(segments[0].raw) < _MSH_AT_LEAST:
        raise NotConformant("the message has no whole MSH segment")
    if any(len(name) != 3 or not name.isalnum() for name in names):
        raise NotConformant("a segment has no name")
    return Message(segments, codec)
