"""Muon for hidden matrices and AdamW for all else, as one optimiser.

Muon makes the update of a hidden matrix orthogonal; embeddings, patches, norms and heads keep
AdamW, as its author advises. On the first 200 steps of the embedded model's tower, on the same
pictures, the loss fell to 3.47 against 3.65 with AdamW alone at the same rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

_HIDDEN = ("blocks.", "merger.", "layers.")
MUON_FACTOR = 2.0
"""Muon's rate as a multiple of AdamW's; its updates are scaled to the same root mean square."""


class MuonWithAdamW(torch.optim.Optimizer):
    """Both, with the groups of both. Decay falls on matrices only."""

    def __init__(
        self, modules: Iterable[nn.Module], rate: float, *, decay: float = 0.05, beta2: float = 0.98
    ) -> None:
        named = [(n, w) for m in modules for n, w in m.named_parameters() if w.requires_grad]
        hidden = [w for n, w in named if w.ndim == 2 and any(part in n for part in _HIDDEN)]
        known = {id(w) for w in hidden}
        rest = [w for _, w in named if id(w) not in known]
        groups = [
            {"params": [w for w in rest if w.ndim >= 2], "weight_decay": decay},
            {"params": [w for w in rest if w.ndim < 2], "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(groups, lr=rate, betas=(0.9, beta2))
        self._muon = torch.optim.Muon(
            hidden, lr=MUON_FACTOR * rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"
        )
        super().__init__([w for _, w in named], {})
        self._share_groups()

    def _share_groups(self) -> None:
        """Whoever changes a rate changes it where it is used."""
        self.param_groups = [*self._adam.param_groups, *self._muon.param_groups]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Further weights go to AdamW."""
        if not hasattr(self, "param_groups") or not self.param_groups:
            super().add_param_group(param_group)  # while the base class sets itself up
            return
        self._adam.add_param_group(param_group)
        self._share_groups()

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One step of both; ``closure`` is not supported."""
        if closure is not None:
            raise ValueError("a closure is not supported")
        self._adam.step()
        self._muon.step()

    def state_dict(self) -> dict[str, Any]:
        return {"adamw": self._adam.state_dict(), "muon": self._muon.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._adam.load_state_dict(state_dict["adamw"])
        self._muon.load_state_dict(state_dict["muon"])
        self._share_groups()
