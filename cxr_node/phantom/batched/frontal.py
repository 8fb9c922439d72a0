"""The frontal chest as line integrals: body, lungs, heart and great vessels, airways, belly."""

from __future__ import annotations

import torch

from cxr_node.domain.instance import View
from cxr_node.phantom.batched import geometry as geo
from cxr_node.phantom.batched.scene import Scene
from cxr_node.phantom.batched.shapes import Line, curve, index_of, looked_up, step, strokes


def body(scene: Scene) -> None:
    """Neck, shoulders, trunk, arms beside it on a bedside film, and the breasts."""
    frame, cases = scene.frame, scene.cases
    index = index_of(frame.y)
    wide = looked_up([geo.body_width(c) for c in cases], index, frame.x)
    deep = looked_up([geo.body_depth(c) for c in cases], index, frame.x)
    across = (frame.x / wide).abs().clamp(max=1)
    scene.body = deep * (1 - across * across * across).clamp(min=0).sqrt()
    breast = frame.per_row([c.patient.breast for c in cases])
    for side in (-1.0, 1.0):
        u = (frame.x - side * 7.4) / 6.2
        v = frame.y - 4.6
        v = torch.where(v > 0, v / 3.6, v / 7.5)
        mound = (1 - u * u - v * v).clamp(min=0)
        scene.body += breast * mound**0.75 * step(1 - v, 0.25) * step(side * frame.x - 3.5, 4.0)


def chest(scene: Scene) -> None:
    """Lungs on both sides of the middle, over the diaphragm; keeps the heart's silhouette."""
    frame, shapes = scene.frame, scene.shapes
    index = index_of(frame.y)
    scene.outer = looked_up([geo.outer(g) for g in shapes], index, frame.x)
    depth = looked_up([geo.chest_depth(g) for g in shapes], index, frame.x)
    scene.dome = looked_up([geo.dome(g) for g in shapes], index_of(frame.x), frame.x)
    middle, heart = _middle(scene, index)
    across = (frame.x / scene.outer).abs().clamp(max=1)
    whole = depth * (1 - across**3).clamp(min=0).sqrt()
    below = frame.y - scene.dome
    # Behind the dome the lung goes on into the posterior recess.
    behind = 0.13 * (1 - below / 3.6).clamp(0, 1) * step(frame.x.abs() - 3.5, 3.0)
    whole = whole * (1 - middle) * (1 - step(below, 0.3) * (1 - behind))
    left = step(frame.x, 0.2)
    scene.cavity[0], scene.cavity[1] = whole * (1 - left), whole * left
    scene.lung = scene.cavity.clone()
    # A turned patient has one lung darker than the other.
    turned = frame.per_row([0.006 * c.exposure.rotation for c in scene.cases])
    scene.density = scene.density * (1 - turned * frame.x / scene.outer)
    scene.heart = heart & (below < 0.6)
    _airways(scene)
    _belly(scene, below)


def _middle(scene: Scene, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Share of the chest's depth that is heart and vessels, and where the heart is."""
    frame, cases, shapes = scene.frame, scene.cases, scene.shapes
    pairs = list(zip(cases, shapes, strict=True))
    right = looked_up([geo.middle_right(c, g) for c, g in pairs], index, frame.x)
    left = looked_up([geo.middle_left(c, g) for c, g in pairs], index, frame.x)
    share = looked_up([geo.heart_depth(g) for g in shapes], index, frame.x)
    x = frame.x - _pushed(scene)
    scene.edge = torch.where(x < 0, -x / right, x / left).clamp(max=1)
    q = scene.edge * scene.edge
    inside = (1 - q * q).clamp(min=0).sqrt()
    top = frame.per_row([min(g.dome) - 9.6 for g in shapes])
    return share * inside, (q < 1) & (frame.y > top)


def _pushed(scene: Scene) -> torch.Tensor:
    """Where the middle lies: pushed or pulled, and turned with the patient; the neck stays."""
    frame = scene.frame
    shift = frame.per_row([g.shift + g.turn for g in scene.shapes])
    return shift * step(frame.y + 10.0, 8.0)


def pushed_at(scene: Scene, row: int, y: float) -> float:
    """The same for one height, for lines that run in the middle."""
    t = min(max((y + 10.0) / 8.0 + 0.5, 0.0), 1.0)
    g = scene.shapes[row]
    return (g.shift + g.turn) * t * t * (3 - 2 * t)


def _airways(scene: Scene) -> None:
    """Trachea and main bronchi as dark columns."""
    lines = []
    for row in range(len(scene.cases)):
        moved = pushed_at(scene, row, geo.CARINA)
        high = pushed_at(scene, row, -12.0)
        wide = 0.8 if scene.cases[row].patient.sex == "F" else 0.92
        fork = (moved, geo.CARINA)
        trunk = [(0.0, -21.0), (0.1 * high, -15.0), (0.6 * moved, -8.5), fork]
        lines.append(Line(row, curve(trunk), wide, 0.9))
        right = [fork, (moved - 1.5, geo.CARINA + 1.3), (moved - 2.7, geo.CARINA + 3.2)]
        left = [fork, (moved + 2.0, geo.CARINA + 1.2), (moved + 3.9, geo.CARINA + 2.4)]
        lines += [Line(row, curve(right, 20), 0.55, 0.9), Line(row, curve(left, 20), 0.5, 0.9)]
    scene.air += strokes(scene.frame, lines)


def _belly(scene: Scene, below: torch.Tensor) -> None:
    """Gas in the stomach under the left dome, seen on most erect films."""
    frame = scene.frame
    amount = frame.per_row(
        [(0.4 + 0.6 * c.patient.knob) * (5.0 if c.view is View.PA else 3.0) for c in scene.cases]
    )
    level = frame.per_row([g.dome[1] + 2.0 for g in scene.shapes])
    place = frame.per_row([5.2 + 2.0 * c.patient.stout for c in scene.cases])
    u, v = (frame.x - place) / 3.0, (frame.y - level) / 1.5
    bubble = (1 - u * u - v * v).clamp(min=0).sqrt()
    scene.air += amount * bubble * step(below - 0.6, 0.4)


def shares(scene: Scene, rows: list[int]) -> torch.Tensor:
    """Height of each pixel as a share from apex (0) to costophrenic angle (1)."""
    frame = scene.frame.rows(rows)
    apex = frame.per_row([scene.shapes[r].apex for r in rows])
    tall = frame.per_row([scene.shapes[r].bottom - scene.shapes[r].apex for r in rows])
    return (frame.y - apex) / tall


def upper_middle(scene: Scene, row: int) -> torch.Tensor:
    """The mediastinum from the clavicles to the heart, as a mask."""
    g, y = scene.shapes[row], scene.frame.y[row]
    return (scene.edge[row] < 1) & (y > g.apex + 1.0) & (y < min(g.dome) - 8.6)


def thorax(scene: Scene) -> torch.Tensor:
    """Inside the ribs from apex to costophrenic angle, whatever fills it, as a mask."""
    frame = scene.frame
    apex = frame.per_row([g.apex for g in scene.shapes])
    bottom = frame.per_row([g.bottom for g in scene.shapes])
    return (frame.x.abs() < scene.outer) & (frame.y > apex) & (frame.y < bottom)
