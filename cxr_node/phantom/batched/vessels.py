"""Branching vessels of the lungs and the lungs' own mottle, grown from the seed on the CPU."""

from __future__ import annotations

import numpy as np
import torch

from cxr_node.domain.instance import View
from cxr_node.phantom.batched.frontal import pushed_at
from cxr_node.phantom.batched.scene import SIDES, Scene
from cxr_node.phantom.batched.shapes import Line, smooth_field, strokes
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.streams import Purpose, stream

_TRUNKS = 11
_POINTS = 9
_TWIGS = 5


def add_vessels(scene: Scene) -> None:
    """Arteries and veins end where the lung ends; congestion widens them, above all upward."""
    lines: list[Line] = []
    coarse, fine = [], []
    for row, case in enumerate(scene.cases):
        rng = stream(case.seed, Purpose.VESSELS)
        p = case.plan(Sign.EDEMA)
        full = (
            1.0 if p is None else 1.0 + p.within((0.15, 0.25), (0.25, 0.4), (0.35, 0.5)) * p.faint
        )
        if case.view is not View.LATERAL:
            for side in (0, 1):
                lines += _tree(scene, row, side, rng, full)
        else:
            lines += _hilum(row, rng, full)
        textures = stream(case.seed, Purpose.TEXTURE)
        coarse.append(textures)
        fine.append(stream(case.seed, Purpose.TEXTURE, 1))
    total = strokes(scene.frame, lines)
    lungs = scene.lung.sum(0)
    scene.soft += torch.minimum(total, 0.55 * lungs)
    mottle = 0.035 * smooth_field(coarse, scene.frame, 26)
    mottle = mottle + 0.03 * smooth_field(fine, scene.frame, 75)
    scene.density = scene.density * (1 + mottle)


def _tree(scene: Scene, row: int, side: int, rng: np.random.Generator, full: float) -> list[Line]:
    """Trunks fan out from the hilum; each throws off twigs, some of which fork again."""
    out = SIDES[side]
    moved = pushed_at(scene, row, -1.5)
    g = scene.shapes[row]
    root = np.array([moved + out * 3.3, (-1.3, -2.3)[side]])
    angles = np.linspace(-1.45, 1.5, _TRUNKS) + rng.normal(0, 0.09, _TRUNKS)
    down = np.clip(np.sin(angles), -1, 1)
    room = np.where(down > 0, g.dome[side] - root[1] + 1.5, root[1] - g.apex - 1.0)
    length = np.minimum(np.hypot((g.half - 4.5) * np.cos(angles), room * down), 12.5)
    length *= rng.uniform(0.82, 1.0, _TRUNKS)
    wide = 0.42 + 0.22 * (down > 0.2) * rng.random(_TRUNKS)
    wide *= np.where(down < -0.2, full + 0.45 * (full - 1), full)
    bend = rng.normal(0, 0.45, _TRUNKS)
    lines = [_knot(row, root, out)]
    for k in range(_TRUNKS):
        start = root + np.array([out * 0.5 * np.cos(angles[k]), 1.7 * down[k] + 0.3])
        path, radius = _branch(start, angles[k], length[k], bend[k], out, wide[k])
        lines.append(Line(row, path, radius, 1.5))
        for fork in rng.integers(2, _POINTS - 1, _TWIGS):
            turn = angles[k] + bend[k] + rng.choice((-1, 1)) * rng.uniform(0.3, 0.75)
            reach = length[k] * rng.uniform(0.25, 0.5) * (1.2 - fork / _POINTS)
            twig, thin = _branch(
                path[fork], turn, reach, rng.normal(0, 0.3), out, 0.72 * radius[fork]
            )
            lines.append(Line(row, twig, thin, 1.5))
            if rng.random() < 0.6:
                last = turn + rng.choice((-1, 1)) * rng.uniform(0.3, 0.7)
                more, thinner = _branch(twig[4], last, 0.6 * reach, 0.0, out, 0.7 * thin[4])
                lines.append(Line(row, more, thinner, 1.5))
    return lines


def _branch(
    start: np.ndarray, angle: float, length: float, bend: float, out: float, wide: float
) -> tuple[np.ndarray, np.ndarray]:
    t = np.linspace(0, 1, _POINTS)
    direction = angle + bend * t
    step = length / (_POINTS - 1)
    moves = np.stack([out * np.cos(direction), np.sin(direction)], axis=1) * step
    moves[0] = 0
    return start + np.cumsum(moves, axis=0), np.maximum(wide * (1 - t) ** 0.8, 0.045)


def _knot(row: int, root: np.ndarray, out: float) -> Line:
    """The pulmonary artery at the hilum: a comma that runs down and out."""
    moves = np.array([[-0.9, -1.3], [-0.2, -0.5], [0.25, 0.8], [0.3, 2.4], [0.9, 4.4]])
    radius = np.array([0.7, 0.9, 0.95, 0.85, 0.5])
    return Line(row, root + moves * np.array([out, 1.0]), radius, 0.42)


def _hilum(row: int, rng: np.random.Generator, full: float) -> list[Line]:
    """Seen from the side both hila lie over each other, behind and below the carina."""
    middle = np.array([0.2, -1.6])
    lines = [Line(row, middle + np.array([[-0.8, -1.2], [0.0, 0.0], [0.7, 1.8]]), 0.9, 0.5)]
    for angle in np.linspace(0, 2 * np.pi, 15, endpoint=False) + rng.normal(0, 0.25, 15):
        ray = np.array([np.cos(angle), np.sin(angle)])
        root = middle + ray * np.array([1.2, 2.2]) + rng.normal(0, 0.5, 2)
        length = rng.uniform(4.0, 8.0)
        path, radius = _branch(root, angle, length, rng.normal(0, 0.6), 1.0, 0.34 * full)
        lines.append(Line(row, path, radius, 1.3))
        for fork in rng.integers(2, 7, 3):
            turn = angle + rng.choice((-1, 1)) * rng.uniform(0.4, 0.9)
            twig, thin = _branch(path[fork], turn, 0.5 * length, 0.3, 1.0, 0.7 * radius[fork])
            lines.append(Line(row, twig, thin, 1.3))
    return lines
