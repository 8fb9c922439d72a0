"""Second step: the whole model learns the dialogues, the tower's own losses kept beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cxr_node.reasoning.chat import BRIEF_CHAT
from cxr_node.reasoning.words import build_tokenizer
from cxr_node.training.recipe import script
from cxr_node.training.recipe.heads import Heads, Targets, targets, tower_loss
from cxr_node.training.recipe.pool import BATCH, Pool
from cxr_node.training.recipe.samples import CELLS, Kind
from cxr_node.training.recipe.sight import grids, patches, varied
from cxr_node.training.run_folder import RunFolder
from cxr_node.training.sft import Settings, fine_tune
from cxr_node.training.sft_samples import Sample

STEPS = 1000
RATE = 1.5e-3
_SIDE_LOSS = 0.5
_TRIAGE, _THINNED = 0.25, 0.4
"""Up to these shares of batches are triage, thinned triage; the rest is whole readings."""
_KINDS = {Kind.PAIR: 0.12, Kind.VIEWS: 0.06}
"""Shares of batches with two pictures."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What a batch holds: kind of samples, their numbers, and the shape of the dialogue."""

    kind: Kind
    numbers: Sequence[int]
    roll: float


class PhantomDialogues:
    """Samples by number; 16 that follow each other are alike, so that little is padding.

    The same number always gives the same sample: pools must not grow meanwhile.
    """

    def __init__(self, pools: Mapping[Kind, Pool], count: int, seed: int) -> None:
        self._pools, self._count, self._seed = pools, count, seed
        self._tokenizer = build_tokenizer()
        self._batch = lru_cache(maxsize=4)(self._drawn)
        self._ids = lru_cache(maxsize=20_000)(self._encoded)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Sample:
        drawn = self._batch(number // BATCH)
        rng = np.random.default_rng([self._seed, 1, number])
        batch = self._pools[drawn.kind].get([drawn.numbers[number % BATCH]])
        shown = (
            batch.images if drawn.kind is Kind.SINGLE else np.stack([batch.images, batch.others])
        )
        seen = varied(shown.reshape(-1, *shown.shape[-2:]), rng)
        ids, weights = self.tokens(self._turns(drawn, batch.truths[0], rng), len(seen))
        wanted = targets(batch.cells, batch.truths)
        side = {field.name: getattr(wanted, field.name)[0] for field in fields(wanted)}
        return Sample(ids, weights, patches(seen), grids(len(seen)), side)

    def _drawn(self, batch: int) -> _Drawn:
        rng = np.random.default_rng([self._seed, 0, batch])
        share, kind = float(rng.random()), Kind.SINGLE
        for other, odds in _KINDS.items():
            if share < odds and other in self._pools:
                kind = other
                break
            share -= odds
        numbers = rng.integers(len(self._pools[kind]), size=BATCH).tolist()
        return _Drawn(kind, numbers, float(rng.random()))

    @staticmethod
    def _turns(drawn: _Drawn, truth: script.Record, rng: np.random.Generator) -> list[script.Said]:
        if drawn.roll < _TRIAGE:
            turns = script.triage(truth)
        elif drawn.roll < _THINNED:
            turns = script.thinned(truth, rng)
        else:
            turns = script.reading(truth, rng)
        return script.compared(turns) if drawn.kind is Kind.PAIR else turns

    def tokens(
        self, turns: Sequence[script.Said], pictures: int = 1
    ) -> tuple[list[int], list[float]]:
        """Ids of the whole dialogue and the weight of each; only answers are learned."""
        ids = list(self._ids(BRIEF_CHAT.head((CELLS * CELLS,) * pictures)))
        weights = [0.0] * len(ids)
        for number, turn in enumerate(turns):
            asked = self._ids(BRIEF_CHAT.question(turn.prompt, first=number == 0))
            given = self._ids(BRIEF_CHAT.answer(turn.answer))
            ids += [*asked, *given]
            weights += [0.0] * len(asked) + [turn.weight] * (len(given) - 1) + [turn.end_weight]
        return ids, weights

    def _encoded(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)


class TowerSide:
    """The tower's own losses on the first picture of every sample."""

    def __init__(self, heads: Heads) -> None:
        self._heads = heads

    @property
    def module(self) -> Heads:
        return self._heads

    def __call__(
        self, tokens: Tensor, targets: Mapping[str, Tensor]
    ) -> tuple[Tensor, Mapping[str, float]]:
        count = len(targets["present"])
        first = tokens.view(count, -1, CELLS * CELLS, tokens.shape[-1])[:, 0]
        loss, parts = tower_loss(self._heads, first, Targets(**targets))
        return _SIDE_LOSS * loss, parts


def teach_dialogues(
    network: Any, heads: Heads, pools: Mapping[Kind, Pool], run: RunFolder, steps: int = STEPS
) -> Any:
    """Train everything for ``steps`` of 16 dialogues; goes on from the newest checkpoint."""
    torch.manual_seed(1)
    settings = Settings(
        steps=steps,
        batch=BATCH,
        rate=RATE,
        warm_up=40,
        schedule="flat",
        weight_decay=0.05,
        beta2=0.98,
        optimiser="muon",
        seed=1,
        bf16=True,
        shuffle=False,
        save_every=200,
        report_every=50,
    )
    samples = PhantomDialogues(pools, steps * BATCH, seed=1)
    return fine_tune(
        network,
        samples,
        build_tokenizer(),
        run,
        settings,
        side=TowerSide(heads),
        title="Dialogues of the embedded model",
    )
