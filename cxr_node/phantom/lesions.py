"""Findings of the chest itself, drawn into a frontal scene with graded conspicuity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxr_node.domain.findings import FindingKind, Laterality, Severity, Zone
from cxr_node.phantom.raster import curve, smooth_field, stroke
from cxr_node.phantom.scene import Scene
from cxr_node.phantom.thorax import Collapse, bottom, dome, outer_edge, sign, smooth_step
from cxr_node.phantom.truth import Mask, Pixels

SEVERITIES = (Severity.MILD, Severity.MODERATE, Severity.SEVERE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed decided about one finding before anything is drawn."""

    severity: Severity
    side: Laterality
    draw: np.random.Generator

    @property
    def grade(self) -> int:
        return SEVERITIES.index(self.severity)


def plan(
    rng: np.random.Generator, severity: Severity | None, side: Laterality | None = None
) -> Plan:
    """Choose side and severity; both draws always happen, so that seeds stay comparable."""
    drawn = SEVERITIES[int(rng.choice(3, p=(0.35, 0.4, 0.25)))]
    either = Laterality.RIGHT if rng.random() < 0.5 else Laterality.LEFT
    return Plan(severity or drawn, side or either, rng)


def collapse(p: Plan) -> Collapse:
    """Small: an apical rim; large: the lung hangs at the hilum and the heart is pushed."""
    low, high = ((0.7, 1.3), (1.6, 2.8), (4.2, 6.5))[p.grade]
    lateral = float(p.draw.uniform(low, high))
    apical = (1.9, 1.6, 1.0)[p.grade] * lateral
    return Collapse(lateral, apical, (0.0, 0.3, 1.3)[p.grade])


def enlarged_ratio(p: Plan) -> float:
    """A cardiothoracic ratio clearly above one half."""
    low, high = ((0.555, 0.585), (0.585, 0.63), (0.63, 0.69))[p.grade]
    return float(p.draw.uniform(low, high))


def zone_of(scene: Scene, level: float) -> Zone:
    """Upper, middle or lower third of the lung at a height in centimetres."""
    share = (level - scene.anatomy.apex) / (bottom(scene.anatomy) - 3.4 - scene.anatomy.apex)
    if share < 1 / 3:
        return Zone.UPPER
    return Zone.MIDDLE if share < 2 / 3 else Zone.LOWER


def add_pneumothorax(scene: Scene, p: Plan) -> None:
    """Mark the air between pleural space and withdrawn lung, and its visceral line."""
    lung = scene.lung[p.side]
    empty: Mask = (scene.gas > 1.5) & (lung < 0.8)
    rim = np.clip(lung / 0.3, 0, 1) * np.clip(1 - lung / 5, 0, 1) * (scene.gas > 0.8)
    scene.soft += np.minimum(2.0 * rim, 0.8 * lung).astype(np.float32)
    scene.density *= np.where(lung > 0.3, 1 + 0.35 * p.grade, 1).astype(np.float32)
    zone = (Zone.APEX, Zone.UPPER, Zone.MIDDLE)[p.grade]
    scene.found(FindingKind.PNEUMOTHORAX, empty, side=p.side, zone=zone, severity=p.severity)


def add_effusion(scene: Scene, p: Plan) -> None:
    """Fluid with a meniscus that rises along the chest wall."""
    frame, anatomy = scene.frame, scene.anatomy
    low, high = ((1.2, 2.0), (3.0, 5.0), (6.5, 11.0))[p.grade]
    depth = float(p.draw.uniform(low, high))
    rise = float(p.draw.uniform(2.0, 3.5))
    share = np.abs(frame.x) / outer_edge(anatomy, frame.y)
    top = anatomy.dome_right if p.side is Laterality.RIGHT else anatomy.dome_left
    # A small effusion fills the angle only; a large one stands above the dome.
    base = top + 2.2 - depth
    level = base - rise * np.clip(share - 0.35, 0, 1) ** 2 * 1.9
    fluid = smooth_step(np.asarray(frame.y - level, np.float32), 0.8)
    kept = 1 - 0.97 * fluid
    scene.lung[p.side] = scene.lung[p.side] * kept
    scene.gas *= np.where(scene.cavity[p.side] > 0, kept, 1).astype(np.float32)
    over = dome(anatomy, p.side, frame.x) + 1.5
    mask: Mask = (fluid > 0.5) & (scene.cavity[p.side] > 0.6) & (frame.y < over + 2.5)
    scene.found(
        FindingKind.PLEURAL_EFFUSION, mask, side=p.side, zone=Zone.LOWER, severity=p.severity
    )


def add_consolidation(scene: Scene, p: Plan) -> None:
    """A patchy cloud that fills air spaces; the bronchi in it stay dark."""
    radius = (2.0, 2.9, 4.2)[p.grade] * float(p.draw.uniform(0.9, 1.15))
    fill = (0.3, 0.42, 0.55)[p.grade] * float(p.draw.uniform(0.9, 1.15))
    x, y = _place(scene, p, margin=radius * 0.5)
    frame = scene.frame
    stretch = float(p.draw.uniform(0.75, 1.3))
    away = np.hypot((frame.x - x) / stretch, (frame.y - y) * stretch) / radius
    ragged = away + 0.22 * smooth_field(p.draw, frame.size, 26)
    patch = 1 / (1 + np.exp(np.clip((ragged - 0.9) * 7, -30, 30)))
    patch *= np.clip(0.85 + 0.3 * smooth_field(p.draw, frame.size, 44), 0.3, 1.3)
    bronchi = np.zeros_like(scene.body)
    for turn in p.draw.uniform(-0.9, 0.9, 3):
        start = np.array([sign(p.side) * 3.2, -1.0])
        end = np.array([x, y]) + radius * np.array([np.sin(turn), np.cos(turn)]) * 0.6
        middle = (start + end) / 2 + p.draw.normal(0, 0.4, 2)
        line = curve([tuple(start), tuple(middle), tuple(end)], 30)
        bronchi += stroke(frame, line, 0.13)
    lung = scene.lung[p.side]
    scene.soft += np.clip(lung * fill * patch - 1.2 * bronchi * (patch > 0.3), 0, None)
    mask: Mask = (patch > 0.35) & (lung > 1.0)
    zone = zone_of(scene, y)
    scene.found(FindingKind.CONSOLIDATION, mask, side=p.side, zone=zone, severity=p.severity)


def add_lung_lesion(scene: Scene, p: Plan) -> None:
    """A round nodule or mass."""
    low, high = ((0.7, 0.95), (1.0, 1.5), (1.6, 2.5))[p.grade]
    radius = float(p.draw.uniform(low, high))
    x, y = _place(scene, p, margin=radius + 0.4)
    angle = np.arctan2(scene.frame.y - y, scene.frame.x - x)
    lobes = 1 + 0.07 * np.sin(3 * angle + p.draw.uniform(0, 6)) + 0.04 * np.sin(7 * angle)
    away = np.hypot(scene.frame.x - x, scene.frame.y - y) / (radius * lobes)
    ball = np.sqrt(np.clip(1 - away**2, 0, 1))
    depth = 2 * radius * (2.0, 1.6, 1.25)[p.grade]
    scene.soft += np.minimum(depth * ball, 0.8 * scene.lung[p.side]).astype(np.float32)
    mask: Mask = away < 1.0
    zone = zone_of(scene, y)
    scene.found(FindingKind.LUNG_LESION, mask, side=p.side, zone=zone, severity=p.severity)


def _place(scene: Scene, p: Plan, margin: float) -> tuple[float, float]:
    """A point of aerated lung, away from the edges; the best of the tries if none is good."""
    anatomy = scene.anatomy
    lung: Pixels = scene.lung[p.side]
    best, most = (sign(p.side) * 7.0, 0.0), -1.0
    for _ in range(14):
        y = float(p.draw.uniform(anatomy.apex + 2.5, anatomy.dome_right - 0.5))
        wide = float(outer_edge(anatomy, np.array([y], np.float32))[0])
        x = sign(p.side) * float(p.draw.uniform(3.2, max(wide - margin, 3.4)))
        ring = ((x, y), (x - margin, y), (x + margin, y), (x, y - margin), (x, y + margin))
        aerated = min(scene.frame.sample(lung, point) for point in ring)
        if aerated > most:
            best, most = (x, y), aerated
        if aerated > 5.0:
            break
    return best
