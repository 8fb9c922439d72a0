"""Read-outs of the vision tower while it learns, and their losses. None of them is shipped.

Answer loss alone leaves a tower of this size at chance for thousands of samples. Masks per
picture token turn one picture into hundreds of examples. A query for each sign, which looks
at the tokens as the language model will, makes what is known locally readable from afar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cxr_node.domain.findings import DevicePosition, Severity
from cxr_node.domain.stages import PROJECTIONS, QUALITY_DIMENSIONS
from cxr_node.phantom.batched.signs import Sign
from cxr_node.training.recipe.samples import CELLS, CHANNELS

SIGNS = tuple(Sign)
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "mask": 5.0,
        "mean": 1.5,
        "looked": 2.0,
        "spot": 3.0,
        "where": 1.0,
        "severity": 0.2,
        "position": 0.3,
        "side": 0.3,
        "view": 0.3,
        "quality": 0.4,
        "edges": 2.0,
    }
)
"""What each part counts in the sum."""

_GRADES = ("adequate", "limited", "inadequate")
_SEVERITIES, _POSITIONS = tuple(Severity), tuple(DevicePosition)
_IGNORED = -100
_MASKED_IN = 4.0
_BETA = 0.02
"""Below this share of the picture an error of a place counts squared."""
_ABOUT_A_SIGN = {"looked": 1, "severity": 3, "position": len(_POSITIONS), "side": 2}


@dataclass(frozen=True, slots=True)
class Targets:
    """What is true of a batch; NaN or -100 where nothing can be said."""

    mask: Tensor
    present: Tensor
    box: Tensor
    severity: Tensor
    position: Tensor
    side: Tensor
    view: Tensor
    quality: Tensor
    edges: Tensor


class Heads(nn.Module):
    """Masks, boxes and place of each token; presence, view, quality, extents of the mean; one
    query a sign."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mask = nn.Linear(width, len(CHANNELS))
        self.present = nn.Linear(width, len(SIGNS))
        self.projection = nn.Linear(width, len(PROJECTIONS))
        self.edges = nn.Linear(width, 8)
        self.quality = nn.Linear(width, len(QUALITY_DIMENSIONS) * len(_GRADES))
        self.spot = nn.Linear(width, len(SIGNS) * 4)
        self.where = nn.Linear(width, 2)
        self.keys = nn.Linear(width, len(SIGNS))
        each = sum(_ABOUT_A_SIGN.values())
        self.out = nn.Parameter(torch.randn(len(SIGNS), width, each) * 0.02)
        self.out_bias = nn.Parameter(torch.zeros(len(SIGNS), each))
        self.place = nn.Parameter(torch.randn(CELLS * CELLS, width) * 0.02)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """``tokens`` (n, 64, width) to the parts named in ``WEIGHTS``."""
        mean = tokens.mean(1)
        look = self.keys(tokens).softmax(1)
        seen = torch.einsum("nts,ntw->nsw", look, tokens + self.place)
        about = torch.einsum("nsw,swk->nsk", seen, self.out) + self.out_bias
        parts = dict(zip(_ABOUT_A_SIGN, about.split([*_ABOUT_A_SIGN.values()], -1), strict=True))
        return {
            "mask": self.mask(tokens),
            "spot": self.spot(tokens).unflatten(-1, (len(SIGNS), 4)),
            "where": self.where(tokens),
            "mean": self.present(mean),
            "view": self.projection(mean),
            "edges": self.edges(mean),
            "quality": self.quality(mean).unflatten(1, (-1, len(_GRADES))),
            **parts,
        }


def targets(cells: NDArray[np.bool_], truths: Sequence[dict[str, Any]]) -> Targets:
    """Of masks (n, channels, 8, 8) and records of phantoms."""
    n, nan = len(truths), float("nan")
    made = Targets(
        mask=torch.from_numpy(cells.reshape(n, len(CHANNELS), -1)).transpose(1, 2).float(),
        present=torch.zeros(n, len(SIGNS)),
        box=torch.full((n, len(SIGNS), 4), nan),
        severity=torch.full((n, len(SIGNS)), _IGNORED),
        position=torch.full((n, len(SIGNS)), _IGNORED),
        side=torch.full((n, len(SIGNS), 2), nan),
        view=torch.tensor([PROJECTIONS.index(_quality(t)["projection"]) for t in truths]),
        quality=torch.tensor(
            [[_GRADES.index(_quality(t)[name]) for name in QUALITY_DIMENSIONS] for t in truths]
        ),
        edges=torch.tensor(
            [[*(t["heart"] or [nan] * 4), *(t["thorax"] or [nan] * 4)] for t in truths]
        )
        / 100,
    )
    for row, truth in enumerate(truths):
        for found in truth["signs"]:
            _note(made, row, found)
    return made


def _quality(truth: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = truth["stages"]["quality_view"]
    return found


def _note(made: Targets, row: int, found: dict[str, Any]) -> None:
    """Write one sign of a record into row ``row``."""
    at = row, SIGNS.index(Sign(found["sign"]))
    made.present[at] = 1.0
    made.box[at] = torch.tensor(found["box"]) / 100
    if found["severity"]:
        made.severity[at] = _SEVERITIES.index(Severity(found["severity"]))
    if found["position"]:
        made.position[at] = _POSITIONS.index(DevicePosition(found["position"]))
    if side := found["side"]:
        made.side[at] = torch.tensor([float(side in (s, "bilateral")) for s in ("right", "left")])


def tower_loss(heads: Heads, tokens: Tensor, wanted: Targets) -> tuple[Tensor, dict[str, float]]:
    """Weighted sum of the parts' losses, and the parts for the log."""
    said = heads(tokens.float())
    binary = functional.binary_cross_entropy_with_logits
    parts = {
        "mask": binary(said["mask"], wanted.mask, pos_weight=torch.tensor(_MASKED_IN)),
        "mean": binary(said["mean"], wanted.present),
        "looked": binary(said["looked"].squeeze(-1), wanted.present),
        "spot": _spots(said["spot"], wanted),
        "where": functional.smooth_l1_loss(
            said["where"], _centres().expand_as(said["where"]), beta=_BETA
        ),
        "severity": _choice(said["severity"], wanted.severity),
        "position": _choice(said["position"], wanted.position),
        "side": _known(binary, said["side"], wanted.side),
        "view": functional.cross_entropy(said["view"], wanted.view),
        "quality": _choice(said["quality"], wanted.quality),
        "edges": _extent(said["edges"], wanted.edges),
    }
    total = torch.stack([WEIGHTS[name] * part for name, part in parts.items()]).sum()
    return total, {name: round(float(part.detach()), 4) for name, part in parts.items()}


def _choice(said: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy over the last axis; 0 where nothing is known."""
    total = functional.cross_entropy(said.flatten(0, 1), wanted.flatten(), reduction="sum")
    return total / (wanted != _IGNORED).sum().clamp(min=1)


def _known(loss: Any, said: Tensor, wanted: Tensor) -> Tensor:
    known = ~torch.isnan(wanted)
    found: Tensor = loss(said[known], wanted[known], reduction="sum")
    return found / known.sum().clamp(min=1)


def _spots(said: Tensor, wanted: Targets) -> Tensor:
    """Every token that shows a sign tells the edges of its box: (n, 64, signs, 4)."""
    shown = wanted.mask[..., : len(SIGNS)] > 0
    boxes = wanted.box.unsqueeze(1).expand_as(said)
    return _extent(said[shown], boxes[shown])


def _centres() -> Tensor:
    """(64, 2): column and row of every token's centre as shares of the picture."""
    edge = (torch.arange(CELLS) + 0.5) / CELLS
    rows, columns = torch.meshgrid(edge, edge, indexing="ij")
    return torch.stack([columns, rows], -1).reshape(-1, 2)


def _extent(said: Tensor, wanted: Tensor) -> Tensor:
    known = ~torch.isnan(wanted)
    loss = functional.smooth_l1_loss(said[known], wanted[known], beta=_BETA, reduction="sum")
    return loss / known.sum().clamp(min=1)
