"""A simple lateral chest: spine behind, sternum in front, heart and domes between."""

from __future__ import annotations

import numpy as np

from cxr_node.domain.findings import FindingKind, Laterality, Severity, Zone
from cxr_node.phantom.anatomy import Anatomy
from cxr_node.phantom.lesions import Plan
from cxr_node.phantom.raster import Frame, curve, smooth_field, stroke
from cxr_node.phantom.scene import Scene
from cxr_node.phantom.thorax import smooth_step
from cxr_node.phantom.truth import Mask, Pixels

SHOWN = (FindingKind.PLEURAL_EFFUSION, FindingKind.CARDIOMEGALY, FindingKind.CONSOLIDATION)
"""What the lateral view can show; the rest of a study's truth is on its frontal view."""

_LEVELS = (-16.0, -13.0, -9.0, -3.0, 4.0, 11.0, 16.0)
_FRONT = (-2.5, -5.0, -8.0, -10.6, -11.8, -11.8, -11.0)
_BACK = (2.0, 5.0, 8.0, 10.4, 11.0, 10.4, 9.0)


def body(frame: Frame, anatomy: Anatomy) -> Pixels:
    """Depth across the patient, thinner in the neck; arms are raised out of the field."""
    front = np.interp(frame.y, _LEVELS, _FRONT) - 1.4 - 0.5 * anatomy.wall
    back = np.interp(frame.y, _LEVELS, _BACK) + 3.2
    middle, half = (front + back) / 2, (back - front) / 2
    inside = np.clip(1 - ((frame.x - middle) / half) ** 4, 0, 1)
    depth = np.interp(frame.y, (-18.0, -13.0, -6.0, 16.0), (12.0, 30.0, 30.0, 29.0))
    return np.asarray(depth * np.sqrt(inside), dtype=np.float32)


def fill(scene: Scene, ratio: float) -> Mask:
    """Lungs, heart, spine, sternum and ribs; returns the heart's silhouette."""
    frame, anatomy = scene.frame, scene.anatomy
    front, back = np.interp(frame.y, _LEVELS, _FRONT), np.interp(frame.y, _LEVELS, _BACK)
    middle, half = (front + back) / 2, (back - front) / 2
    across = np.clip(1 - np.abs((frame.x - middle) / half) ** 4, 0, 1)
    t = (frame.y - anatomy.apex) / (anatomy.dome_right - anatomy.apex)
    depth = 22 * np.interp(t, (-0.02, 0.08, 0.3, 0.7), (0, 0.4, 0.8, 1.0)) * np.sqrt(across)
    for side, top in (
        (Laterality.RIGHT, anatomy.dome_right),
        (Laterality.LEFT, anatomy.dome_left),
    ):
        floor = top - 1.5 + 0.028 * (frame.x + 4) ** 2
        whole = depth / 2 * (1 - smooth_step(np.asarray(frame.y - floor, np.float32), 0.35))
        scene.cavity[side] = np.asarray(whole, np.float32)
    size = 4.6 + 14 * (ratio - 0.44)
    u = (frame.x + 8.2 - size) / (size * 1.05)
    v = (frame.y - anatomy.dome_right + 0.6 * size) / (size * 1.15)
    heart = np.clip(1 - u**2 - v**2 - 0.6 * u * v, 0, 1)
    solid = 12 * np.sqrt(heart) + 2.2 * np.exp(-(((frame.x + 0.5) / 2.2) ** 2)) * (frame.y < 0)
    for side, space in scene.cavity.items():
        scene.lung[side] = np.clip(space - solid / 2, 0, None)
    _bones(scene, np.asarray(front, np.float32), np.asarray(back, np.float32))
    trachea = np.clip(1 - ((frame.x - 1.0 - 0.15 * (frame.y + 5)) / 0.9) ** 2, 0, 1)
    scene.air += np.asarray(1.7 * np.sqrt(trachea) * smooth_step(-4 - frame.y, 0.8), np.float32)
    return np.asarray(heart > 0.02)


def _bones(scene: Scene, front: Pixels, back: Pixels) -> None:
    frame, anatomy = scene.frame, scene.anatomy
    phase = np.mod(frame.y + 30, 2.5) / 2.5
    gap = np.clip((0.5 - np.abs(phase - 0.5)) * 12, 0, 1)
    column = np.clip(1 - ((frame.x - back + 1.2) / 1.5) ** 4, 0, 1)
    plate = (
        np.clip(1 - ((frame.x - front + 0.3) / 0.45) ** 2, 0, 1) * (frame.y < 5) * (frame.y > -11)
    )
    line = anatomy.apex + 1.0 + 0.55 * (back - frame.x)
    away = np.mod(frame.y - line, anatomy.rib_spacing) / anatomy.rib_spacing - 0.5
    ribs = np.sqrt(np.clip(1 - (away / 0.24) ** 2, 0, 1)) * (frame.y > line)
    within = (frame.x > front) & (frame.x < back) & (frame.y < anatomy.dome_right + 3)
    total = 1.6 * column * gap + 1.4 * plate + 0.35 * ribs * within
    scene.bone += np.asarray(anatomy.bone * total, np.float32)


def add_vessels(scene: Scene, rng: np.random.Generator) -> None:
    """The hila as a knot with a few branches."""
    total = np.zeros_like(scene.body)
    for angle in np.linspace(0, 2 * np.pi, 11) + rng.normal(0, 0.15, 11):
        end = (float(7 * np.cos(angle)), float(-1.5 + 8 * np.sin(angle)))
        line = curve([(0.0, -1.5), (end[0] / 2, (end[1] - 1.5) / 2), end], 24)
        total += stroke(scene.frame, line, np.linspace(0.5, 0.06, 24))
    lungs = scene.lungs
    scene.soft += np.minimum(total, 0.6 * lungs)
    scene.density *= 1 + 0.05 * smooth_field(rng, scene.frame.size, 40)


def add_effusion(scene: Scene, p: Plan) -> None:
    """Fluid in the posterior angle, rising in front and behind."""
    frame = scene.frame
    depth = (1.5, 4.0, 8.0)[p.grade] * float(p.draw.uniform(0.9, 1.1))
    level = scene.anatomy.dome_right + 3.0 - depth - 0.035 * (frame.x - 2) ** 2
    fluid = smooth_step(np.asarray(frame.y - level, np.float32), 0.8)
    for side in scene.lung:
        scene.lung[side] *= 1 - 0.9 * fluid
    mask: Mask = (fluid > 0.5) & (sum(scene.cavity.values(), start=np.zeros_like(fluid)) > 0.6)
    scene.found(
        FindingKind.PLEURAL_EFFUSION, mask, side=p.side, zone=Zone.LOWER, severity=p.severity
    )


def add_consolidation(scene: Scene, p: Plan) -> None:
    """A patch over the lower lobe."""
    radius = (1.8, 2.6, 3.6)[p.grade]
    x, y = float(p.draw.uniform(1, 6)), float(p.draw.uniform(-2, 6))
    away = np.hypot(scene.frame.x - x, scene.frame.y - y) / radius
    ragged = away + 0.25 * smooth_field(p.draw, scene.frame.size, 26)
    patch = np.clip((1.1 - ragged) * 3, 0, 1)
    scene.soft += np.asarray(0.45 * patch * scene.lungs, np.float32)
    mask: Mask = (patch > 0.3) & (scene.lungs > 1.0)
    scene.found(FindingKind.CONSOLIDATION, mask, side=p.side, zone=Zone.LOWER, severity=p.severity)


def add_cardiomegaly(scene: Scene, severity: Severity, heart: Mask) -> None:
    """The silhouette itself is the finding."""
    scene.found(FindingKind.CARDIOMEGALY, heart, zone=Zone.HEART, severity=severity)
