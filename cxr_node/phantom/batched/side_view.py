"""The lateral chest: front on the image's left, spine on its right, both sides in one."""

from __future__ import annotations

import numpy as np
import torch

from cxr_node.phantom.batched.geometry import CARINA, GRID, Geometry, Table
from cxr_node.phantom.batched.opacities import texture
from cxr_node.phantom.batched.scene import Part, Scene, batches, per_part
from cxr_node.phantom.batched.shapes import Line, curve, index_of, looked_up, step, strokes
from cxr_node.phantom.batched.signs import Sign

_LEVELS = (-22.0, -15.5, -13.0, -9.0, -3.0, 4.0, 10.0, 16.0, 24.0)
_FRONT = (-2.5, -3.2, -4.6, -7.4, -9.8, -10.9, -11.0, -10.6, -10.0)
_BACK = (1.5, 2.4, 4.2, 7.4, 9.6, 10.0, 9.2, 7.4, 6.4)
"""Inner front and back of the chest, half of a depth of 20 cm each side of the middle."""


def _walls(g: Geometry, rows: tuple[float, ...]) -> Table:
    scale = 0.62 + 0.38 * g.depth / 17.0
    smooth = np.interp(GRID, _LEVELS, rows) * scale
    kernel = np.hanning(301)
    padded = np.pad(smooth, 150, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid").astype(np.float32)


def _edges(scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    index = index_of(scene.frame.y)
    front = looked_up([_walls(g, _FRONT) for g in scene.shapes], index, scene.frame.x)
    back = looked_up([_walls(g, _BACK) for g in scene.shapes], index, scene.frame.x)
    return front, back


def fill(scene: Scene) -> None:
    """Body, lungs, heart, spine, sternum, ribs, trachea."""
    frame, cases = scene.frame, scene.cases
    front, back = _edges(scene)
    fat = frame.per_row([c.patient.wall for c in cases])
    breast = frame.per_row([c.patient.breast for c in cases])
    bulge = torch.exp(-(((frame.y - 3.5) / 4.5) ** 2)) * 1.1 * breast
    near, far = front - 1.4 - 0.55 * fat - bulge, back + 3.6 + 0.5 * fat
    q = ((frame.x - (near + far) / 2) / ((far - near) / 2)).clamp(-1, 1) ** 2
    width = frame.per_row([2 * c.patient.half_width + 1.2 * c.patient.wall for c in cases])
    neck = step(frame.y + 14.5, 5.0)
    scene.body = (11 + (width - 11) * neck) * (1 - q**2).clamp(min=0).sqrt()
    _lungs(scene, front, back)
    _bones(scene, front, back)
    _trachea(scene)


def _lungs(scene: Scene, front: torch.Tensor, back: torch.Tensor) -> None:
    frame, shapes = scene.frame, scene.shapes
    q = ((frame.x - (front + back) / 2) / ((back - front) / 2)).clamp(-1, 1) ** 2
    apex = frame.per_row([g.apex for g in shapes])
    tall = frame.per_row([g.bottom - g.apex for g in shapes])
    t = ((frame.y - apex) / tall).clamp(0, 1)
    wide = frame.per_row([1.62 * g.half for g in shapes]) * (1 - (1 - t) ** 3).clamp(min=0)
    # Arms are raised, but shoulders and their muscles still veil the apices.
    wide = wide * (0.45 + 0.55 * step(frame.y - apex - 4.0, 5.0))
    depth = wide * (1 - q * q).clamp(min=0).sqrt()
    heart = _heart(scene)
    vessels = torch.exp(-(((frame.x + 1.8 - 0.25 * frame.y) / 2.6) ** 2)) * step(2.0 - frame.y, 5.0)
    arch = (frame.x - 1.0) ** 2 + (frame.y + 6.0) ** 2
    arch = torch.exp(-(((arch.sqrt() - 2.6) / 1.1) ** 2)) * step(-4.0 - frame.y, 3.0)
    solid = 0.5 * wide * heart + 3.4 * vessels + 2.2 * arch
    for side in (0, 1):
        top = frame.per_row([g.dome[side] for g in shapes])
        # Highest in front of the middle, deep behind: the posterior recess.
        floor = top - 0.6 + 0.032 * (frame.x + 3.0).clamp(min=0) ** 2 + 0.02 * (frame.x + 3.0) ** 2
        if side == 1:
            scene.dome = floor
        kept = 1 - step(frame.y - floor, 0.3)
        scene.cavity[side] = (depth - solid).clamp(min=0) / 2 * kept
    scene.lung = scene.cavity.clone()
    scene.heart = heart > 0.05


def _heart(scene: Scene) -> torch.Tensor:
    """An egg that leans on the front of the diaphragm, larger with the ratio."""
    frame, shapes = scene.frame, scene.shapes
    size = frame.per_row([5.3 + 15 * (g.ratio - 0.44) for g in shapes])
    low = frame.per_row([min(g.dome) for g in shapes])
    dx, dy = frame.x + 9.3 - size, frame.y - low + 0.5 * size
    c, s = np.cos(0.95), np.sin(0.95)
    u, v = (dx * c + dy * s) / (1.3 * size), (-dx * s + dy * c) / (0.92 * size)
    return (1 - u * u - v * v).clamp(min=0) ** 0.65


def _bones(scene: Scene, front: torch.Tensor, back: torch.Tensor) -> None:
    frame, cases = scene.frame, scene.cases
    factor = frame.per_row([c.patient.bone for c in cases])
    x = frame.x - back + 1.9
    phase = torch.remainder(frame.y + 30.0 + 0.15 * x, 2.5) / 2.5 - 0.5
    square = (x / (1.5 + 0.3 * (2 * phase) ** 2)) ** 2
    body = (1 - square * square).clamp(min=0).sqrt() * (0.7 + 0.5 * square)
    body = body * ((0.45 - phase.abs()) * 14).clamp(0, 1) * (0.8 + 0.8 * (2 * phase) ** 4)
    arch = torch.exp(-(((x - 2.6) / 0.6) ** 2)) * (phase.abs() < 0.3)
    plate = (1 - ((frame.x - front + 0.2) / 0.5) ** 2).clamp(min=0).sqrt()
    plate = plate * step(frame.y + 10.0, 1.0) * step(5.5 - frame.y, 1.5)
    spacing = frame.per_row([c.patient.rib_spacing for c in cases])
    within = step(frame.x - front, 0.4) * step(back - frame.x, 0.4)
    ribs = torch.zeros_like(frame.x)
    for offset, bow in ((0.0, 0.62), (0.9, 0.7)):
        line = frame.y + offset + bow * (frame.x - back) - 0.03 * (frame.x - back) ** 2
        away = (torch.remainder(line, spacing) / spacing - 0.5) / 0.22
        square = away * away
        ribs += 0.2 * (1 - square * square).clamp(min=0).sqrt() * (0.4 + 0.8 * square)
    low = step(scene.frame.per_row([g.bottom + 1.0 for g in scene.shapes]) - frame.y, 1.0)
    scene.bone += factor * (1.5 * body + 0.6 * arch + 0.9 * plate + ribs * within * low)


def _trachea(scene: Scene) -> None:
    lines = []
    for row in range(len(scene.cases)):
        path = curve([(-1.2, -21.0), (-0.6, -14.0), (0.2, -9.0), (0.7, CARINA)], 40)
        lines.append(Line(row, path, 0.9, 0.9))
    scene.air += strokes(scene.frame, lines)


def add_effusion(scene: Scene) -> None:
    """Fluid in the posterior angle, its level rising in front and behind."""
    for parts in batches(scene.parts(Sign.PLEURAL_EFFUSION)):
        rows, side = [p.row for p in parts], parts[0].side
        frame = scene.frame.rows(rows)
        depth = per_part(scene, [p.plan.within((2.0, 2.6), (3.4, 4.6), (6.0, 8.5)) for p in parts])
        floor = per_part(scene, [scene.shapes[p.row].dome[side] + 3.4 for p in parts])
        level = floor - depth - 0.025 * (frame.x - 1.0) ** 2
        fluid = step(frame.y - level, 0.8)
        lung = scene.lung[side, rows]
        scene.lung[side, rows] = lung * (1 - 0.95 * fluid)
        for part, mask in zip(parts, (fluid > 0.4) & (scene.cavity[side, rows] > 0.5), strict=True):
            scene.found(part, mask)


def add_consolidation(scene: Scene) -> None:
    """A cloud over one lobe; on this view the lower ones lie on the spine."""
    for parts in batches(scene.parts(Sign.CONSOLIDATION)):
        rows, side = [p.row for p in parts], parts[0].side
        frame = scene.frame.rows(rows)
        x, y = (per_part(scene, [_spot(scene, p)[k] for p in parts]) for k in (0, 1))
        radius = per_part(scene, [p.plan.within((2.0, 2.5), (2.7, 3.4), (3.7, 4.8)) for p in parts])
        away = ((frame.x - x) ** 2 + (frame.y - y) ** 2).sqrt() / radius
        ragged = away + 0.24 * texture(scene, parts, 18) + 0.12 * texture(scene, parts, 44)
        patch = torch.sigmoid((0.85 - ragged) * 7)
        fill_ = per_part(
            scene,
            [p.plan.within((0.5, 0.55), (0.6, 0.7), (0.75, 0.9)) * p.plan.faint for p in parts],
        )
        lung = scene.lung[side, rows]
        scene.soft[rows] += lung * fill_ * patch
        for part, mask in zip(parts, (patch > 0.4) & (lung > 1.0), strict=True):
            scene.found(part, mask)


def _spot(scene: Scene, part: Part) -> tuple[float, float]:
    """A place in the lung of the side view: upper ones in the middle, lower ones behind."""
    n, g = part.plan.numbers, scene.shapes[part.row]
    y = g.apex + 5.5 + (g.dome[part.side] - 1.5 - g.apex - 5.5) * n[0]
    return (1.5 + 5.0 * n[1]) * min(1.0, (y - g.apex) / 10.0), y


def add_lesions(scene: Scene) -> None:
    """One round nodule or mass."""
    for part in scene.parts(Sign.LUNG_LESION):
        frame, lung = scene.frame.rows([part.row]), scene.lung[part.side, part.row]
        x, y = _spot(scene, part)
        radius = part.plan.within((0.65, 0.85), (1.0, 1.45), (1.7, 2.7))
        away = ((frame.x[0] - x) ** 2 + (frame.y[0] - y) ** 2).sqrt() / radius
        depth = 2 * radius * (2.3, 1.9, 1.4)[part.plan.grade] * (1 - away**2).clamp(min=0).sqrt()
        scene.soft[part.row] += torch.minimum(depth * part.plan.faint, 0.85 * lung)
        scene.found(part, away < 1.0)


def add_edema(scene: Scene) -> None:
    """Haze around the hila."""
    for part in scene.parts(Sign.EDEMA)[::2]:
        frame, row = scene.frame.rows([part.row]), part.row
        amount = part.plan.within((0.12, 0.15), (0.18, 0.24), (0.3, 0.38)) * part.plan.faint
        central = torch.exp(-((frame.x[0] / 6.5) ** 2) - ((frame.y[0] - 0.5) / 7.5) ** 2)
        grain = 1 + 0.35 * texture(scene, [part], 30)[0] + 0.3 * texture(scene, [part], 70)[0]
        lungs = scene.lung[:, row].sum(0)
        scene.soft[row] += amount * central * grain.clamp(min=0) * lungs
        scene.found(part, (central > 0.42) & (lungs > 1.5))


def add_free_air(scene: Scene) -> None:
    """A crescent under the front of the dome."""
    for part in scene.parts(Sign.FREE_AIR):
        frame, row = scene.frame.rows([part.row]), part.row
        thick = part.plan.within((0.6, 0.9), (1.1, 1.7), (2.0, 3.0))
        below = frame.y[0] - scene.dome[row] - 0.25
        bow = (1 - ((frame.x[0] + 4.0) / 5.0) ** 2).clamp(min=0)
        inside = step(below, 0.12) * step(thick * bow.sqrt() - below, 0.18) * (bow > 0)
        scene.air[row] += (5.0 + part.plan.grade) * inside * (0.45 + 0.55 * part.plan.faint)
        scene.found(part, inside > 0.5)


def add_devices(scene: Scene) -> None:
    """Pacemaker and feeding tube as they run when seen from the side."""
    for sign in (Sign.PACEMAKER, Sign.ENTERIC_TUBE):
        for part in scene.parts(sign):
            metal = strokes(scene.frame.rows([part.row]), _paths(scene, part))[0]
            scene.metal[part.row] += metal * (0.65 + 0.35 * part.plan.faint)
            scene.found(part, metal > 0.03)


def _paths(scene: Scene, part: Part) -> list[Line]:
    g, deep = scene.shapes[part.row], min(scene.shapes[part.row].dome)
    if part.plan.sign is Sign.PACEMAKER:
        vein = [(-8.6, -7.0), (-5.0, -9.6), (-1.5, -7.6), (-1.0, -2.0), (-3.5, deep - 3.4)]
        path = curve([*vein, (-7.2, deep - 2.0)], 90)
        can = np.array([[-8.9, -7.6], [-8.4, -4.6]])
        return [Line(0, path, 0.085, 2.6), Line(0, path[-4:], 0.13, 3.0), Line(0, can, 0.55, 1.2)]
    points = [(0.2, -21.5), (1.4, -13.0), (2.2, -6.0)]
    if part.plan.position is not None and part.plan.position.value == "too_high":
        points.append((2.4, 0.5 + 3.0 * part.plan.amount))
    elif part.plan.position is not None and part.plan.position.value == "malpositioned":
        points += [(2.6, CARINA + 2.0), (5.0, deep - 2.0)]
    else:
        points += [(2.2, deep - 2.0), (-0.5, deep + 3.5), (-3.5, g.dome[1] + 4.5)]
    path = curve(points, 80)
    return [Line(0, path, 0.13, 1.8), Line(0, path[-6:], 0.15, 2.0)]
