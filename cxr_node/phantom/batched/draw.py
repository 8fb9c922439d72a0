"""Cases to pictures: plans on the CPU, drawing in torch, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from cxr_node.domain.instance import View
from cxr_node.phantom.batched import (
    bones,
    distractors,
    frontal,
    opacities,
    pleura,
    side_view,
    tubes,
    vessels,
)
from cxr_node.phantom.batched.case import Case
from cxr_node.phantom.batched.detector import expose
from cxr_node.phantom.batched.finish import finished
from cxr_node.phantom.batched.geometry import geometry
from cxr_node.phantom.batched.scene import Scene
from cxr_node.phantom.batched.shapes import frame
from cxr_node.phantom.batched.signs import Sign

FINEST = 1024
"""Most pixels across on which anatomy is drawn; a finer picture is interpolated from it.

At a field of 35 cm that is 0.35 mm. Noise, processing and lead letters are always drawn in
full; a picture of full resolution so costs about a second of one core.
"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pictures (batch, size, size) from 0 to 1 and where everything lies in them.

    ``masks`` are keyed by row and sign; ``heart`` and ``thorax`` are silhouettes, empty of
    meaning on a lateral view.
    """

    cases: tuple[Case, ...]
    images: torch.Tensor
    masks: dict[tuple[int, Sign], torch.Tensor]
    heart: torch.Tensor
    thorax: torch.Tensor


def draw(cases: Sequence[Case], size: int, device: torch.device | str = "cpu") -> Drawn:
    """Draw all ``cases`` on ``size`` x ``size`` pixels; the same alone and in a batch.

    Frontal and lateral ones are drawn apart and put back in order.
    """
    lateral = [n for n, c in enumerate(cases) if c.view is View.LATERAL]
    upright = [n for n, c in enumerate(cases) if c.view is not View.LATERAL]
    images = torch.zeros((len(cases), size, size), dtype=torch.float32, device=device)
    heart = torch.zeros_like(images, dtype=torch.bool)
    thorax = torch.zeros_like(heart)
    masks: dict[tuple[int, Sign], torch.Tensor] = {}
    for rows, build in ((upright, _frontal), (lateral, _lateral)):
        if not rows:
            continue
        scene = _empty([cases[n] for n in rows], min(size, FINEST), device)
        thorax[rows] = _enlarged(build(scene), size)
        images[rows] = expose(scene, size)
        heart[rows] = _enlarged(scene.heart, size)
        masks |= {
            (rows[row], sign): _enlarged(mask[None], size)[0]
            for (row, sign), mask in scene.masks.items()
        }
    return Drawn(tuple(cases), finished(images, list(cases)), masks, heart, thorax)


def _enlarged(masks: torch.Tensor, size: int) -> torch.Tensor:
    if masks.shape[-1] == size:
        return masks
    return functional.interpolate(masks[:, None].float(), size=size)[:, 0] > 0.5


def _empty(cases: list[Case], size: int, device: torch.device | str) -> Scene:
    shots = [c.exposure for c in cases]
    fields = frame(
        size,
        [e.field for e in shots],
        [e.centre for e in shots],
        [e.tilt for e in shots],
        device,
    )
    return Scene(cases, [geometry(c) for c in cases], fields, torch.zeros_like(fields.x))


def _frontal(scene: Scene) -> torch.Tensor:
    frontal.body(scene)
    frontal.chest(scene)
    bones.add_bones(scene)
    pleura.add_effusion(scene)
    pleura.add_pneumothorax(scene)
    vessels.add_vessels(scene)
    opacities.add_edema(scene)
    opacities.add_consolidation(scene)
    opacities.add_atelectasis(scene)
    opacities.add_lesions(scene)
    pleura.add_thickening(scene)
    pleura.add_free_air(scene)
    tubes.add_devices(scene)
    _silhouettes(scene)
    distractors.add_distractors(scene)
    return frontal.thorax(scene)


def _silhouettes(scene: Scene) -> None:
    """Two findings are the outline of the middle itself."""
    for part in scene.parts(Sign.CARDIOMEGALY):
        scene.found(part, scene.heart[part.row])
    for part in scene.parts(Sign.ENLARGED_CARDIOMEDIASTINUM):
        scene.found(part, frontal.upper_middle(scene, part.row))


def _lateral(scene: Scene) -> torch.Tensor:
    side_view.fill(scene)
    side_view.add_effusion(scene)
    vessels.add_vessels(scene)
    side_view.add_edema(scene)
    side_view.add_consolidation(scene)
    side_view.add_lesions(scene)
    side_view.add_free_air(scene)
    side_view.add_devices(scene)
    for part in scene.parts(Sign.CARDIOMEGALY):
        scene.found(part, scene.heart[part.row])
    distractors.add_distractors(scene)
    return torch.zeros_like(scene.heart)
