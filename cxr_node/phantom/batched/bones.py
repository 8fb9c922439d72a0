"""Ribs, spine, clavicles, scapulae and arms of the frontal chest, and broken ribs.

A rib is a tilted ring: seen from the front its hinder half runs out nearly level and bends
down, its front half comes back lower. Each pixel therefore knows the rib it lies on from its
height alone, and all ribs cost one evaluation.
"""

from __future__ import annotations

import numpy as np
import torch

from cxr_node.domain.instance import View
from cxr_node.phantom.batched.patient import RIBS
from cxr_node.phantom.batched.scene import Scene
from cxr_node.phantom.batched.shapes import Line, curve, step, strokes
from cxr_node.phantom.batched.signs import Sign

_HALF = 0.52
"""Half height of a rib."""


def add_bones(scene: Scene) -> None:
    """All bones of a frontal view, in centimetres of mineral-equivalent."""
    factor = scene.frame.per_row([c.patient.bone for c in scene.cases])
    total = _ribs(scene) + _spine(scene) + _clavicles(scene) + _shoulders(scene)
    scene.bone += factor * total


def _shell(away: torch.Tensor) -> torch.Tensor:
    """Cross-section of a flat hollow bone: thin in the middle, bright at its edges."""
    square = away * away
    return (1 - square * square).clamp(min=0).sqrt() * (0.42 + 0.75 * square)


def _ribs(scene: Scene) -> torch.Tensor:
    frame, cases = scene.frame, scene.cases
    u = (frame.x / (scene.outer + 0.25)).abs()
    inside = step(1.03 - u, 0.06)
    ring = (1 - (u * u).clamp(max=1)).sqrt()
    tangent = 1 / (ring + 0.32).clamp(max=1.0)
    spacing = frame.per_row([c.patient.rib_spacing for c in cases])
    half_drop = frame.per_row([c.patient.rib_drop / 2 for c in cases])
    first = frame.per_row([g.apex - 0.1 for g in scene.shapes])
    jitter = torch.as_tensor(
        np.array([c.patient.rib_jitter for c in cases], np.float32), device=frame.device
    )
    side = (frame.x > 0).to(torch.int64) * RIBS
    # Upper rings are smaller and steeper; the front halves end in cartilage.
    deep = half_drop * (0.62 + 0.38 * ((frame.y - first) / 16).clamp(0, 1))
    back = (frame.y - first - deep * (1 - ring) + 0.5 * (np.pi * u.clamp(max=1)).sin()) / spacing
    front = (frame.y - first - deep * (1 + 0.92 * ring) - 0.3) / spacing
    total = torch.zeros_like(frame.x)
    for phase, strength, begin, last in ((back, 0.95, 0.13, 11), (front, 0.5, 0.47, 8)):
        number = phase.round()
        valid = (number >= 0) & (number < last)
        number = number.clamp_(0, RIBS - 1)
        slot = (side + number.to(torch.int64)).flatten(1)
        away = (phase - number) * spacing - jitter.gather(1, slot).view_as(phase)
        if strength > 0.5:
            shell = _broken(scene, away / _HALF, number, u)
        else:
            shell = _shell(away / (_HALF * 1.05))
        total += strength * shell * step(u - begin, 0.1) * valid
    return total * inside * tangent


def _broken(
    scene: Scene, away: torch.Tensor, number: torch.Tensor, u: torch.Tensor
) -> torch.Tensor:
    """The hinder ribs; broken ones are stepped, with a dark gap and a rim of callus."""
    gaps = None
    for part in scene.parts(Sign.FRACTURE):
        row, p = part.row, part.plan
        own = (scene.frame.x[row] > 0) == bool(part.side)
        lowest = 3 + int(5 * p.numbers[0])
        count = (1, 1, 3)[p.grade]
        hit = own & (number[row] >= lowest) & (number[row] < lowest + count)
        at = 0.5 + 0.32 * p.numbers[1]
        past = (u[row] - at - 0.015 * (number[row] - lowest)) * scene.shapes[row].half
        lift = p.within((0.32, 0.42), (0.5, 0.65), (0.6, 0.85)) * p.faint
        moved = hit * step(past, 0.1) * (lift / _HALF)
        away[row] = away[row] - moved
        if gaps is None:
            gaps = torch.zeros_like(away)
        gaps[row] = torch.where(hit, torch.exp(-((past / 0.26) ** 2)), gaps[row])
        around = hit & (past.abs() < 1.0) & (away[row].abs() < 1.5)
        # Blood under the pleura beside the break.
        swelling = torch.exp(-((past / 0.8) ** 2) - ((away[row] + 0.5) / 1.6) ** 2)
        scene.body[row] += 0.9 * p.faint * hit * swelling
        scene.found(part, around)
    shell = _shell(away)
    return shell if gaps is None else shell * (1 - gaps)


def _spine(scene: Scene) -> torch.Tensor:
    """Vertebral bodies with pedicles and spinous processes; the gaps are the discs."""
    frame, cases = scene.frame, scene.cases
    bend = frame.per_row([c.patient.curve for c in cases])
    turn = frame.per_row([g.turn for g in scene.shapes])
    x = frame.x - bend * torch.sin(frame.y / 7.0) - 0.25 * turn
    phase = torch.remainder(frame.y + 30.0, 2.35) / 2.35 - 0.5
    waist = 1.45 + 0.35 * (phase * 2) ** 2
    square = (x / waist) ** 2
    body = (1 - square * square).clamp(min=0).sqrt() * (0.75 + 0.6 * square)
    body = body * ((0.46 - phase.abs()) * 14).clamp(0, 1) * (0.8 + 0.8 * (2 * phase) ** 4)
    process = (1 - ((x - 1.1 * turn) / 0.28) ** 2 - ((phase - 0.1) / 0.3) ** 2).clamp(min=0)
    rings = 0.0
    for side in (-1.0, 1.0):
        r = (((x - 0.6 * turn + side * 0.95) / 0.32) ** 2 + ((phase + 0.12) / 0.2) ** 2).sqrt()
        rings = rings + torch.exp(-(((r - 1) / 0.35) ** 2))
    return 0.62 * body + 0.5 * process.sqrt() + 0.22 * rings


def _clavicles(scene: Scene) -> torch.Tensor:
    """S-shaped; higher and steeper on a bedside film, uneven when the patient is turned."""
    lines = []
    for row, (case, g) in enumerate(zip(scene.cases, scene.shapes, strict=True)):
        up = 1.3 if case.view is View.AP else 0.0
        level = g.apex + 3.2 - up + 0.6 * (case.patient.knob - 0.5)
        rise = 1.7 + 0.8 * case.patient.knob + 0.5 * up
        for side in (-1.0, 1.0):
            inner = 1.5 + side * 1.1 * g.turn
            path = [
                (side * inner, level + 0.5),
                (side * (inner + 2.2), level + 0.1),
                (side * (inner + 5.2), level - 0.35 * rise),
                (side * (inner + 9.0), level - 0.9 * rise),
                (side * (inner + 13.0), level - 0.85 * rise),
            ]
            line = curve(path, 44)
            t = np.linspace(0, 1, len(line))
            radius = np.interp(t, [0, 0.1, 0.3, 0.75, 1], [0.85, 0.72, 0.52, 0.5, 0.62])
            lines.append(Line(row, line, radius, 0.6))
            normal = _normals(line)
            for edge in (-1.0, 1.0):
                lines.append(Line(row, line + edge * normal * radius[:, None] * 0.85, 0.12, 1.7))
    return strokes(scene.frame, lines)


def _normals(line: np.ndarray) -> np.ndarray:
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def _shoulders(scene: Scene) -> torch.Tensor:
    """Scapulae, turned out of the lungs on a PA and over them on an AP, and the arms."""
    frame, cases = scene.frame, scene.cases
    place = frame.per_row(
        [
            g.half - (0.9 if c.view is View.AP else -2.6)
            for c, g in zip(cases, scene.shapes, strict=True)
        ]
    )
    total = torch.zeros_like(frame.x)
    lines = []
    for side in (-1.0, 1.0):
        v = (frame.y + 5.5) / 6.6
        u = (side * frame.x - place - 0.18 * (frame.y + 5.5)) / (2.7 - 1.6 * v.clamp(-1, 1))
        blade = step(1 - u.abs() ** 3 - v.abs() ** 3, 0.25)
        medial = torch.exp(-(((u + 0.9) / 0.1) ** 2)) * step(1 - v.abs(), 0.2)
        lateral = torch.exp(-(((u - 0.85) / 0.16) ** 2)) * step(1 - v.abs(), 0.2)
        total += 0.2 * blade + 0.22 * medial + 0.35 * lateral
        for row, (case, g) in enumerate(zip(cases, scene.shapes, strict=True)):
            lines += _arm(row, side, g.half + 3.6 + case.patient.wall * 0.4, case.view is View.AP)
    return total + strokes(frame, lines)


def _arm(row: int, side: float, x: float, down: bool) -> list[Line]:
    """Coracoid, head and shaft of the humerus, glenoid, acromion."""
    head = np.array([[side * x, -11.6], [side * (x + 0.3), -11.2]])
    end = (side * (x + 2.2), 6.0) if down else (side * (x + 9.0), -6.5)
    shaft = curve([(side * (x + 0.6), -10.8), (side * (x + 1.6), -6.5 if down else -9.0), end], 24)
    spine = curve(
        [(side * (x - 5.5), -9.6), (side * (x - 2.0), -12.6), (side * (x + 0.6), -14.2)], 16
    )
    found = [Line(row, head, 2.0, 0.45), Line(row, shaft, 1.0, 0.42), Line(row, spine, 0.5, 0.3)]
    normal = _normals(shaft)
    return found + [Line(row, shaft + e * normal * 0.95, 0.16, 1.0) for e in (-1.0, 1.0)]
