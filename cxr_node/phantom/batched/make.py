"""Phantoms from seeds: pictures, facts, masks, the answers of all eight stages, reports.

The same seed gives the same picture and answers, alone or in a batch of any order, on any
machine (to 1e-5 in grey, the rounding of sums). Difficulty is :class:`Level`, versioned:
"phantom-2" and "phantom-2-hard".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from cxr_node.phantom.batched.case import Case
from cxr_node.phantom.batched.draw import draw
from cxr_node.phantom.batched.pairs import Pair, kind_changes
from cxr_node.phantom.batched.prose import report
from cxr_node.phantom.batched.signs import Sign
from cxr_node.phantom.batched.truth import Facts, facts

BATCH = 8
"""Pictures drawn at once: at 224 pixels their maps stay in a processor's cache."""


@dataclass(frozen=True, slots=True)
class Radiograph:
    """One phantom: ``image`` is (size, size), 0 to 1, bones bright; masks by sign shown."""

    case: Case
    image: NDArray[np.float32]
    facts: Facts
    masks: dict[Sign, NDArray[np.bool_]]
    findings_text: str
    impression: str

    @property
    def size(self) -> int:
        return int(self.image.shape[0])


@dataclass(frozen=True, slots=True)
class RadiographPair:
    """A prior and a current film with the change of every kind that either shows."""

    pair: Pair
    prior: Radiograph
    current: Radiograph

    @property
    def changes(self) -> dict[str, str]:
        """Kind to change, as stage 5 answers it."""
        found = kind_changes(self.pair.changes, self.prior.facts, self.current.facts)
        return {kind.value: change for kind, change in found.items()}

    @property
    def other_changes(self) -> dict[str, str]:
        """The same for signs outside the vocabulary that either film shows."""
        shown = {*self.prior.masks, *self.current.masks}
        return {
            sign.value: change
            for sign, change in self.pair.changes.items()
            if sign.kind is None and sign in shown
        }


def radiographs(
    cases: Iterable[Case], size: int = 224, *, device: str = "cpu", batch: int = 0
) -> Iterator[Radiograph]:
    """Draw ``cases`` one batch after the other; ``batch`` 0 chooses by the size."""
    count = batch or (BATCH if size <= 320 else 2 if size <= 640 else 1)
    waiting = iter(cases)
    while some := list(islice(waiting, count)):
        yield from _drawn(some, size, device)


def _drawn(cases: Sequence[Case], size: int, device: str) -> Iterator[Radiograph]:
    drawn = draw(cases, size, torch.device(device))
    images = drawn.images.cpu().numpy()
    for row, case in enumerate(cases):
        found, masks = facts(drawn, row)
        words, impression = report(found)
        own = {sign: mask.cpu().numpy() for sign, mask in masks.items()}
        yield Radiograph(case, images[row], found, own, words, impression)


def make_radiograph(case: Case, size: int = 224) -> Radiograph:
    """Draw one case."""
    return next(radiographs([case], size))


def pairs(
    pairs_: Iterable[Pair], size: int = 224, *, device: str = "cpu"
) -> Iterator[RadiographPair]:
    """Draw prior and current films."""
    waiting = iter(pairs_)
    count = max(1, (BATCH if size <= 320 else 2) // 2)
    while some := list(islice(waiting, count)):
        films = list(_drawn([c for p in some for c in (p.prior, p.current)], size, device))
        for n, pair in enumerate(some):
            yield RadiographPair(pair, films[2 * n], films[2 * n + 1])
