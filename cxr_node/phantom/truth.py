"""What is known of a phantom because it was drawn: findings, boxes, extents and prose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.findings import DevicePosition, FindingKind, Laterality, Severity, Zone
from cxr_node.domain.instance import View

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]
PixelBox = tuple[float, float, float, float]
"""Left, top, right, bottom edges in pixels of the phantom's own image."""

DIFFICULTY = "phantom-1"
"""Version of how conspicuous findings are; changes whenever the drawing does."""

DRAWN: tuple[FindingKind, ...] = (
    FindingKind.PNEUMOTHORAX,
    FindingKind.PLEURAL_EFFUSION,
    FindingKind.CARDIOMEGALY,
    FindingKind.CONSOLIDATION,
    FindingKind.LUNG_LESION,
    FindingKind.PACEMAKER,
    FindingKind.ENDOTRACHEAL_TUBE,
    FindingKind.CENTRAL_VENOUS_CATHETER,
)
"""The findings a phantom can have; every other label is absent by construction."""


@dataclass(frozen=True, slots=True)
class FindingTruth:
    """One finding as drawn. ``side`` is the patient's; None where it has no meaning."""

    kind: FindingKind
    box: PixelBox
    side: Laterality | None = None
    zone: Zone | None = None
    severity: Severity | None = None
    position: DevicePosition | None = None


@dataclass(frozen=True, slots=True)
class PhantomTruth:
    """The answers. ``heart`` and ``thorax`` are None on a lateral view, as is ``ratio``."""

    projection: View
    findings: tuple[FindingTruth, ...]
    quality: dict[str, str]
    heart: PixelBox | None
    thorax: PixelBox | None
    ratio: float | None
    findings_text: str
    impression: str

    @property
    def kinds(self) -> frozenset[FindingKind]:
        return frozenset(f.kind for f in self.findings)

    @property
    def abnormal(self) -> bool:
        """A device alone does not make a study abnormal."""
        return any(not f.kind.is_device for f in self.findings)


@dataclass(frozen=True, slots=True)
class Phantom:
    """A synthetic radiograph: ``image`` is (size, size), 0 to 1, bones bright."""

    seed: int
    size: int
    view: View
    image: Pixels
    truth: PhantomTruth
    masks: dict[FindingKind, Mask]


def bounding_box(mask: Mask) -> PixelBox:
    """The tightest box around a mask that is not empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    return (
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] + 1),
        float(rows[-1] + 1),
    )
