"""Second step: the whole model learns the dialogues, the tower's own losses kept beside."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cxr_node.training.loop import Budget, Pool, log, optimiser, rate_at, save
from cxr_node.training.samples import CELLS
from cxr_node.training.token_dialogues import IGNORED, Encoded, Script
from cxr_node.training.tower import Heads, grids, patches, see, targets, tower_loss, varied

RATE = 1.5e-3
SIDE_LOSS = 0.5
_REPORT, _SAVE, _LONGEST = 20, 100, 1024


def padded(dialogues: Sequence[Encoded], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, next-token targets and weights, padded on the right (causal, so harmless)."""
    longest = max(len(d.ids) for d in dialogues)
    ids = torch.full((len(dialogues), longest), pad)
    wanted = torch.full((len(dialogues), longest), IGNORED)
    weights = torch.zeros(len(dialogues), longest)
    for row, d in enumerate(dialogues):
        ids[row, : len(d.ids)] = torch.tensor(d.ids)
        wanted[row, : len(d.ids) - 1] = torch.tensor(d.targets[1:])
        weights[row, : len(d.ids) - 1] = torch.tensor(d.weights[1:])
    return ids, wanted, weights


class Reader:
    """The network's own path from picture tokens and text to logits, in one batch."""

    def __init__(self, network: Any, head: Sequence[int]) -> None:
        self._network = network
        self._picture = network.config.image_token_id
        ids = torch.tensor([[*head, *([0] * (_LONGEST - len(head)))]])
        kinds = (ids == self._picture).int()
        self._positions, _ = network.model.get_rope_index(
            ids, mm_token_type_ids=kinds, image_grid_thw=grids(1)
        )

    def hidden(self, ids: Tensor, tokens: Tensor) -> Tensor:
        """Last hidden states (n, length, width); ``tokens`` (n, 64, width) are the pictures."""
        text = self._network.get_input_embeddings()(ids)
        place = (ids == self._picture).unsqueeze(-1)
        assert int(place.sum()) == len(ids) * CELLS * CELLS
        mixed = text.masked_scatter(place, tokens.to(text.dtype).reshape(-1, tokens.shape[-1]))
        positions = self._positions[:, :, : ids.shape[1]].expand(3, len(ids), -1)
        states: Tensor = self._network.model.language_model(
            inputs_embeds=mixed, position_ids=positions, use_cache=False
        ).last_hidden_state
        return states

    def answer_loss(self, states: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
        """Weighted cross-entropy over the tokens that are learned."""
        learned = wanted != IGNORED
        logits = self._network.lm_head(states[learned]).float()
        each = functional.cross_entropy(logits, wanted[learned], reduction="none")
        return (each * weights[learned]).sum() / weights[learned].sum()


def teach_dialogues(
    network: Any,
    heads: Heads,
    data: Path,
    out: Path,
    seconds: float,
    *,
    rate: float = RATE,
    seed: int = 1,
) -> None:
    """Train everything for ``seconds``; resumes from ``out/whole.pt``."""
    rule = optimiser([network, heads], rate)
    path = out / "whole.pt"
    step, used = 0, 0.0
    if path.exists():
        state = torch.load(path, weights_only=True)
        network.load_state_dict(state["network"])
        heads.load_state_dict(state["heads"])
        rule.load_state_dict(state["rule"])
        step, used = state["step"], state["used"]
    rng = np.random.default_rng([seed, step])
    script = Script(rng)
    head = script.encoded([]).ids
    reader, pad = Reader(network, head), int(network.config.text_config.pad_token_id)
    budget = Budget(seconds, used)
    for images, cells, truths in Pool(data, rng).batches():
        if budget.share >= 1:
            break
        for group in rule.param_groups:
            group["lr"] = rate * rate_at(budget.share, step, warm_up=40)
        ids, wanted, weights = padded(script.batch(truths), pad)
        with torch.autocast("cpu", torch.bfloat16):
            tokens = see(network, patches(varied(images, rng)))
            states = reader.hidden(ids, tokens)
            answer = reader.answer_loss(states, wanted, weights)
        side, parts = tower_loss(heads, tokens, targets(cells, truths))
        (answer + SIDE_LOSS * side).backward()
        torch.nn.utils.clip_grad_norm_([*network.parameters(), *heads.parameters()], 1.0)
        rule.step()
        rule.zero_grad(set_to_none=True)
        step += 1
        if step % _REPORT == 0:
            log(
                out,
                joint=step,
                share=budget.share,
                cpu=time.process_time(),
                answer=float(answer.detach()),
                length=ids.shape[1],
                **parts,
            )
        if step % _SAVE == 0:
            _save(path, network, heads, rule, step, budget)
    _save(path, network, heads, rule, step, budget)


def _save(path: Path, network: Any, heads: Heads, rule: Any, step: int, budget: Budget) -> None:
    save(
        path,
        network=network.state_dict(),
        heads=heads.state_dict(),
        rule=rule.state_dict(),
        step=step,
        used=budget.share * budget.seconds,
    )
