"""Thickness maps of a batch, filled by anatomy and signs, then exposed by the detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from cxr_node.phantom.batched.case import Case, Plan
from cxr_node.phantom.batched.geometry import Geometry
from cxr_node.phantom.batched.shapes import Frame
from cxr_node.phantom.batched.signs import Sign

SIDES = (-1.0, 1.0)
"""The image direction of the patient's right (0) and left (1)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One side of one planned sign in one picture of the batch."""

    row: int
    side: int
    plan: Plan


@dataclass(slots=True)
class Scene:
    """Maps in centimetres along the beam, each (batch, size, size); lungs by side first.

    ``body`` is all tissue including the lungs' own depth; ``soft`` is tissue inside the lung
    that replaces it, ``gas`` is air that replaces lung, ``air`` is air that replaces tissue.
    """

    cases: Sequence[Case]
    shapes: Sequence[Geometry]
    frame: Frame
    body: torch.Tensor
    cavity: torch.Tensor = field(init=False)
    lung: torch.Tensor = field(init=False)
    outer: torch.Tensor = field(init=False)
    dome: torch.Tensor = field(init=False)
    edge: torch.Tensor = field(init=False)
    """Distance from the middle as a share of the mediastinum's half width, at most 1."""
    gas: torch.Tensor = field(init=False)
    air: torch.Tensor = field(init=False)
    soft: torch.Tensor = field(init=False)
    bone: torch.Tensor = field(init=False)
    metal: torch.Tensor = field(init=False)
    density: torch.Tensor = field(init=False)
    heart: torch.Tensor = field(init=False)
    """The heart's silhouette as a mask."""
    masks: dict[tuple[int, Sign], torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cavity = self.body.new_zeros((2, *self.body.shape))
        self.lung = torch.zeros_like(self.cavity)
        for name in ("outer", "dome", "edge", "gas", "air", "soft", "bone", "metal"):
            setattr(self, name, torch.zeros_like(self.body))
        self.density = torch.ones_like(self.body)
        self.heart = torch.zeros_like(self.body, dtype=torch.bool)

    def parts(self, sign: Sign) -> list[Part]:
        """Every side of every plan of ``sign``; a sign without side counts as the right."""
        return [
            Part(row, side, p)
            for row, case in enumerate(self.cases)
            if (p := case.plan(sign)) is not None
            for side in (p.sides() or (0,))
        ]

    def found(self, part: Part, mask: torch.Tensor) -> None:
        """Add to the mask of a sign; what left no mark in the picture is not there."""
        key = (part.row, part.plan.sign)
        self.masks[key] = self.masks[key] | mask if key in self.masks else mask


def per_part(scene: Scene, values: Sequence[float]) -> torch.Tensor:
    """One number per part as a (parts, 1, 1) tensor on the scene's device."""
    flat = torch.as_tensor(np.asarray(values, np.float32), device=scene.frame.device)
    return flat.reshape(-1, 1, 1)


def batches(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Parts split so that no picture is touched twice in one step."""
    for side in (0, 1):
        own = [p for p in parts if p.side == side]
        if own:
            yield own
