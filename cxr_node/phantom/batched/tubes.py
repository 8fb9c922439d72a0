"""Tubes, lines and pacemakers of frontal views, with their tips where the plan says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from cxr_node.domain.findings import DevicePosition
from cxr_node.phantom.batched.frontal import pushed_at
from cxr_node.phantom.batched.geometry import CARINA
from cxr_node.phantom.batched.scene import SIDES, Part, Scene
from cxr_node.phantom.batched.shapes import Line, Points, curve, step, strokes
from cxr_node.phantom.batched.signs import Sign

_D = DevicePosition
_METAL = 1.0
Drawing = Callable[[Scene, Part], list[Line]]


def add_devices(scene: Scene) -> None:
    """All devices of the batch; the mask of each is where it adds to the picture."""
    for sign, drawing in _DRAWINGS.items():
        parts = scene.parts(sign)
        if not parts:
            continue
        rows = [p.row for p in parts]
        lines = [
            Line(n, q.points, q.radius, q.factor)
            for n, p in enumerate(parts)
            for q in drawing(scene, p)
        ]
        metal = strokes(scene.frame.rows(rows), lines)
        for n, part in enumerate(parts):
            if sign is Sign.PACEMAKER:
                metal[n] += _generator(scene, part)
            scene.metal[part.row] += metal[n] * (0.65 + 0.35 * part.plan.faint)
            scene.found(part, metal[n] > 0.03)


def _walls(row: int, path: Points, radius: float, strength: float) -> list[Line]:
    """A tube: two walls and a stripe that stops X-rays."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.stack([-along[:, 1], along[:, 0]], axis=1) * radius
    return [
        Line(row, path + side, 0.1, 1.2 * strength),
        Line(row, path - side, 0.1, 1.2 * strength),
        Line(row, path + 0.3 * side, 0.085, 3.2 * strength),
    ]


def _endotracheal(scene: Scene, part: Part) -> list[Line]:
    """Correct is 3 to 6 cm above the carina; malpositioned is in the right main bronchus."""
    p, row = part.plan, part.row
    low = pushed_at(scene, row, CARINA)
    high = 0.6 * low
    tip = {
        _D.CORRECT: (high, CARINA - 3.1 - 2.2 * p.amount),
        _D.TOO_LOW: (low, CARINA - 1.0 + 0.9 * p.amount),
        _D.TOO_HIGH: (0.3 * high, CARINA - 7.6 - 1.4 * p.amount),
        _D.MALPOSITIONED: (low - 1.7, CARINA + 1.7 + 0.5 * p.amount),
    }[p.position or _D.CORRECT]
    bend = 0.5 * (p.numbers[0] - 0.5)
    points = [(bend, -22.0), (0.5 * bend, -16.5), (0.3 * high, (tip[1] - 16.0) / 2)]
    if p.position is _D.MALPOSITIONED:
        points.append((low - 0.1, CARINA - 0.2))
    return _walls(row, curve([*points, tip], 50), 0.42, 0.8)


def _enteric(scene: Scene, part: Part) -> list[Line]:
    """Correct ends in the stomach; malpositioned follows the right bronchus into the lung."""
    p, row, g = part.plan, part.row, scene.shapes[part.row]
    low, deep = pushed_at(scene, row, 2.0), g.dome[1]
    start = [(0.5 * (p.numbers[0] - 0.5), -22.0), (0.5, -14.0)]
    if p.position is _D.MALPOSITIONED:
        end = [(low, CARINA - 0.3), (low - 2.2, CARINA + 2.4), (low - 4.4, g.dome[0] - 3.5)]
        last = (low - 6.2, g.dome[0] - 0.8)
    elif p.position is _D.TOO_HIGH:
        end, last = [(low + 0.5, -4.0)], (low + 0.7, 0.5 + 3.0 * p.amount)
    else:
        end = [(low + 0.5, -3.0), (low + 0.9, deep - 1.5), (low + 2.4, deep + 2.4)]
        last = (4.6 + 2.5 * p.amount, deep + 4.2 + p.numbers[1])
    path = curve([*start, *end, last], 80)
    return [*_walls(row, path, 0.19, 0.4), Line(row, path[-6:], 0.13, 1.4)]


def _to_the_vein(scene: Scene, part: Part, start: list[tuple[float, float]]) -> list[Line]:
    """From ``start`` over the brachiocephalic vein to the vena cava, or astray."""
    p, row = part.plan, part.row
    out = SIDES[part.side]
    moved = pushed_at(scene, row, -3.0)
    over = [(-0.6, -8.9)] if out > 0 else []
    vein = [(moved - 2.1, -7.6), (moved - 2.25, -5.6)]
    tip = {
        _D.CORRECT: (moved - 2.3, -3.6 + 2.2 * p.amount),
        _D.TOO_LOW: (moved - 2.0, scene.shapes[row].dome[0] - 5.0 + 1.5 * p.amount),
        _D.TOO_HIGH: (out * 2.6, -9.3),
        _D.MALPOSITIONED: (-out * (7.0 + 2.0 * p.amount), -10.4),
    }[p.position or _D.CORRECT]
    if p.position is _D.TOO_HIGH:
        return [Line(row, curve([*start, tip], 50), 0.105, 1.5)]
    if p.position is _D.MALPOSITIONED:
        points = [*start, (out * 1.0, -8.6), (-out * 2.6, -9.2), (-out * 4.6, -10.2), tip]
        return [Line(row, curve(points, 70), 0.105, 1.5)]
    return [Line(row, curve([*start, *over, *vein, tip], 70), 0.105, 1.5)]


def _venous(scene: Scene, part: Part) -> list[Line]:
    """By the neck or under the clavicle."""
    out = SIDES[part.side]
    if part.plan.numbers[0] < 0.55:
        start = [(out * 4.4, -21.0), (out * 3.9, -15.5), (out * 3.0, -10.6)]
    else:
        start = [(out * 10.5, -9.6), (out * 7.0, -10.6), (out * 4.0, -10.4)]
    return _to_the_vein(scene, part, start)


def _port(scene: Scene, part: Part) -> list[Line]:
    """A round reservoir on the chest wall, its catheter looping up to the neck."""
    out, n = SIDES[part.side], part.plan.numbers
    x, y = out * (7.5 + 1.6 * n[0]), -5.8 + 1.8 * n[1]
    turn = np.linspace(0, 2 * np.pi, 40)
    lines = []
    for radius, thick, strength in ((1.25, 0.16, 2.4), (0.8, 0.12, 1.6)):
        ring = np.stack([x + radius * np.cos(turn), y + 0.92 * radius * np.sin(turn)], axis=1)
        lines.append(Line(part.row, ring, thick, strength))
    lines.append(Line(part.row, np.array([[x - 0.3, y], [x + 0.3, y]]), 0.75, 0.22))
    start = [(x, y - 1.1), (out * 5.6, -10.2), (out * 3.9, -12.8), (out * 3.0, -10.8)]
    return lines + _to_the_vein(scene, part, start)


def _chest_tube(scene: Scene, part: Part) -> list[Line]:
    """From the side up to the apex or down to the base; malpositioned stays in the chest wall."""
    p, row, out = part.plan, part.row, SIDES[part.side]
    g = scene.shapes[row]
    y = 2.2 + 2.0 * p.numbers[0]
    edge = g.outer_at(y)
    start = [(out * (edge + 5.5), y + 2.6), (out * (edge + 0.4), y)]
    if p.position is _D.MALPOSITIONED:
        up = g.outer_at(y - 5.5)
        points = [*start, (out * (edge + 0.7), y - 2.5), (out * (up + 1.1), y - 5.5)]
    elif p.numbers[1] < 0.6:
        top = g.apex + 2.6 + 1.5 * p.amount
        points = [*start, (out * (edge - 3.2), y - 4.5), (out * (edge - 4.6), (y + top) / 2 - 2.5)]
        points.append((out * min(5.0, g.outer_at(top) - 1.0), top))
    else:
        base = g.dome[part.side] - 0.3
        points = [*start, (out * (edge - 3.5), y + 1.2), (out * 5.0, base - 0.8), (out * 4.0, base)]
    path = curve(points, 70)
    return _walls(row, path, 0.36, 0.75)


def _leads(scene: Scene, part: Part) -> list[Line]:
    """From the generator through the vein to the right ventricle, often the atrium too."""
    x, y, out, row = *_can(part), SIDES[part.side], part.row
    g, moved = scene.shapes[row], pushed_at(scene, row, 0.0)
    heart = g.dome[0] - 3.6
    tips = [(moved + 3.4 + part.plan.amount, g.dome[1] - 2.4)]
    if part.plan.numbers[3] < 0.6:
        tips.append((moved - 1.2, heart - 3.4))
    lines = []
    for k, tip in enumerate(tips):
        vein = [(x, y - 1.7 - 0.15 * k), (out * 5.8, -10.6 + 0.2 * k), (out * 2.2, -9.4)]
        cava = [(moved - 2.2, -6.8), (moved - 2.35 - 0.15 * k, -2.8), (moved - 2.0, heart - 1.0)]
        via = cava if k == 0 else [*cava[:2], (moved - 2.3, heart - 1.6)]
        path = curve([*vein, *via, tip], 90)
        lines += [Line(row, path, 0.085, 2.6), Line(row, path[-4:], 0.13, 3.0)]
    return lines


def _can(part: Part) -> tuple[float, float]:
    n = part.plan.numbers
    return SIDES[part.side] * (7.8 + 2.2 * n[0]), -7.6 + 1.8 * n[1]


def _generator(scene: Scene, part: Part) -> torch.Tensor:
    """A rounded metal can with a paler header."""
    frame = scene.frame.rows([part.row])
    x, y = _can(part)
    turn = 0.6 * (part.plan.numbers[2] - 0.5)
    dx, dy = frame.x[0] - x, frame.y[0] - y
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / 2.3
    v = (-dx * np.sin(turn) + dy * np.cos(turn)) / 2.0
    can = step(1 - u.abs() ** 3 - v.abs() ** 3, 0.12) * step(v + 0.5, 0.15)
    header = step(1 - (u / 0.7).abs() ** 4 - (v + 0.65).abs() ** 4 * 30, 0.3)
    battery = step(0.8 - u.abs(), 0.1) * step(0.6 - (v - 0.15).abs(), 0.1)
    return _METAL * (0.55 * can + 0.3 * can * battery) + 0.25 * header


_DRAWINGS: dict[Sign, Drawing] = {
    Sign.ENDOTRACHEAL_TUBE: _endotracheal,
    Sign.ENTERIC_TUBE: _enteric,
    Sign.CENTRAL_VENOUS_CATHETER: _venous,
    Sign.PORT: _port,
    Sign.CHEST_TUBE: _chest_tube,
    Sign.PACEMAKER: _leads,
}
