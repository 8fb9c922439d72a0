"""The shape of one chest in this film: levels, outlines and depths as tables over height.

Outlines are tables because a picture then costs one gather per outline, whatever its form.
Everything is worked out from the case on the CPU, in centimetres from the middle of the chest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_node.domain.instance import View
from cxr_node.phantom.batched.case import Case
from cxr_node.phantom.batched.signs import Sign

Table = NDArray[np.float32]
REACH = 27.0
STEP = 0.01
_COARSE = np.arange(-REACH, REACH + 0.05, 0.1)
GRID = np.arange(-REACH, REACH + STEP / 2, STEP)
"""Heights (or, for the domes, breadths) of the tables."""
CARINA = -4.4

# Share of the height from apex to costophrenic angle; half width in units of the largest.
_HEIGHTS = (-0.015, 0.0, 0.02, 0.05, 0.10, 0.17, 0.28, 0.42, 0.58, 0.75, 0.9, 1.0, 1.15)
_OUTER = (0.20, 0.31, 0.40, 0.49, 0.60, 0.71, 0.82, 0.90, 0.95, 0.985, 1.0, 0.995, 0.97)
_DEPTHS = (0.0, 0.1, 0.2, 0.33, 0.48, 0.62, 0.78, 0.91, 1.0, 1.0, 0.95, 0.9, 0.85)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Levels and widths of one film."""

    apex: float
    dome: tuple[float, float]
    """Right and left."""
    half: float
    depth: float
    ratio: float
    widening: tuple[float, float]
    shift: float
    """Mediastinum pushed to the patient's left, cm."""
    turn: float
    """Apparent shift of anterior structures by rotation, cm."""

    @property
    def bottom(self) -> float:
        """The level of the costophrenic angles."""
        return max(self.dome) + 3.6

    def share(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Height as a share from apex (0) to the angles (1)."""
        return np.asarray((y - self.apex) / (self.bottom - self.apex))

    def outer_at(self, y: float) -> float:
        """Inner half width of the rib cage at a height."""
        share = float(self.share(np.asarray(y)))
        return float(np.interp(share, _HEIGHTS, _OUTER)) * self.half


def geometry(case: Case) -> Geometry:
    """Work out what findings and inspiration do to the chest as a whole."""
    patient, exposure = case.patient, case.exposure
    ap = case.view is View.AP
    height = patient.height - 6.0 * (1 - exposure.inspiration) - (0.6 if ap else 0.0)
    apex = patient.apex + 0.4
    lift = _lift(case)
    base = apex + height
    gap = 0.8 + 0.5 * patient.knob
    return Geometry(
        apex=apex,
        dome=(base - lift[0], base + gap - lift[1]),
        half=patient.half_width * (1 - 0.02 * (1 - exposure.inspiration)),
        depth=patient.depth,
        ratio=_ratio(case),
        widening=_widening(case),
        shift=_shift(case),
        turn=0.075 * exposure.rotation,
    )


def _lift(case: Case) -> tuple[float, float]:
    """How far collapse of a lower lobe raises each dome."""
    p = case.plan(Sign.ATELECTASIS)
    if p is None or p.grade == 0:
        return 0.0, 0.0
    up = p.within((0.0, 0.0), (0.8, 1.4), (1.5, 2.6))
    return (up, 0.0) if p.sides() == (0,) else (0.0, up)


def _ratio(case: Case) -> float:
    """A bedside AP enlarges the heart; the finding is above one half (PA) or 0.55 (AP)."""
    larger = 0.04 if case.view is View.AP else 0.0
    p = case.plan(Sign.CARDIOMEGALY)
    if p is None:
        return case.patient.ratio + larger
    return p.within((0.535, 0.56), (0.57, 0.61), (0.62, 0.68)) + larger


def _widening(case: Case) -> tuple[float, float]:
    p = case.plan(Sign.ENLARGED_CARDIOMEDIASTINUM)
    if p is None:
        return 0.0, 0.0
    more = p.within((0.9, 1.3), (1.5, 2.2), (2.5, 3.4))
    lean = 0.35 + 0.5 * p.numbers[0]
    return more * 1.1 * lean, more * 1.25 * (1.1 - lean + 0.1)


def _shift(case: Case) -> float:
    """Air and fluid push the mediastinum away, a collapsed lobe pulls it."""
    total = 0.0
    for sign, bounds in (
        (Sign.PNEUMOTHORAX, ((0.0, 0.0), (0.1, 0.4), (1.0, 2.0))),
        (Sign.PLEURAL_EFFUSION, ((0.0, 0.0), (0.0, 0.3), (0.5, 1.4))),
        (Sign.ATELECTASIS, ((0.0, 0.0), (-0.9, -0.5), (-1.9, -1.1))),
    ):
        p = case.plan(sign)
        if p is not None and len(p.sides()) == 1:
            total += p.within(*bounds) * (1 if p.sides() == (0,) else -1)
    return float(np.clip(total, -2.4, 2.4))


def _table(heights: tuple[float, ...] | NDArray[np.float64], values: object, soft: float) -> Table:
    """Piecewise linear values, rounded off over about ``soft`` centimetres."""
    coarse = np.interp(_COARSE, np.asarray(heights), np.asarray(values, dtype=np.float64))
    reach = max(1, round(3 * soft / 0.1))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * 0.1 / soft) ** 2)
    padded = np.pad(coarse, reach, mode="edge")
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return np.asarray(np.interp(GRID, _COARSE, smooth), dtype=np.float32)


def outer(g: Geometry) -> Table:
    """Inner half width of the rib cage over height."""
    y = g.apex + np.asarray(_HEIGHTS) * (g.bottom - g.apex)
    return _table(y, np.asarray(_OUTER) * g.half, 0.45)


def chest_depth(g: Geometry) -> Table:
    """Depth of the chest cavity over height."""
    y = g.apex + np.asarray(_HEIGHTS) * (g.bottom - g.apex)
    return _table(y, np.asarray(_DEPTHS) * g.depth, 0.4)


def heart_reach(g: Geometry) -> tuple[float, float]:
    """How far the heart goes to the right and to the left of the middle."""
    width = g.ratio * 2 * g.half
    return 0.325 * width, 0.675 * width


def middle_right(case: Case, g: Geometry) -> Table:
    """Right border: brachiocephalic vein, vena cava, right atrium, over height."""
    right, _ = heart_reach(g)
    low, w = g.dome[0], g.widening[0]
    rows = (
        (-20.0, 2.9),
        (g.apex, 2.7 + 0.5 * w),
        (-9.5, 2.3 + 0.9 * w),
        (-6.5, 2.25 + w),
        (-4.2, 2.5 + 0.9 * w),
        (low - 9.6, 2.5 + 0.3 * w),
        (low - 7.8, max(2.6, 0.76 * right)),
        (low - 5.8, 0.96 * right),
        (low - 3.8, 1.0 * right),
        (low - 1.8, 0.93 * right),
        (low + 0.4, 0.74 * right),
        (low + 3.0, 0.6 * right),
        (25.0, 2.2),
    )
    return _outline(rows, 0.45, right)


def middle_left(case: Case, g: Geometry) -> Table:
    """Left border: subclavian artery, aortic knob, pulmonary trunk, auricle, ventricle."""
    _, left = heart_reach(g)
    low, w, knob = g.dome[1], g.widening[1], case.patient.knob
    rows = (
        (-20.0, 2.9),
        (g.apex, 2.8 + 0.4 * w),
        (-9.2, 2.3 + 0.9 * w),
        (-7.9, 2.6 + 0.3 * knob + w),
        (-6.6, 3.2 + 0.7 * knob + w),
        (-5.5, 2.9 + 0.4 * knob + w),
        (-4.7, 2.55 + 0.7 * w),
        (-3.5, 3.05 + 0.3 * w),
        (-2.4, 3.25),
        (low - 9.2, max(3.2, 0.42 * left)),
        (low - 7.2, 0.60 * left),
        (low - 5.2, 0.80 * left),
        (low - 3.5, 0.94 * left),
        (low - 2.3, 1.0 * left),
        (low - 1.1, 0.97 * left),
        (low + 0.2, 0.78 * left),
        (low + 2.6, 0.5 * left),
        (25.0, 2.2),
    )
    return _outline(rows, 0.38, left)


def _outline(rows: tuple[tuple[float, float], ...], soft: float, peak: float) -> Table:
    """Rows may cross on a short chest; the larger width wins, and the peak is kept exact."""
    ordered = sorted(rows)
    table = _table(np.array([r[0] for r in ordered]), np.array([r[1] for r in ordered]), soft)
    heart = GRID > -2.0
    return np.where(heart, table * (peak / float(table[heart].max())), table).astype(np.float32)


def heart_depth(g: Geometry) -> Table:
    """Share of the chest's depth that the middle fills, over height."""
    low = min(g.dome)
    y = np.array((-20.0, -10.0, -6.0, -3.0, low - 8.5, low - 5.0, low - 1.0, 25.0))
    return _table(np.sort(y), (0.86, 0.74, 0.76, 0.7, 0.66, 0.72, 0.78, 0.85), 0.8)


def body_width(case: Case) -> Table:
    """Half width of neck, shoulders and trunk."""
    half = case.patient.half_width + 1.2 + case.patient.wall
    down = 1.5 if case.view is View.AP else 0.0
    neck = 5.6 + 1.2 * case.patient.stout
    rows = (-24, -18.5, -16.6, -15.0, -13.2, -11.0, -7.0, -3.0, 1.0, 6.0, 16.0)
    wide = (
        *(neck + 0.4, neck, neck + 1.6, 11.5, 17.0),
        *(half + 5.5 + down, half + 4.6 + down, half + 2.6 + down, half + 0.8, half, half + 0.6),
    )
    return _table(rows, wide, 0.7)


def body_depth(case: Case) -> Table:
    """Depth of the trunk over height; the shoulders are thinner than the belly."""
    p = case.patient
    chest = p.depth + 2.2 + p.wall
    deep = (11.0, 11.5, 0.62 * chest, 0.82 * chest, 0.95 * chest, chest, 1.05 * chest)
    return _table((-24.0, -18.0, -14.0, -9.5, -4.0, 3.0, 14.0), deep, 1.0)


def dome(g: Geometry) -> Table:
    """Height of the diaphragm over breadth: right dome on negative x, left on positive."""
    across = np.abs(GRID) / g.half
    top = np.where(GRID < 0, g.dome[0], g.dome[1])
    inward = np.clip(0.40 - across, 0, None)
    outward = np.clip(across - 0.45, 0, None)
    fall = 3.2 * inward**2 + 7.0 * outward**2 + 26.0 * np.clip(across - 0.78, 0, None) ** 2
    joined = 1 / (1 + np.exp(-GRID / 0.7))
    smooth_top = g.dome[0] * (1 - joined) + g.dome[1] * joined
    mixed = np.where(np.abs(GRID) < 4, smooth_top, top)
    return np.asarray(mixed + fall, dtype=np.float32)
