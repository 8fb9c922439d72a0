"""Signs of the pleural space and under the diaphragm, on frontal views."""

from __future__ import annotations

import torch

from cxr_node.domain.instance import View
from cxr_node.phantom.batched.frontal import shares
from cxr_node.phantom.batched.scene import SIDES, Part, Scene, batches, per_part
from cxr_node.phantom.batched.shapes import step
from cxr_node.phantom.batched.signs import Sign


def add_pneumothorax(scene: Scene) -> None:
    """The lung draws back from apex and side; beyond its thin line there are no vessels."""
    for parts in batches(scene.parts(Sign.PNEUMOTHORAX)):
        rows, side = [p.row for p in parts], parts[0].side
        frame = scene.frame.rows(rows)
        gap = per_part(scene, [_gap(p) for p in parts])
        apical = per_part(scene, [_gap(p) * (1.9, 1.6, 1.3)[p.plan.grade] for p in parts])
        t = shares(scene, rows)
        tall = frame.per_row([scene.shapes[r].bottom - scene.shapes[r].apex for r in rows])
        half = frame.per_row([scene.shapes[r].half for r in rows])
        # Distance of the withdrawn outline: an ellipse-like apex, then along the side.
        lower = (t - apical / tall).clamp(min=0)
        outline = half * (1 - (1 - (lower / 0.62).clamp(max=1)) ** 2.2).clamp(min=0) ** 0.55
        fade = torch.where(gap > 4, torch.ones_like(t), (1.25 - t).clamp(0, 1))
        outline = _softer_minimum(outline, scene.outer[rows] - gap * fade)
        away = outline - SIDES[side] * frame.x
        kept = step(away, 0.12)
        lung = scene.lung[side, rows]
        freed = lung * (1 - kept)
        scene.lung[side, rows] = lung * kept
        scene.gas[rows] += freed
        wide = 0.10 + 0.12 * 38.5 / frame.size
        faint = per_part(scene, [p.plan.faint for p in parts])
        line = torch.exp(-((away / wide) ** 2)) * (lung > 0.5)
        scene.soft[rows] += torch.minimum(1.1 * faint * line, 0.8 * scene.lung[side, rows])
        dense = per_part(scene, [(1.0, 1.15, 1.9)[p.plan.grade] for p in parts])
        scene.density[rows] *= torch.where(kept > 0.5, dense, torch.ones_like(kept))
        _mark(scene, parts, (freed > 0.6) & (away < 0))


def _softer_minimum(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The smaller of both, rounded off where they meet."""
    return 0.5 * (a + b - ((a - b) ** 2 + 1.5).sqrt())


def _gap(part: Part) -> float:
    return part.plan.within((0.7, 1.2), (1.6, 2.8), (4.2, 6.2))


def add_effusion(scene: Scene) -> None:
    """Fluid with a meniscus; on some bedside films a veil that fades upward."""
    for parts in batches(scene.parts(Sign.PLEURAL_EFFUSION)):
        rows, side = [p.row for p in parts], parts[0].side
        frame = scene.frame.rows(rows)
        depth = per_part(
            scene,
            [p.plan.within((1.7, 2.4), (3.4, 5.6), (7.0, 11.5)) * _lesser(p) for p in parts],
        )
        rise = per_part(scene, [2.4 + 2.0 * p.plan.numbers[0] for p in parts])
        veil = per_part(scene, [_veiled(scene, p) for p in parts])
        across = (frame.x / scene.outer[rows]).abs().clamp(max=1)
        top = per_part(scene, [scene.shapes[p.row].dome[side] + 2.4 for p in parts])
        level = top - depth - rise * (across - 0.4).clamp(min=0) ** 2 * 2.2
        fluid = step(frame.y - level, 0.9 + 5.0 * veil) * (1 - 0.35 * veil)
        # Beside the spine the pleural space is thin; fluid there casts no shadow of its own.
        fluid = fluid * step(frame.x.abs() - 3.0, 5.0)
        lung = scene.lung[side, rows]
        faint = per_part(scene, [0.55 + 0.45 * p.plan.faint for p in parts])
        scene.lung[side, rows] = lung * (1 - 0.88 * faint * fluid)
        scene.gas[rows] *= 1 - 0.95 * fluid * (SIDES[side] * frame.x > 0)
        near = frame.y < scene.dome[rows] + 2.2
        mask = (fluid > 0.4) & (scene.cavity[side, rows] > 0.5) & near
        _mark(scene, parts, mask)


def _lesser(part: Part) -> float:
    """Of two effusions the second is a little smaller."""
    return 0.8 if part.side == 1 and len(part.plan.sides()) == 2 else 1.0


def _veiled(scene: Scene, part: Part) -> float:
    bedside = scene.cases[part.row].view is View.AP
    return 1.0 if bedside and part.plan.numbers[1] < 0.35 and part.plan.grade > 0 else 0.0


def add_thickening(scene: Scene) -> None:
    """A rind of tissue inside the ribs, over the apex or along the side, sometimes calcified."""
    for parts in batches(scene.parts(Sign.PLEURAL_OTHER)):
        rows, side = [p.row for p in parts], parts[0].side
        frame = scene.frame.rows(rows)
        thick = per_part(scene, [p.plan.within((0.5, 0.7), (0.8, 1.2), (1.4, 2.0)) for p in parts])
        t = shares(scene, rows)
        capped = [p.plan.variant == "apical" for p in parts]
        bounds = [
            (-0.1, 0.16)
            if cap
            else (0.35 + 0.2 * p.plan.numbers[1], 0.75 + 0.2 * p.plan.numbers[2])
            for p, cap in zip(parts, capped, strict=True)
        ]
        low, high = (per_part(scene, [b[k] for b in bounds]) for k in (0, 1))
        apical = per_part(scene, [float(cap) for cap in capped])
        inward = scene.outer[rows] - SIDES[side] * frame.x
        # Over the apex the rind follows the dome of the chest, about 20 cm of height a share.
        away = torch.where(apical > 0, torch.minimum(inward, 16.0 * t), inward)
        ragged = 1 + 0.25 * torch.sin(frame.y * 2.2 + frame.x) * apical
        rind = step(thick * ragged - away, 0.25) * step(t - low, 0.12) * step(high - t, 0.12)
        rind = rind * (SIDES[side] * frame.x > 0)
        lung = scene.lung[side, rows]
        faint = per_part(scene, [p.plan.faint for p in parts])
        scene.soft[rows] += torch.minimum((2.2 + 2.0 * thick) * rind * faint, 0.85 * lung)
        chalk = per_part(scene, [0.5 * (p.plan.numbers[3] < 0.3) for p in parts])
        scene.bone[rows] += chalk * rind * torch.exp(-(((away - 0.5 * thick) / 0.2) ** 2))
        _mark(scene, parts, (rind > 0.5) & (lung > 0.1))


def add_free_air(scene: Scene) -> None:
    """A crescent of air between the right dome and the liver, and under the left on a large one."""
    for part in scene.parts(Sign.FREE_AIR):
        row = part.row
        frame = scene.frame.rows([row])
        thick = part.plan.within((0.6, 0.9), (1.1, 1.7), (2.0, 3.2))
        below = frame.y[0] - scene.dome[row] - 0.25
        half = scene.shapes[row].half
        bow = (1 - ((frame.x[0] + 0.5 * half) / (0.36 * half)) ** 2).clamp(min=0)
        if part.plan.grade == 2:
            left = (1 - ((frame.x[0] - 0.45 * half) / (0.33 * half)) ** 2).clamp(min=0)
            bow = torch.maximum(bow, 0.8 * left)
        inside = step(below, 0.12) * step(thick * bow.sqrt() - below, 0.18) * (bow > 0)
        depth = (4.5 + 1.5 * part.plan.grade) * (0.45 + 0.55 * part.plan.faint)
        scene.air[row] += depth * inside
        scene.found(part, inside > 0.5)


def _mark(scene: Scene, parts: list[Part], masks: torch.Tensor) -> None:
    for part, mask in zip(parts, masks, strict=True):
        scene.found(part, mask)
