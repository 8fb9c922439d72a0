"""Tubes, catheters and pacemakers, with their tips where the truth says."""

from __future__ import annotations

import numpy as np

from cxr_node.domain.findings import DevicePosition, FindingKind, Laterality, Zone
from cxr_node.phantom.lesions import Plan
from cxr_node.phantom.raster import Points, curve, stroke
from cxr_node.phantom.scene import Scene
from cxr_node.phantom.thorax import sign

CARINA = -4.6
"""Level of the tracheal bifurcation in centimetres from the middle of the chest."""


def _wire(
    scene: Scene, line: Points, radius: float, metal: float, *, hollow: float = 0.0
) -> np.ndarray:
    depth = stroke(scene.frame, line, radius, hollow=hollow)
    scene.metal += metal * depth
    return depth > 0.25 * float(depth.max())


def add_endotracheal_tube(scene: Scene, p: Plan) -> None:
    """A walled tube with a radiopaque stripe; correct is 3 to 6 cm above the carina."""
    roll = float(p.draw.random())
    if roll < 0.7:
        position, tip = DevicePosition.CORRECT, CARINA - float(p.draw.uniform(3.0, 5.5))
    elif roll < 0.85:
        position, tip = DevicePosition.TOO_LOW, CARINA + float(p.draw.uniform(-0.8, 1.2))
    else:
        position, tip = DevicePosition.TOO_HIGH, CARINA - float(p.draw.uniform(8.0, 9.5))
    bend = float(p.draw.normal(0, 0.25))
    aside = 0.9 if tip > CARINA else 0.0
    path = curve([(bend, -20.5), (0.5 * bend, -15.0), (-0.3 * bend, (tip - 15) / 2), (-aside, tip)])
    mask = np.zeros(scene.body.shape, dtype=bool)
    for offset, metal in ((-0.42, 0.055), (0.42, 0.055)):
        mask |= _wire(scene, path + np.array([offset, 0.0]), 0.14, metal * 10)
    mask |= _wire(scene, path + np.array([0.15, 0.0]), 0.09, 2.0)
    scene.found(FindingKind.ENDOTRACHEAL_TUBE, mask, zone=Zone.MEDIASTINUM, position=position)


def add_central_venous_catheter(scene: Scene, p: Plan) -> None:
    """From the neck or under the clavicle into the superior vena cava."""
    out = sign(p.side)
    roll = float(p.draw.random())
    jugular = bool(p.draw.random() < 0.5)
    start = (
        [(out * 4.2, -20.5), (out * 3.4, -14.0)]
        if jugular
        else [(out * 11.5, -9.6), (out * 6.5, -10.6), (out * 3.6, -11.0)]
    )
    tip = (-2.3, -2.5 + float(p.draw.uniform(-1.0, 1.0)))
    position = DevicePosition.CORRECT
    if roll > 0.85:
        position, tip = DevicePosition.TOO_LOW, (-2.2, 3.6)
    elif roll > 0.7:
        position, tip = DevicePosition.TOO_HIGH, (out * 2.4, -9.2)
    via = [] if roll > 0.7 and roll <= 0.85 else [(-1.0 if out > 0 else -2.4, -8.6), (-2.4, -6.2)]
    mask = _wire(scene, curve([*start, *via, tip], 90), 0.12, 1.3)
    scene.found(
        FindingKind.CENTRAL_VENOUS_CATHETER,
        mask,
        side=p.side,
        zone=Zone.MEDIASTINUM,
        position=position,
    )


def add_pacemaker(scene: Scene, p: Plan) -> None:
    """A generator below the clavicle with one or two leads to the heart."""
    side = Laterality.LEFT if p.draw.random() < 0.8 else Laterality.RIGHT
    out = sign(side)
    x, y = out * float(p.draw.uniform(8.5, 10.0)), float(p.draw.uniform(-8.8, -7.2))
    turn = float(p.draw.normal(0, 0.3))
    dx, dy = scene.frame.x - x, scene.frame.y - y
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / 2.3
    v = (-dx * np.sin(turn) + dy * np.cos(turn)) / 1.9
    can = np.clip((1 - np.abs(u) ** 3.2 - np.abs(v) ** 3.2) * 6, 0, 1)
    scene.metal += (0.5 * can * (1 + 0.5 * (np.hypot(u + 0.2, v) < 0.5))).astype(np.float32)
    mask = can > 0.3
    heart = scene.anatomy.dome_right - 2.0
    ends = [(3.6, heart)] + ([(-1.8, heart - 4.0)] if p.draw.random() < 0.5 else [])
    for end in ends:
        points = [(x, y - 1.6), (out * 5.5, -10.6), (-1.0, -9.0), (-2.3, -3.5), (-1.6, heart - 1.5)]
        mask |= _wire(scene, curve([*points, end], 120), 0.09, 1.2)
    scene.found(
        FindingKind.PACEMAKER,
        mask,
        side=side,
        zone=Zone.CHEST_WALL,
        position=DevicePosition.CORRECT,
    )


def add_electrodes(scene: Scene, rng: np.random.Generator) -> None:
    """Monitoring electrodes and their leads: things that are not findings."""
    for _ in range(scene.exposure.electrodes):
        x, y = float(rng.uniform(-12, 12)), float(rng.uniform(-10, 10))
        ring = np.abs(np.hypot(scene.frame.x - x, scene.frame.y - y) - 0.7)
        scene.metal += 0.12 * np.clip((0.25 - ring) * 8, 0, 1).astype(np.float32)
        far = (float(rng.uniform(-18, 18)), 19.0)
        middle = ((x + far[0]) / 2 + float(rng.normal(0, 3)), (y + 19) / 2)
        scene.metal += 0.5 * stroke(scene.frame, curve([(x, y), middle, far]), 0.07)
