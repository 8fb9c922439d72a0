"""The last layer of a language model, its feed-forward part only where something is predicted.

Behind the attention of the last layer a token is of use to no other. Most tokens of a pass are
read to be remembered (picture, questions, answers); of these the larger half of that layer can
be left out, which with three layers is a fourth of all work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch


class LastLayer:
    """Stands in for ``forward`` of the feed-forward part; computes all unless told otherwise."""

    def __init__(self, network: Any) -> None:
        part = network.model.language_model.layers[-1].mlp
        self._compute = partial(type(part).forward, part)  # also where it was replaced before
        self._wanted: tuple[torch.Tensor, torch.Tensor] | None = None
        part.forward = self._forward

    @contextmanager
    def only(
        self, rows: torch.Tensor, columns: torch.Tensor, *, everything: bool
    ) -> Iterator[None]:
        """States of the other tokens mean nothing in a pass within this block."""
        self._wanted = None if everything else (rows, columns)
        try:
            yield
        finally:
            self._wanted = None

    def _forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (rows, width, hidden); zeros where nothing is wanted."""
        if self._wanted is None:
            computed: torch.Tensor = self._compute(states)
            return computed
        found = torch.zeros_like(states)
        found[self._wanted] = self._compute(states[self._wanted])
        return found
