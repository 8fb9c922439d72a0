"""Thickness maps of one projection, filled by anatomy and findings, then exposed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cxr_node.domain.findings import DevicePosition, FindingKind, Laterality, Severity, Zone
from cxr_node.phantom.anatomy import Anatomy, Exposure
from cxr_node.phantom.raster import Frame
from cxr_node.phantom.truth import FindingTruth, Mask, Pixels, bounding_box


@dataclass(slots=True)
class Scene:
    """Maps in centimetres along the beam. ``body`` includes the lungs' own depth."""

    frame: Frame
    anatomy: Anatomy
    exposure: Exposure
    body: Pixels
    cavity: dict[Laterality, Pixels] = field(default_factory=dict)
    """Pleural space of each side; what of it is lung is in ``lung``."""
    lung: dict[Laterality, Pixels] = field(default_factory=dict)
    gas: Pixels = field(init=False)
    """Free air of a pneumothorax."""
    density: Pixels = field(init=False)
    """Relative density of the lung, 1 where healthy."""
    air: Pixels = field(init=False)
    soft: Pixels = field(init=False)
    """Soft tissue inside the lung (vessels, a mass), replacing it."""
    bone: Pixels = field(init=False)
    metal: Pixels = field(init=False)
    masks: dict[FindingKind, Mask] = field(default_factory=dict)
    truths: list[FindingTruth] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape = self.body.shape
        self.density = np.ones(shape, dtype=np.float32)
        self.gas = np.zeros(shape, dtype=np.float32)
        self.air = np.zeros(shape, dtype=np.float32)
        self.soft = np.zeros(shape, dtype=np.float32)
        self.bone = np.zeros(shape, dtype=np.float32)
        self.metal = np.zeros(shape, dtype=np.float32)

    @property
    def lungs(self) -> Pixels:
        """Both sides together."""
        total = np.zeros_like(self.body)
        for part in self.lung.values():
            total = total + part
        return total

    def found(
        self,
        kind: FindingKind,
        mask: Mask,
        *,
        side: Laterality | None = None,
        zone: Zone | None = None,
        severity: Severity | None = None,
        position: DevicePosition | None = None,
    ) -> None:
        """Record a finding with its mask; one that left no mark in the picture is not one."""
        if mask.any():
            self.masks[kind] = mask
            box = bounding_box(mask)
            self.truths.append(FindingTruth(kind, box, side, zone, severity, position))
