"""Things that are no findings: electrodes and leads, skin folds, nipples, a chalky aorta."""

from __future__ import annotations

import numpy as np

from cxr_node.domain.instance import View
from cxr_node.phantom.batched.frontal import pushed_at
from cxr_node.phantom.batched.scene import SIDES, Scene
from cxr_node.phantom.batched.shapes import Line, Points, curve, step, strokes
from cxr_node.phantom.batched.streams import Purpose, stream


def add_distractors(scene: Scene) -> None:
    """Drawn last, over everything; none of them is in the truth's findings."""
    metal: list[Line] = []
    chalk: list[Line] = []
    for row, case in enumerate(scene.cases):
        rng = stream(case.seed, Purpose.DISTRACTORS, 50 + case.take)
        metal += _electrodes(row, rng, case.exposure.electrodes)
        if case.view is View.LATERAL:
            continue
        for _ in range(case.exposure.folds):
            _fold(scene, row, rng)
        if case.exposure.nipples:
            _nipples(scene, row, rng)
        if case.patient.calcified:
            chalk += _arch(scene, row)
    if metal:
        scene.metal += strokes(scene.frame, metal)
    if chalk:
        scene.bone += strokes(scene.frame, chalk)


def _ring(x: float, y: float, radius: float) -> Points:
    turn = np.linspace(0, 2 * np.pi, 24)
    return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)


def _electrodes(row: int, rng: np.random.Generator, count: int) -> list[Line]:
    """Snap electrodes with insulated wires that leave the field."""
    lines = []
    for _ in range(count):
        x, y = float(rng.uniform(-12, 12)), float(rng.uniform(-11, 10))
        out = -1.0 if x < 0 else 1.0
        lines.append(Line(row, _ring(x, y, 0.55), 0.2, 0.5))
        lines.append(Line(row, np.array([[x, y], [x + 0.1, y]]), 0.3, 0.6))
        points = [
            (x, y),
            (x + out * float(rng.uniform(1, 3)), y + float(rng.uniform(2, 5))),
            (x + out * float(rng.uniform(3, 7)), y + float(rng.uniform(-1, 9))),
            (out * 24.0, y + float(rng.uniform(2, 14))),
        ]
        lines.append(Line(row, curve(points, 50), 0.06, 1.6))
    return lines


def _fold(scene: Scene, row: int, rng: np.random.Generator) -> None:
    """A fold of skin: density that grows toward an edge and ends there; vessels go on beyond."""
    frame = scene.frame.rows([row])
    side = int(rng.integers(0, 2))
    x0, y0 = SIDES[side] * float(rng.uniform(6.0, 10.0)), float(rng.uniform(-4, 3))
    turn = SIDES[side] * float(rng.uniform(0.1, 0.4))
    dx, dy = frame.x[0] - x0, frame.y[0] - y0
    across = (dx * np.cos(turn) + dy * np.sin(turn)) * SIDES[side]
    along = -dx * np.sin(turn) + dy * np.cos(turn)
    bow = across - 0.012 * along * along
    thick = float(rng.uniform(0.5, 1.0))
    slope = (1 + bow / float(rng.uniform(2.0, 4.0))).clamp(0, 1) * step(-bow, 0.12)
    scene.body[row] += thick * slope * step(float(rng.uniform(6, 9)) - along.abs(), 2.0)


def _nipples(scene: Scene, row: int, rng: np.random.Generator) -> None:
    frame, low = scene.frame.rows([row]), float(rng.uniform(3.0, 6.0))
    wide = float(rng.uniform(7.5, 9.5))
    for side in SIDES:
        x, y = side * wide, low + float(rng.normal(0, 0.3))
        away = ((frame.x[0] - x) ** 2 + (frame.y[0] - y) ** 2).sqrt() / 0.5
        scene.body[row] += 1.1 * (1 - away * away).clamp(min=0).sqrt()


def _arch(scene: Scene, row: int) -> list[Line]:
    """Calcium along the aortic knob."""
    x = pushed_at(scene, row, -6.5) + 3.2 + 0.7 * scene.cases[row].patient.knob
    turn = np.linspace(-1.2, 0.9, 16)
    path = np.stack([x - 1.5 + 1.25 * np.cos(turn), -6.5 + 1.2 * np.sin(turn)], axis=1)
    return [Line(row, path, 0.1, 2.2)]
