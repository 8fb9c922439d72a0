"""Ribs, clavicles, scapulae and spine of the frontal chest, and the lungs' vessels."""

from __future__ import annotations

import numpy as np

from cxr_node.domain.findings import Laterality
from cxr_node.domain.instance import View
from cxr_node.phantom.raster import Points, curve, smooth_field, stroke
from cxr_node.phantom.scene import Scene
from cxr_node.phantom.thorax import outer_edge, sign
from cxr_node.phantom.truth import Pixels

_RIBS = 11


def add_bones(scene: Scene, rng: np.random.Generator) -> None:
    """All bones of a frontal view, in centimetres of mineral-equivalent."""
    factor = scene.anatomy.bone
    scene.bone += factor * (_ribs(scene, rng) + _spine(scene) + _clavicles(scene, rng))
    scene.bone += factor * _scapulae(scene)


def _ribs(scene: Scene, rng: np.random.Generator) -> Pixels:
    frame, anatomy = scene.frame, scene.anatomy
    edge = outer_edge(anatomy, frame.y)
    across = np.abs(frame.x) / edge
    inside = np.clip((1.045 - across) * 30, 0, 1)
    tangent = np.minimum(1 / np.sqrt(np.clip(1.09 - across**2, 0.12, 1)), 2.4)
    spacing, drop = anatomy.rib_spacing, anatomy.rib_drop
    jitter = rng.normal(0, 0.10, (2, _RIBS + 2))
    half = rng.uniform(0.48, 0.60)
    share = np.clip(across, 0, 1.05)
    back = frame.y - (anatomy.apex + 1.2 + drop * (share**2.2) - 0.8 * np.sin(np.pi * share))
    front = frame.y - (anatomy.apex + 1.2 + drop + 5.0 * np.clip(1 - share, 0, 1) ** 0.9)
    side = (frame.x > 0).astype(int)
    total = np.zeros_like(frame.x)
    for phase, strength, begin in ((back, 0.8, 0.14), (front, 0.42, 0.42)):
        number = np.round(phase / spacing).astype(int)
        valid = (number >= 0) & (number < _RIBS)
        offset = jitter[side, np.clip(number, 0, _RIBS)]
        away = (phase - number * spacing - offset) / half
        shell = np.sqrt(np.clip(1.02 - away**2, 0, 1)) * (0.55 + 0.6 * away**2)
        reach = np.clip((across - begin) * 9, 0, 1)
        total += strength * shell * reach * valid
    return np.asarray(total * inside * tangent, dtype=np.float32)


def _spine(scene: Scene) -> Pixels:
    frame, anatomy = scene.frame, scene.anatomy
    x = frame.x + 0.015 * anatomy.rotation
    phase = np.mod(frame.y + 30, 2.45) / 2.45
    body = np.sqrt(np.clip(1 - (x / 1.55) ** 4, 0, 1)) * np.clip(
        (0.5 - np.abs(phase - 0.5)) * 14, 0, 1
    )
    process = np.clip(1 - ((x - 0.05 * anatomy.rotation) / 0.35) ** 2, 0, 1)
    process = process * np.clip(1 - ((phase - 0.6) / 0.28) ** 2, 0, 1)
    return np.asarray(0.75 * body + 0.55 * process, dtype=np.float32)


def _clavicles(scene: Scene, rng: np.random.Generator) -> Pixels:
    anatomy = scene.anatomy
    high = 1.4 if scene.exposure.view is View.AP else 0.0
    level = anatomy.apex + 3.0 - high + float(rng.normal(0, 0.3))
    lift = float(rng.uniform(1.6, 2.6)) + high * 0.6
    total = np.zeros_like(scene.body)
    for side in (-1, 1):
        inner = 1.7 + side * 0.06 * anatomy.rotation
        line = curve(
            [
                (side * inner, level),
                (side * (inner + 3.2), level - 0.25 * lift),
                (side * (inner + 7.0), level - 0.9 * lift),
                (side * (inner + 12.5), level - lift),
            ]
        )
        radius = np.interp(np.linspace(0, 1, len(line)), [0, 0.12, 1], [0.85, 0.55, 0.6])
        total += 0.9 * stroke(scene.frame, line, radius, hollow=0.55)
    return total


def _scapulae(scene: Scene) -> Pixels:
    """Turned out of the lungs on a PA, over them on an AP."""
    frame, anatomy = scene.frame, scene.anatomy
    over = scene.exposure.view is View.AP
    place = anatomy.thorax_half_width - (1.6 if over else -3.0)
    total = np.zeros_like(frame.x)
    for side in (-1, 1):
        u = (side * frame.x - place - 0.25 * (frame.y + 6)) / 2.6
        v = (frame.y + 6.0) / 6.5
        blade = np.clip(1 - np.abs(u) ** 3 - np.abs(v) ** 3, 0, 1)
        rim = np.exp(-(((u + 0.72 * np.sqrt(np.clip(1 - v**2, 0, 1))) / 0.09) ** 2))
        total += 0.32 * np.clip(blade * 6, 0, 1) + 0.3 * rim * (blade > 0)
        head = np.clip(1 - ((side * frame.x - 18.2) / 2.5) ** 2 - ((frame.y + 11) / 2.5) ** 2, 0, 1)
        total += 1.1 * np.sqrt(head)
    return np.asarray(total, dtype=np.float32)


def add_vessels(scene: Scene, rng: np.random.Generator, strength: float = 1.0) -> None:
    """Branching arteries and a fine mottle; they stop where the lung stops."""
    total = np.zeros_like(scene.body)
    for side in (Laterality.RIGHT, Laterality.LEFT):
        total += _tree(scene, rng, side)
    size = scene.frame.size
    mottle = 0.05 * smooth_field(rng, size, 30) + 0.045 * smooth_field(rng, size, 70)
    lungs = scene.lungs
    scene.soft += np.minimum(strength * total, lungs * 0.6) * (lungs > 0.4)
    scene.density *= 1 + mottle


def _tree(scene: Scene, rng: np.random.Generator, side: Laterality) -> Pixels:
    out = sign(side)
    root = np.array([out * 3.6, -1.2 if side is Laterality.RIGHT else -2.2])
    lines: list[Points] = []
    radii: list[np.ndarray] = []
    for angle in np.linspace(-1.25, 1.35, 9) + rng.normal(0, 0.08, 9):
        length = 9.0 + 2.0 * np.sin(angle) + rng.normal(0, 0.8)
        bend = rng.normal(0, 0.22)
        _branch(rng, root, angle, length, bend, out, lines, radii)
    return stroke_many(scene, lines, radii)


def _branch(
    rng: np.random.Generator,
    root: np.ndarray,
    angle: float,
    length: float,
    bend: float,
    out: int,
    lines: list[Points],
    radii: list[np.ndarray],
) -> None:
    t = np.linspace(0, 1, 14)
    direction = angle + bend * t
    step = length / len(t)
    path = root + np.cumsum(np.stack([out * np.cos(direction), np.sin(direction)], 1) * step, 0)
    lines.append(path)
    radii.append(0.52 * (1 - t) ** 1.2 + 0.07)
    for start in rng.integers(3, 11, 2):
        turn = angle + rng.choice([-1, 1]) * rng.uniform(0.35, 0.7)
        u = np.linspace(0, 1, 8)
        ray = np.array([out * np.cos(turn), np.sin(turn)])
        lines.append(path[start] + u[:, None] * ray * length * 0.4)
        radii.append(0.65 * (0.52 * (1 - t[start]) ** 1.2 + 0.07) * (1 - u) + 0.05)


def stroke_many(scene: Scene, lines: list[Points], radii: list[np.ndarray]) -> Pixels:
    """Sum of strokes of varying radius, drawn thin and thick parts apart for speed."""
    total = np.zeros_like(scene.body)
    for line, radius in zip(lines, radii, strict=True):
        total += stroke(scene.frame, line, np.asarray(radius))
    return total
