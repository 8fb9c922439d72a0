"""The frontal chest as thickness maps: body, lungs, heart, mediastinum, diaphragm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxr_node.domain.findings import Laterality
from cxr_node.phantom.anatomy import Anatomy, Exposure
from cxr_node.phantom.raster import Frame
from cxr_node.phantom.scene import Scene
from cxr_node.phantom.truth import Pixels

# Lung outline: share of the height from apex to costophrenic angle, and half widths in
# units of the largest one (outer) and in centimetres (inner).
_HEIGHTS = (-0.02, 0.0, 0.03, 0.08, 0.16, 0.3, 0.5, 0.75, 1.0, 1.1)
_OUTER = (0.34, 0.40, 0.52, 0.64, 0.77, 0.89, 0.97, 1.0, 1.0, 0.98)
_INNER = (4.6, 4.0, 3.0, 2.4, 2.0, 1.8, 1.7, 1.6, 1.6, 1.6)
_DEPTHS = (0.0, 0.12, 0.32, 0.5, 0.7, 0.88, 1.0, 1.0, 0.92, 0.9)

# Mediastinum: height in centimetres from the middle, half widths right and left.
_LEVELS = (-18.0, -13.0, -10.0, -7.0, -5.5, -4.0, -2.5, -1.0, 1.0, 4.0, 12.0)
_RIGHT = (3.4, 3.1, 3.0, 2.9, 2.7, 2.6, 2.8, 3.0, 2.8, 2.2, 2.0)
_LEFT = (3.4, 3.0, 2.8, 2.9, 3.2, 2.8, 3.2, 3.5, 3.2, 2.2, 2.0)


@dataclass(frozen=True, slots=True)
class Collapse:
    """How far a lung has withdrawn from its chest wall (cm): at the side, at the apex."""

    lateral: float = 0.0
    apical: float = 0.0
    shift: float = 0.0
    """How far the mediastinum is pushed away, in centimetres."""


def sign(side: Laterality) -> int:
    """The image direction of a patient's side: the right is on the image's left."""
    return -1 if side is Laterality.RIGHT else 1


def smooth_step(value: Pixels, width: float) -> Pixels:
    """0 below, 1 above zero, over ``width``."""
    t = np.clip(value / width + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def bottom(anatomy: Anatomy) -> float:
    """The level of the costophrenic angles."""
    return max(anatomy.dome_right, anatomy.dome_left) + 3.4


def dome(anatomy: Anatomy, side: Laterality, x: Pixels) -> Pixels:
    """Height of the diaphragm under each column: highest inside the middle, low outside."""
    top = anatomy.dome_right if side is Laterality.RIGHT else anatomy.dome_left
    across = np.clip(np.abs(x) / anatomy.thorax_half_width, 0, 1.05)
    outward = np.clip(across - 0.42, 0, None)
    return np.asarray(top + 10.5 * outward**2 + 28 * np.clip(across - 0.8, 0, None) ** 2)


def outer_edge(anatomy: Anatomy, y: Pixels) -> Pixels:
    """Inner half width of the rib cage at each height."""
    t = (y - anatomy.apex) / (bottom(anatomy) - anatomy.apex)
    return np.asarray(np.interp(t, _HEIGHTS, _OUTER) * anatomy.thorax_half_width, np.float32)


def body(frame: Frame, anatomy: Anatomy, exposure: Exposure) -> Pixels:
    """Depth of the patient: trunk, shoulders and neck, without the breasts."""
    half = anatomy.thorax_half_width + anatomy.wall
    arms_down = 2.5 if exposure.view.value == "AP" else 0.0
    widths = np.interp(
        frame.y[:, 0] if frame.tilt == 0 else frame.y,
        (-24.0, -17.5, -15.5, -13.5, -11.0, -7.0, 0.0, 14.0),
        (6.2, 6.6, 9.5, 15.0, half + 5 + arms_down, half + 3.5 + arms_down, half, half - 0.3),
    )
    wide = widths[:, None] if widths.ndim == 1 else widths
    depth = np.interp(frame.y, (-20.0, -14.0, -8.0, 2.0, 16.0), (11.0, 13.0, 18.0, 21.0, 22.0))
    depth = depth + (anatomy.wall - 3.0)
    inside = np.clip(1 - np.abs(frame.x / wide) ** 3, 0, 1)
    return np.asarray(depth * np.sqrt(inside), dtype=np.float32)


def cavity(frame: Frame, anatomy: Anatomy, side: Laterality, collapse: Collapse) -> Pixels:
    """Thickness of one lung (or, without collapse, of its pleural space)."""
    x = frame.x * sign(side)
    apex = anatomy.apex + collapse.apical
    t = (frame.y - apex) / (bottom(anatomy) - apex)
    upper = np.clip(1.15 - t, 0, 1) if collapse.lateral < 4 else 1.0
    outer = np.interp(t, _HEIGHTS, _OUTER) * anatomy.thorax_half_width
    outer = outer - collapse.lateral * upper
    inner = np.interp(t, _HEIGHTS, _INNER)
    middle, half = (outer + inner) / 2, np.maximum((outer - inner) / 2, 0.05)
    across = np.clip(1 - np.abs((x - middle) / half) ** 4, 0, 1)
    depth = anatomy.thorax_depth * np.interp(t, _HEIGHTS, _DEPTHS)
    depth = depth * smooth_step(np.asarray(t, np.float32), 0.03)
    whole = depth * np.sqrt(across)
    below = frame.y - dome(anatomy, side, frame.x)
    behind = 0.22 * np.clip(1 - below / 3.0, 0, 1)
    share = 1 - smooth_step(below, 0.35) * (1 - behind)
    return np.asarray(whole * share, dtype=np.float32)


def mediastinum(frame: Frame, anatomy: Anatomy, shift: float) -> Pixels:
    """Depth filled by great vessels and spine muscles, replacing lung."""
    x = frame.x - shift - 0.035 * anatomy.rotation * np.clip(-frame.y / 10, 0, 1)
    edge = np.where(x < 0, np.interp(frame.y, _LEVELS, _RIGHT), np.interp(frame.y, _LEVELS, _LEFT))
    inside = np.clip(1 - (x / edge) ** 4, 0, 1)
    knob = np.clip(1 - ((x - 1.6) ** 2 + (frame.y + 6.2) ** 2) / 2.3**2, 0, 1)
    depth = anatomy.thorax_depth * 0.9 * np.sqrt(inside)
    return np.asarray(np.maximum(depth, 7 * np.sqrt(knob)), dtype=np.float32)


def heart(frame: Frame, anatomy: Anatomy, ratio: float, shift: float) -> tuple[Pixels, Pixels]:
    """Depth of the heart, and of its silhouette alone (for extents).

    The widest span of the silhouette is ``ratio`` times the inner thorax.
    """
    width = ratio * 2 * anatomy.thorax_half_width
    right, left = 0.34 * width, 0.66 * width
    level = min(anatomy.dome_right, anatomy.dome_left) - 3.0
    shift = shift + 0.04 * anatomy.rotation
    x, y = frame.x - shift, frame.y - level
    c, s = np.cos(0.55), np.sin(0.55)
    reach = left * 0.62
    u, v = (x - left + reach) * c + (y - 0.4) * s, -(x - left + reach) * s + (y - 0.4) * c
    # Half axes chosen so that the tilted ellipse touches exactly x = left.
    long, short = reach * 1.07, reach * 0.86
    stretch = reach / np.hypot(long * c, short * s)
    ventricle = np.clip(1 - (u / (long * stretch)) ** 2 - (v / (short * stretch)) ** 2, 0, 1)
    atrium = np.clip(1 - ((x + right - 3.4) / 3.4) ** 2 - ((y + 0.5) / 4.6) ** 2, 0, 1)
    base = np.clip(1 - ((x - 0.6) / 3.6) ** 2 - ((y + 4.2) / 4.6) ** 2, 0, 1)
    deep = anatomy.thorax_depth
    depth = deep * np.maximum(
        np.maximum(0.85 * np.sqrt(ventricle), 0.75 * np.sqrt(atrium)), 0.7 * np.sqrt(base)
    )
    return np.asarray(depth, np.float32), np.asarray(np.maximum(ventricle, atrium), np.float32)


def fill(scene: Scene, collapse: dict[Laterality, Collapse], ratio: float) -> Pixels:
    """Put lungs, heart and mediastinum into the scene; returns the heart's silhouette."""
    frame, anatomy = scene.frame, scene.anatomy
    shift = sum(-sign(side) * c.shift for side, c in collapse.items())
    centre = mediastinum(frame, anatomy, shift)
    depth, silhouette = heart(frame, anatomy, ratio, shift)
    solid = np.maximum(centre, depth)
    for side in (Laterality.RIGHT, Laterality.LEFT):
        whole = np.clip(cavity(frame, anatomy, side, Collapse()) - solid, 0, None)
        scene.cavity[side] = whole
        own = collapse.get(side)
        scene.lung[side] = whole
        if own:
            scene.lung[side] = np.minimum(cavity(frame, anatomy, side, own), whole)
            scene.gas += whole - scene.lung[side]
    _airways_and_abdomen(scene, shift)
    return silhouette


def _airways_and_abdomen(scene: Scene, shift: float) -> None:
    frame, anatomy = scene.frame, scene.anatomy
    x = frame.x - shift * np.clip((frame.y + 14) / 8, 0, 1) - 0.02 * anatomy.rotation
    inside = np.sqrt(np.clip(1 - (x / 0.95) ** 2, 0, 1))
    trachea = 2.6 * inside * smooth_step(-4.8 - frame.y, 0.8)
    stomach = np.clip(
        1 - ((frame.x - 6.0) / 3.2) ** 2 - ((frame.y - anatomy.dome_left - 2.6) / 1.6) ** 2, 0, 1
    )
    below = frame.y > dome(anatomy, Laterality.LEFT, frame.x) + 0.6
    scene.air += np.asarray(trachea + 5 * np.sqrt(stomach) * below, np.float32)
    if anatomy.breast:
        for side in (-1, 1):
            u, v = (frame.x - side * 7.6) / 6.0, (frame.y - 4.5) / 5.4
            mound = np.clip(1 - u**2 - v**2, 0, 1)
            scene.body += np.asarray(anatomy.breast * np.sqrt(mound), np.float32)
