"""Signs inside the lungs, on frontal views: consolidation, collapse, edema, nodules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from cxr_node.phantom.batched.scene import SIDES, Part, Scene, batches, per_part
from cxr_node.phantom.batched.shapes import Line, curve, smooth_field, step, strokes
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.streams import Purpose, stream


def texture(scene: Scene, parts: list[Part], cells: int) -> torch.Tensor:
    """A smooth random field for each part, its own by seed and sign."""
    rows = [p.row for p in parts]
    generators = [
        stream(
            scene.cases[p.row].seed, Purpose.TEXTURE, 2 + cells + 200 * p.plan.sign.number + p.side
        )
        for p in parts
    ]
    return smooth_field(generators, scene.frame.rows(rows), cells)


def place(scene: Scene, part: Part, margin: float) -> tuple[float, float]:
    """A point of the lung, off its edges, from the plan's own numbers; centimetres."""
    g, numbers = scene.shapes[part.row], part.plan.numbers
    up, down = g.apex + 2.6 + 0.5 * margin, g.dome[part.side] - 0.4 * margin - 0.6
    y = up + (down - up) * numbers[0]
    inner = 3.2 + 0.6 * margin
    low = g.dome[part.side] - 7.0
    if part.side == 1 and y > low:
        # Beside the left ventricle, not behind it.
        inner = max(inner, min(0.655 * g.ratio * 2 * g.half, 10.0) - 1.0)
    outer = g.outer_at(y) - 0.6 * margin - 0.3
    x = inner + (max(outer, inner + 0.2) - inner) * numbers[1]
    return SIDES[part.side] * min(x, g.outer_at(y) - 0.8), y


def add_consolidation(scene: Scene) -> None:
    """A patchy cloud with soft edges that fills air spaces; the bronchi in it stay dark."""
    for parts in batches(scene.parts(Sign.CONSOLIDATION)):
        rows, side = [p.row for p in parts], parts[0].side
        frame = scene.frame.rows(rows)
        sizes = [p.plan.within((2.0, 2.6), (2.8, 3.8), (4.2, 5.8)) for p in parts]
        centres = [place(scene, p, r * 0.6) for p, r in zip(parts, sizes, strict=True)]
        x, y = (per_part(scene, [c[k] for c in centres]) for k in (0, 1))
        radius = per_part(scene, sizes)
        stretch = per_part(scene, [0.75 + 0.5 * p.plan.numbers[2] for p in parts])
        away = (((frame.x - x) / stretch) ** 2 + ((frame.y - y) * stretch) ** 2).sqrt() / radius
        ragged = away + 0.24 * texture(scene, parts, 18) + 0.12 * texture(scene, parts, 44)
        patch = torch.sigmoid((0.85 - ragged) * 7)
        fill = per_part(
            scene,
            [p.plan.within((0.36, 0.42), (0.48, 0.6), (0.65, 0.8)) * p.plan.faint for p in parts],
        )
        # The lines are numbered by part, not by picture, while they are drawn.
        bronchi = strokes(
            frame, [q for n, p in enumerate(parts) for q in _bronchi(n, p, centres[n], sizes[n])]
        )
        lung = scene.lung[side, rows]
        filled = (lung * fill * patch - 1.3 * bronchi * (patch > 0.4)).clamp(min=0)
        scene.soft[rows] += filled
        for part, mask in zip(parts, (patch > 0.4) & (lung > 1.0), strict=True):
            scene.found(part, mask)


def _bronchi(number: int, part: Part, centre: tuple[float, float], radius: float) -> list[Line]:
    out = SIDES[part.side]
    start = (out * 3.4, -1.2)
    lines = []
    for k in range(4):
        turn = (part.plan.numbers[4 + k] - 0.5) * 2.2 + (1.2 if centre[1] > 0 else -0.6)
        end = (
            centre[0] + 0.75 * radius * out * np.cos(turn),
            centre[1] + 0.75 * radius * np.sin(turn),
        )
        middle = ((start[0] + 1.4 * centre[0]) / 2.4, (start[1] + 1.4 * centre[1]) / 2.4)
        path = curve([start, middle, end], 24)
        lines.append(Line(number, path, np.linspace(0.24, 0.1, len(path)), 0.9))
    return lines


def add_atelectasis(scene: Scene) -> None:
    """Mild: plates at the base. Worse: a lobe collapsed toward the hilum, with volume loss."""
    for parts in batches(scene.parts(Sign.ATELECTASIS)):
        side = parts[0].side
        for part in parts:
            row = part.row
            lung = scene.lung[side, row]
            patch = _plates(scene, part) if part.plan.grade == 0 else _lobe(scene, part)
            depth = 0.75 if part.plan.grade else 1.0
            amount = torch.minimum(depth * lung, patch * (lung if part.plan.grade else 2.2))
            scene.soft[row] += amount * part.plan.faint * (0.7 if part.plan.grade else 1.0)
            scene.found(part, (patch > 0.35) & (lung > 0.4))
            if part.plan.variant == "upper":
                scene.found(part, (patch > 0.35) & (scene.cavity[side, row] > 0.4))


def _plates(scene: Scene, part: Part) -> torch.Tensor:
    frame, n = scene.frame.rows([part.row]), part.plan.numbers
    out, g = SIDES[part.side], scene.shapes[part.row]
    total = torch.zeros_like(frame.x[0])
    for k in range(2):
        y = g.dome[part.side] - 1.2 - 1.6 * k - 1.4 * n[1 + k]
        x = out * (7.2 + 1.6 * (n[3 + k] - 0.5)) if part.side == 0 else 8.8 + n[3 + k]
        slope = out * (0.35 * n[5 + k] - 0.05)
        half = 1.9 + 1.2 * part.plan.amount
        along = (frame.x[0] - x) / half
        across = (frame.y[0] - y - slope * (frame.x[0] - x)) / 0.3
        total = total + step(1 - along.abs(), 0.4) * torch.exp(-(across**2))
    return total.clamp(max=1)


def _lobe(scene: Scene, part: Part) -> torch.Tensor:
    """A wedge with a sharp outer border: behind the heart at the base, or at the upper middle."""
    frame, out = scene.frame.rows([part.row]), SIDES[part.side]
    g = scene.shapes[part.row]
    wide = part.plan.within((0, 0), (4.6, 5.6), (6.2, 8.0))
    x = out * frame.x[0] - out * g.shift
    if part.plan.variant == "upper":
        top, low = g.apex, -1.5 - 1.2 * (part.plan.grade - 1)
        edge = 1.5 + (wide + 1.0) * ((low - frame.y[0]) / (low - top)).clamp(0, 1) ** 0.6
        return step(edge - x, 0.3) * step(low - frame.y[0], 0.5) * step(x - 1.0, 2.0)
    start, base = -2.0, g.dome[part.side]
    reach = 0.35 * g.ratio * 2 * g.half if part.side == 0 else 0.42 * g.ratio * 2 * g.half
    edge = (
        2.0
        + (reach - 1.0 + 0.6 * wide) * ((frame.y[0] - start) / (base - start)).clamp(0, 1.3) ** 1.25
    )
    return step(edge - x, 0.3) * step(frame.y[0] - start, 1.5) * step(x - 1.2, 2.4)


def add_edema(scene: Scene) -> None:
    """Haze around both hila, thickened septa at the edges, a reticular grain."""
    parts = scene.parts(Sign.EDEMA)[::2]
    if not parts:
        return
    rows = [p.row for p in parts]
    frame = scene.frame.rows(rows)
    amount = per_part(
        scene,
        [p.plan.within((0.10, 0.13), (0.16, 0.21), (0.27, 0.36)) * p.plan.faint for p in parts],
    )
    across = (frame.x / scene.outer[rows]).abs()
    central = torch.exp(-(((across - 0.32) / 0.36) ** 2) - ((frame.y - 0.5) / 7.0) ** 2)
    low = ((frame.y + 6) / 12).clamp(0, 1)
    grain = 0.35 * texture(scene, parts, 30) + 0.3 * texture(scene, parts, 70)
    haze = (central + 0.25 * low) * (1 + grain).clamp(min=0)
    lungs = scene.lung[:, rows].sum(0)
    lines = strokes(frame, [q for n, p in enumerate(parts) for q in _septa(scene, n, p)])
    strong = per_part(scene, [(1.0, 1.4, 1.6)[p.plan.grade] * p.plan.faint for p in parts])
    scene.soft[rows] += torch.minimum(amount * haze * lungs + strong * lines, 0.7 * lungs)
    seen = (central + 0.25 * low > (0.5, 0.42, 0.34)[1]) & (lungs > 1.5)
    for part, mask in zip(parts, seen, strict=True):
        scene.found(part, mask)


def _septa(scene: Scene, number: int, part: Part) -> list[Line]:
    """Kerley B lines: short, level, at the outer edge of the lower zones."""
    rng = stream(scene.cases[part.row].seed, Purpose.TEXTURE, 9)
    g = scene.shapes[part.row]
    lines = []
    for side in (0, 1):
        for k in range(9):
            y = g.dome[side] + 1.2 - 0.75 * k + rng.normal(0, 0.1)
            x = SIDES[side] * (g.outer_at(y) - 0.25)
            end = x - SIDES[side] * rng.uniform(1.0, 2.0)
            lines.append(Line(number, np.array([[x, y], [end, y + rng.normal(0, 0.12)]]), 0.1, 2.0))
    return lines


def add_lesions(scene: Scene) -> None:
    """A round nodule or mass, at times spiculated, at times several."""
    for parts in batches(scene.parts(Sign.LUNG_LESION)):
        side = parts[0].side
        for part in parts:
            frame = scene.frame.rows([part.row])
            lung, n = scene.lung[side, part.row], part.plan.numbers
            total = torch.zeros_like(lung)
            for k in range(3 if part.plan.variant == "several" else 1):
                other = _moved(part, k)
                radius = part.plan.within((0.65, 0.85), (1.0, 1.45), (1.7, 2.7)) * (1 - 0.2 * k)
                x, y = place(scene, other, radius + 0.3)
                dx, dy = frame.x[0] - x, frame.y[0] - y
                angle = torch.atan2(dy, dx)
                rough = 0.06 * torch.sin(3 * angle + 6 * n[5]) + 0.03 * torch.sin(7 * angle)
                if n[6] < 0.35:
                    rough = rough + 0.1 * torch.sin(13 * angle + 5 * n[7]).clamp(min=0)
                away = (dx * dx + dy * dy).sqrt() / (radius * (1 + rough))
                ball = (1 - away * away).clamp(min=0).sqrt()
                depth = 2 * radius * (2.1, 1.7, 1.25)[part.plan.grade]
                total = torch.maximum(total, depth * ball)
                scene.found(part, away < 1.0)
            scene.soft[part.row] += torch.minimum(total * part.plan.faint, 0.85 * lung)


def _moved(part: Part, k: int) -> Part:
    if k == 0:
        return part
    n = list(part.plan.numbers)
    n[0], n[1] = n[8 + 2 * k], n[9 + 2 * k]
    return replace(part, plan=replace(part.plan, numbers=tuple(n)))
