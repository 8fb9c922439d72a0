"""From thickness to picture: two energies, scatter, quantum noise, blur, processing, edges.

Linear attenuation per centimetre at two effective energies of a filtered 110 kVp beam (about
50 and 75 keV, values close to NIST XCOM for soft tissue, inflated lung, cortical-trabecular
bone mixed, and a metal of a wire's dilution); their mixture gives beam hardening.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from cxr_node.phantom.batched.patient import Exposure
from cxr_node.phantom.batched.scene import Scene
from cxr_node.phantom.batched.shapes import blurred
from cxr_node.phantom.batched.streams import Purpose, stream

_ENERGIES = ((0.55, 0.205, 0.054, 0.52, 3.0), (0.45, 0.172, 0.046, 0.33, 1.5))
"""Share of the detected signal, soft tissue, lung, bone, metal."""
_FIELD = 35.5
"""Middle of the fields that are drawn, cm."""


def primary(scene: Scene) -> torch.Tensor:
    """Share of the beam that passes unscattered, (batch, size, size)."""
    lungs = torch.minimum(scene.lung.sum(0), scene.body)
    aerated = (lungs - scene.soft).clamp(min=0)
    gas = scene.gas + scene.air
    solid = (scene.body - aerated - gas).clamp(min=0)
    airy = aerated * scene.density
    passed = torch.zeros_like(solid)
    for share, soft, lung, bone, metal in _ENERGIES:
        total = soft * solid + lung * airy + (bone - soft) * scene.bone + metal * scene.metal
        passed += share * torch.exp(-total)
    return passed


def expose(scene: Scene, size: int) -> torch.Tensor:
    """The displayed pictures on ``size`` pixels, 0 to 1, bones bright, (batch, size, size)."""
    frame = scene.frame
    shots = [c.exposure for c in scene.cases]
    # The pictures of a batch share a blur in pixels; their fields differ by a few per cent.
    coarse, scale = frame.size / _FIELD, size / _FIELD
    beam = blurred(primary(scene), max(0.03 * coarse, 0.3))
    inside = (scene.body > 0.5).float()
    scatter = frame.per_row([e.scatter for e in shots])
    signal = beam + scatter * blurred(beam * inside, 5 * coarse)
    if size != frame.size:
        signal = functional.interpolate(signal[:, None], size=size, mode="bilinear")[:, 0]
        inside = functional.interpolate(inside[:, None], size=size)[:, 0]
    level = -torch.log(_noisy(scene, signal, scale).clamp(min=2e-5))
    # What a maker's processing does: fine detail up, large differences down.
    level = level + frame.per_row([e.sharpness for e in shots]) * (
        level - blurred(level, 1.2 * scale)
    )
    level = level - frame.per_row([e.compression for e in shots]) * blurred(level, 5.5 * scale)
    return _displayed(level, inside > 0, shots)


def _noisy(scene: Scene, signal: torch.Tensor, scale: float) -> torch.Tensor:
    """Quantum noise; photons per pixel fall with its area, 224 pixels are the reference."""
    frame = scene.frame
    photons = frame.per_row([c.exposure.photons for c in scene.cases]) * 100 * (5.8 / scale) ** 2
    shape = tuple(signal.shape[-2:])
    grain = np.stack(
        [
            stream(c.seed, Purpose.GRAIN, c.take).standard_normal(shape, dtype=np.float32)
            for c in scene.cases
        ]
    )
    noise = torch.as_tensor(grain, device=frame.device) * torch.sqrt(signal / photons)
    return signal + noise


def _displayed(level: torch.Tensor, inside: torch.Tensor, shots: list[Exposure]) -> torch.Tensor:
    """Window each picture over what is patient in it, shifted by an exposure fault."""
    low, high = _limits(level, inside)
    span = (high - low).clamp(min=1e-3)
    rows = len(shots)

    def column(values: list[float]) -> torch.Tensor:
        return level.new_tensor(values).view(rows, 1, 1)

    first = low + span * column([e.window[0] for e in shots])
    last = low + span * column([e.window[1] for e in shots])
    shown = (0.07 + 0.86 * (level - first) / (last - first)).clamp(0, 1)
    return shown ** column([e.gamma for e in shots])


def _limits(level: torch.Tensor, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey levels under which 1.5 and 98.5 % of the patient lie, (batch, 1, 1) each."""
    stride = max(1, level.shape[-1] // 112)
    some = level[:, ::stride, ::stride].flatten(1)
    body = inside[:, ::stride, ::stride].flatten(1)
    # What is outside the patient goes behind all else, so that ranks count the patient alone.
    ordered = torch.where(body, some, torch.inf).sort(dim=1).values
    count = body.sum(1, keepdim=True).clamp(min=1)
    ends = [
        ordered.gather(1, ((count - 1).float() * share).long()).view(-1, 1, 1)
        for share in (0.015, 0.985)
    ]
    return ends[0], ends[1]
