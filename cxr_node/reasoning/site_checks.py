"""Answers against the table of allowed triples, and boxes against side and zone.

On a frontal radiograph the patient's right is the image's left. Where a box lies is measured
on the box of the thorax when there is one, otherwise on the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cxr_node.domain.findings import (
    Clash,
    Contradiction,
    Finding,
    FindingKind,
    Laterality,
    Reading,
    Zone,
)
from cxr_node.domain.instance import View
from cxr_node.reasoning.allowed import may_lie, may_relate
from cxr_node.reasoning.sources import changes, relations, words

_K, _Z = FindingKind, Zone
_SLACK = 0.04
"""Share of the width by which a box may lie beyond the midline: rotation, a wide box."""
_LINE_SLACK = 0.12
"""The same for what ends in the vena cava or the heart, whichever side it came from."""
_LINES = frozenset({_K.CENTRAL_VENOUS_CATHETER, _K.PORT, _K.PACEMAKER})

# A zone to the highest and lowest place, as shares of the height, of a box's middle.
_HEIGHTS: dict[Zone, tuple[float, float]] = {
    _Z.APEX: (-0.2, 0.50),
    _Z.UPPER: (-0.2, 0.60),
    _Z.MIDDLE: (0.15, 0.85),
    _Z.LOWER: (0.38, 1.2),
}
_HALF = 0.5
_MIDDLE_REACH = 0.35
"""Share of the width around the midline in which heart and mediastinum lie."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A box in shares of thorax or image: 0 is the left or upper edge, 1 the other."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def x(self) -> float:
        return (self.x0 + self.x1) / 2

    @property
    def y(self) -> float:
        return (self.y0 + self.y1) / 2


def clashes(reading: Reading) -> Iterator[Contradiction]:
    """Every answer that stands where, or beside what, it cannot."""
    for finding in reading.present:
        yield from _zone(finding)
        yield from _box(reading, finding)
    yield from _relations(reading)
    yield from _changes(reading)


def _zone(finding: Finding) -> Iterator[Contradiction]:
    if finding.zone is not None and not may_lie(finding.kind, finding.zone):
        place = finding.zone.replace("_", " ")
        said = f"{words(finding.kind)} does not lie in the zone {place}"
        yield Contradiction(Clash.ANATOMY, said, (finding.kind,))


def _relations(reading: Reading) -> Iterator[Contradiction]:
    for first, relation, second in relations(reading):
        if not may_relate(first, relation, second):
            said = f"a {words(first)} that {relation} a {words(second)} is not plausible"
            yield Contradiction(Clash.RELATION, said, (first, second))


def _changes(reading: Reading) -> Iterator[Contradiction]:
    answered = changes(reading)
    for finding in reading.present:
        if answered.get(finding.kind) == "resolved":
            said = f"{words(finding.kind)} is called resolved, yet held present"
            yield Contradiction(Clash.CHANGE, said, (finding.kind,))


def _box(reading: Reading, finding: Finding) -> Iterator[Contradiction]:
    place = _place(reading, finding)
    if place is None:
        return
    if finding.kind.has_side and _on_wrong_side(place, finding):
        said = (
            f"the box of the {words(finding.kind)} lies on the other side than {finding.laterality}"
        )
        yield Contradiction(Clash.BOX, said, (finding.kind,))
    if finding.zone is not None and _outside(place, finding.zone):
        zone = finding.zone.replace("_", " ")
        said = f"the box of the {words(finding.kind)} does not lie in the zone {zone}"
        yield Contradiction(Clash.BOX, said, (finding.kind,))


def _place(reading: Reading, finding: Finding) -> _Place | None:
    """Where the box lies; None without one, or when the picture is no frontal view."""
    box, image = finding.box, reading.images[0]
    lateral = View.LATERAL in (image.view.upper(), (reading.projection or "").upper())
    if box is None or lateral or box.sop_instance_uid != image.sop_instance_uid:
        return None
    x0, y0, x1, y1 = 0.0, 0.0, float(image.columns), float(image.rows)
    if reading.ratio is not None:
        thorax = reading.ratio.thorax
        x0, y0, x1, y1 = thorax.x0, thorax.y0, thorax.x1, thorax.y1
    width, height = x1 - x0, y1 - y0
    return _Place(
        (box.x0 - x0) / width,
        (box.y0 - y0) / height,
        (box.x1 - x0) / width,
        (box.y1 - y0) / height,
    )


def _on_wrong_side(place: _Place, finding: Finding) -> bool:
    slack = _LINE_SLACK if finding.kind in _LINES else _SLACK
    if finding.laterality is Laterality.RIGHT:
        return place.x > _HALF + slack
    return finding.laterality is Laterality.LEFT and place.x < _HALF - slack


def _outside(place: _Place, zone: Zone) -> bool:
    """Whether a box misses its zone by far; a tall one reaches into several."""
    if zone in (_Z.MEDIASTINUM, _Z.HEART):
        return abs(place.x - _HALF) > _MIDDLE_REACH
    if zone not in _HEIGHTS:
        return False
    highest, lowest = _HEIGHTS[zone]
    if place.y > lowest:
        return place.y0 > lowest - 0.2
    return place.y < highest and place.y1 < highest + 0.2
