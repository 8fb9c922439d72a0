"""What is known of a picture because it was drawn: places, grades, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cxr_node.domain.findings import (
    DevicePosition,
    FindingKind,
    Laterality,
    Presence,
    Severity,
    Zone,
)
from cxr_node.domain.instance import View
from cxr_node.phantom.batched.case import Case, Plan
from cxr_node.phantom.batched.draw import Drawn
from cxr_node.phantom.batched.finish import edges
from cxr_node.phantom.batched.geometry import Geometry, geometry
from cxr_node.phantom.batched.patient import quality
from cxr_node.phantom.batched.signs import IMPLIED, Sign, presences

PixelBox = tuple[float, float, float, float]
"""Left, top, right, bottom edges in pixels of the phantom's own image."""
_LEAST = 0.12
"""Square centimetres of a sign that must lie in the lit field for it to count as shown."""
_FIXED_ZONES = {
    Sign.PLEURAL_EFFUSION: Zone.LOWER,
    Sign.EDEMA: Zone.MIDDLE,
    Sign.CARDIOMEGALY: Zone.HEART,
    Sign.ENLARGED_CARDIOMEDIASTINUM: Zone.MEDIASTINUM,
    Sign.FRACTURE: Zone.CHEST_WALL,
    Sign.FREE_AIR: Zone.LOWER,
    Sign.ENDOTRACHEAL_TUBE: Zone.MEDIASTINUM,
    Sign.ENTERIC_TUBE: Zone.MEDIASTINUM,
    Sign.CENTRAL_VENOUS_CATHETER: Zone.MEDIASTINUM,
    Sign.PORT: Zone.CHEST_WALL,
    Sign.PACEMAKER: Zone.CHEST_WALL,
}


@dataclass(frozen=True, slots=True)
class SignTruth:
    """One drawn sign. ``box`` is the bounding box of its mask; ``side`` is the patient's.

    On a lateral view no side can be told and none is given.
    """

    sign: Sign
    box: PixelBox
    side: Laterality | None
    zone: Zone
    severity: Severity | None
    position: DevicePosition | None
    detail: str = ""
    """What tells variants apart: plate, lobe, apical, several, bronchus …"""


@dataclass(frozen=True, slots=True)
class KindTruth:
    """One finding of the vocabulary that is present, with the sign it is seen by."""

    kind: FindingKind
    seen_by: SignTruth


@dataclass(frozen=True, slots=True)
class Facts:
    """The picture's facts. Boxes in pixels; heart, thorax and ratio None on a lateral view."""

    seed: int
    view: View
    difficulty: str
    signs: tuple[SignTruth, ...]
    quality: dict[str, str]
    heart: PixelBox | None
    thorax: PixelBox | None
    ratio: float | None

    @property
    def projection(self) -> str:
        """The stage-1 option."""
        return "lateral" if self.view is View.LATERAL else self.view.value

    @property
    def presence(self) -> dict[FindingKind, Presence]:
        """All 18 kinds, by the table of implications."""
        return presences([s.sign for s in self.signs])

    @property
    def kinds(self) -> tuple[KindTruth, ...]:
        """The kinds present, in the order of the vocabulary."""
        present = self.presence
        return tuple(
            KindTruth(kind, self._source(kind))
            for kind in FindingKind
            if present[kind] is Presence.PRESENT
        )

    def _source(self, kind: FindingKind) -> SignTruth:
        """Its own sign, else the one that implies it and fills the largest box."""
        own = [s for s in self.signs if s.sign.kind is kind]
        implying = [s for s in self.signs if kind in IMPLIED.get(s.sign, ())]
        return max(own or implying, key=lambda s: _area(s.box))

    @property
    def others(self) -> tuple[str, ...]:
        """Abnormalities outside the vocabulary, in words."""
        found = any(s.sign is Sign.FREE_AIR for s in self.signs)
        return ("free air under the diaphragm",) if found else ()

    @property
    def abnormal(self) -> bool:
        """A device alone does not make a study abnormal."""
        return any(not s.sign.is_device for s in self.signs)

    def sign(self, sign: Sign) -> SignTruth | None:
        return next((s for s in self.signs if s.sign is sign), None)


def _area(box: PixelBox) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def box_of(mask: torch.Tensor) -> PixelBox:
    """The tightest box around a mask that is not empty."""
    rows = torch.nonzero(mask.any(dim=1)).flatten()
    columns = torch.nonzero(mask.any(dim=0)).flatten()
    return (
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] + 1),
        float(rows[-1] + 1),
    )


def lit(case: Case, size: int, mask: torch.Tensor) -> torch.Tensor:
    """The part of a mask inside the collimated field."""
    left, top, right, bottom = edges(case, size)
    shown = torch.zeros_like(mask)
    shown[top:bottom, left:right] = mask[top:bottom, left:right]
    return shown


def facts(drawn: Drawn, row: int) -> tuple[Facts, dict[Sign, torch.Tensor]]:
    """The facts of one picture of a batch and the masks of the signs that it shows."""
    case, size = drawn.cases[row], drawn.images.shape[-1]
    g = geometry(case)
    least = _LEAST * (size / case.exposure.field) ** 2
    signs, masks = [], {}
    for p in case.plans:
        if (row, p.sign) not in drawn.masks:
            continue
        mask = lit(case, size, drawn.masks[row, p.sign])
        if int(mask.sum()) >= least:
            masks[p.sign] = mask
            signs.append(_sign(case, g, p, mask))
    heart, thorax, ratio = _extents(drawn, row)
    found = Facts(
        seed=case.seed,
        view=case.view,
        difficulty=case.level.value,
        signs=tuple(signs),
        quality=quality(case.exposure),
        heart=heart,
        thorax=thorax,
        ratio=ratio,
    )
    return found, masks


def _extents(drawn: Drawn, row: int) -> tuple[PixelBox | None, PixelBox | None, float | None]:
    if drawn.cases[row].view is View.LATERAL:
        return None, None, None
    heart, thorax = box_of(drawn.heart[row]), box_of(drawn.thorax[row])
    return heart, thorax, (heart[2] - heart[0]) / (thorax[2] - thorax[0])


def _sign(case: Case, g: Geometry, p: Plan, mask: torch.Tensor) -> SignTruth:
    lateral = case.view is View.LATERAL
    return SignTruth(
        sign=p.sign,
        box=box_of(mask),
        side=None if lateral else p.side,
        zone=_zone(case, g, p, mask),
        severity=None if p.sign.is_device else p.severity,
        position=p.position,
        detail=_detail(p, lateral=lateral),
    )


def _detail(p: Plan, *, lateral: bool) -> str:
    """The variant drawn; a lateral view shows one of several nodules."""
    return "nodule" if lateral and p.variant == "several" else p.variant


def _zone(case: Case, g: Geometry, p: Plan, mask: torch.Tensor) -> Zone:
    if p.sign is Sign.PNEUMOTHORAX:
        return (Zone.APEX, Zone.UPPER, Zone.MIDDLE)[p.grade]
    if p.variant == "apical":
        return Zone.APEX
    if p.sign is Sign.CHEST_TUBE and p.position is DevicePosition.MALPOSITIONED:
        return Zone.CHEST_WALL
    if p.sign in _FIXED_ZONES:
        return _FIXED_ZONES[p.sign]
    rows = torch.nonzero(mask)[:, 0].float().mean()
    size = mask.shape[0]
    y = (float(rows) + 0.5 - size / 2) * case.exposure.field / size - case.exposure.centre[1]
    share = (y - g.apex) / (min(g.dome) + 1.0 - g.apex)
    return Zone.UPPER if share < 1 / 3 else Zone.MIDDLE if share < 2 / 3 else Zone.LOWER
