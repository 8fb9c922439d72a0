"""One patient and one exposure: numbers drawn from a seed, in centimetres and degrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxr_node.domain.instance import View


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Lengths in centimetres; x grows to the image's right, the patient's left."""

    thorax_half_width: float
    thorax_depth: float
    apex: float
    dome_right: float
    dome_left: float
    wall: float
    """Soft tissue outside the ribs at the sides."""
    breast: float
    """Thickness of breast tissue; 0 for none."""
    ratio: float
    """Cardiothoracic ratio of the heart, before any finding."""
    rib_spacing: float
    rib_drop: float
    bone: float
    """Mineral factor, about 1."""
    rotation: float
    """Degrees about the long axis; positive turns the patient to the left."""
    calcified_knob: bool


@dataclass(frozen=True, slots=True)
class Exposure:
    """How the picture was taken. ``inspiration`` 1 is deep, 0 is poor."""

    view: View
    field_cm: float
    centre: tuple[float, float]
    tilt: float
    scatter: float
    photons: float
    sharpness: float
    window: tuple[float, float]
    gamma: float
    collimation: tuple[float, float, float, float]
    """Dark borders left, top, right, bottom as a share of the picture."""
    electrodes: int
    inspiration: float


def draw_exposure(rng: np.random.Generator, view: View) -> Exposure:
    """A bedside AP is more tilted, noisier, more scattered and less deeply inspired."""
    bedside = view is View.AP
    border = np.where(rng.random(4) < 0.35, rng.uniform(0.0, 0.05, 4), 0.0)
    return Exposure(
        view=view,
        field_cm=float(rng.uniform(36.5, 42.0)),
        centre=(float(rng.normal(0, 0.5)), float(rng.normal(0.3, 0.6))),
        tilt=float(np.deg2rad(rng.normal(0, 3.0 if bedside else 1.2))),
        scatter=float(rng.uniform(0.35, 0.6) if bedside else rng.uniform(0.15, 0.35)),
        photons=float(rng.uniform(500, 1500) if bedside else rng.uniform(1200, 4000)),
        sharpness=float(rng.uniform(0.2, 0.8)),
        window=(float(rng.normal(0, 0.04)), float(rng.normal(1.0, 0.06))),
        gamma=float(rng.uniform(0.8, 1.25)),
        collimation=(float(border[0]), float(border[1]), float(border[2]), float(border[3])),
        electrodes=int(rng.integers(1, 5)) if rng.random() < (0.6 if bedside else 0.06) else 0,
        inspiration=float(np.clip(rng.normal(0.45 if bedside else 0.8, 0.2), 0, 1)),
    )


def draw_anatomy(rng: np.random.Generator, exposure: Exposure) -> Anatomy:
    """An adult of varied habitus; the dome heights follow the inspiration."""
    bedside = exposure.view is View.AP
    stout = float(np.clip(rng.normal(0.4, 0.3), 0, 1))
    dome = 6.0 + 2.8 * exposure.inspiration + float(rng.normal(0, 0.4))
    return Anatomy(
        thorax_half_width=float(rng.normal(13.3, 0.7)),
        thorax_depth=float(rng.uniform(15.5, 19.0) + 1.5 * stout),
        apex=float(rng.normal(-13.2, 0.5)),
        dome_right=dome,
        dome_left=dome + float(rng.uniform(0.5, 1.6)),
        wall=1.6 + 3.4 * stout,
        breast=float(rng.uniform(1.0, 4.0)) if rng.random() < 0.5 else 0.0,
        ratio=float(rng.uniform(0.40, 0.48) + (0.02 if bedside else 0.0)),
        rib_spacing=float(rng.uniform(2.0, 2.35)),
        rib_drop=float(rng.uniform(2.6, 4.2)),
        bone=float(rng.uniform(0.75, 1.2)),
        rotation=float(rng.normal(0, 6.0 if bedside else 3.0)),
        calcified_knob=bool(rng.random() < 0.25),
    )


def quality(anatomy: Anatomy, exposure: Exposure) -> dict[str, str]:
    """Grade the five quality dimensions from what was drawn."""
    x, y = exposure.centre
    shift = exposure.window[0], 1 - exposure.window[1]
    return {
        "positioning": _grade(abs(float(np.rad2deg(exposure.tilt))), 4.0, 8.0),
        "inspiration": _grade(1 - exposure.inspiration, 0.55, 0.85),
        "exposure": _grade(max(abs(shift[0]), abs(shift[1])), 0.09, 0.16),
        "rotation": _grade(abs(anatomy.rotation), 6.0, 12.0),
        "coverage": _grade(max(abs(x), abs(y - 0.3)), 1.3, 2.2),
    }


def _grade(value: float, limited: float, inadequate: float) -> str:
    if value >= inadequate:
        return "inadequate"
    return "limited" if value >= limited else "adequate"
