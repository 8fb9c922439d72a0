"""Branching vessels of the lungs and the lungs' own mottle, grown from the seed on the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cxr_node.domain.instance import View
from cxr_node.phantom.batched.frontal import pushed_at
from cxr_node.phantom.batched.scene import SIDES, Scene
from cxr_node.phantom.batched.shapes import Line, smooth_field, step, strokes
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.streams import Purpose, stream

Numbers = NDArray[np.float64]
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
    if scene.cases[0].view is not View.LATERAL:
        # Few vessels cross the heart; most of it lies in front of none.
        total = total * (0.3 + 0.7 * step(scene.edge - 0.95, 0.1))
    lungs = scene.lung.sum(0)
    scene.soft += torch.minimum(total, 0.55 * lungs)
    mottle = 0.035 * smooth_field(coarse, scene.frame, 26)
    mottle = mottle + 0.03 * smooth_field(fine, scene.frame, 75)
    scene.density = scene.density * (1 + mottle)


@dataclass(frozen=True, slots=True)
class _Branches:
    """Some vessels at once: directions and lengths, paths (n, points, 2), radii (n, points)."""

    angle: Numbers
    length: Numbers
    path: Numbers
    radius: Numbers

    def lines(self, row: int, factor: float) -> list[Line]:
        return [Line(row, p, r, factor) for p, r in zip(self.path, self.radius, strict=True)]


def _grown(
    start: Numbers, angle: Numbers, length: Numbers, bend: Numbers, out: float, wide: Numbers
) -> _Branches:
    """Vessels from ``start`` (n, 2), each bending steadily and tapering to its end."""
    t = np.linspace(0, 1, _POINTS)
    direction = angle[:, None] + bend[:, None] * t
    moves = np.stack([out * np.cos(direction), np.sin(direction)], axis=2)
    moves *= (length / (_POINTS - 1))[:, None, None]
    moves[:, 0] = 0
    radius = np.maximum(wide[:, None] * (1 - t) ** 0.8, 0.045)
    return _Branches(angle + bend, length, start[:, None] + np.cumsum(moves, axis=1), radius)


def _twigs(rng: np.random.Generator, parents: _Branches, each: int, out: float) -> _Branches:
    """``each`` side branches of every vessel, thinner and shorter the further out they leave."""
    count = len(parents.angle) * each
    of = np.repeat(np.arange(len(parents.angle)), each)
    fork = rng.integers(2, _POINTS - 1, count)
    turn = parents.angle[of] + rng.choice((-1, 1), count) * rng.uniform(0.3, 0.75, count)
    length = parents.length[of] * rng.uniform(0.25, 0.5, count) * (1.2 - fork / _POINTS)
    wide = 0.72 * parents.radius[of, fork]
    return _grown(parents.path[of, fork], turn, length, rng.normal(0, 0.3, count), out, wide)


def _tree(scene: Scene, row: int, side: int, rng: np.random.Generator, full: float) -> list[Line]:
    """Trunks fan out from the hilum; each throws off twigs, which fork again."""
    out = SIDES[side]
    moved = pushed_at(scene, row, -1.5)
    g = scene.shapes[row]
    root = np.array([moved + out * 3.3, (-1.3, -2.3)[side]])
    angles = np.linspace(-1.45, 1.5, _TRUNKS) + rng.normal(0, 0.09, _TRUNKS)
    down = np.sin(angles)
    room = np.where(down > 0, g.dome[side] - root[1] + 1.5, root[1] - g.apex - 1.0)
    length = np.minimum(np.hypot((g.half - 4.5) * np.cos(angles), room * down), 12.5)
    length *= rng.uniform(0.82, 1.0, _TRUNKS)
    wide = 0.42 + 0.22 * (down > 0.2) * rng.random(_TRUNKS)
    wide *= np.where(down < -0.2, full + 0.45 * (full - 1), full)
    start = root + np.stack([0.5 * out * np.cos(angles), 1.7 * down + 0.3], axis=1)
    trunks = _grown(start, angles, length, rng.normal(0, 0.45, _TRUNKS), out, wide)
    twigs = _twigs(rng, trunks, _TWIGS, out)
    last = _twigs(rng, twigs, 1, out)
    grown = (q for branches in (trunks, twigs, last) for q in branches.lines(row, 1.5))
    return [_knot(row, root, out), *grown]


def _knot(row: int, root: np.ndarray, out: float) -> Line:
    """The pulmonary artery at the hilum: a comma that runs down and out."""
    moves = np.array([[-0.9, -1.3], [-0.2, -0.5], [0.25, 0.8], [0.3, 2.4], [0.9, 4.4]])
    radius = np.array([0.7, 0.9, 0.95, 0.85, 0.5])
    return Line(row, root + moves * np.array([out, 1.0]), radius, 0.42)


def _hilum(row: int, rng: np.random.Generator, full: float) -> list[Line]:
    """Seen from the side both hila lie over each other, behind and below the carina."""
    middle = np.array([0.2, -1.6])
    knot = Line(row, middle + np.array([[-0.8, -1.2], [0.0, 0.0], [0.7, 1.8]]), 0.9, 0.5)
    angles = np.linspace(0, 2 * np.pi, 15, endpoint=False) + rng.normal(0, 0.25, 15)
    rays = np.stack([1.2 * np.cos(angles), 2.2 * np.sin(angles)], axis=1)
    start = middle + rays + rng.normal(0, 0.5, (15, 2))
    length, bend = rng.uniform(4.0, 8.0, 15), rng.normal(0, 0.6, 15)
    trunks = _grown(start, angles, length, bend, 1.0, np.full(15, 0.34 * full))
    twigs = _twigs(rng, trunks, 3, 1.0)
    return [knot, *trunks.lines(row, 1.3), *twigs.lines(row, 1.3)]
