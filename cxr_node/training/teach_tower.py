"""Runs the first step and measures what the tower knows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cxr_node.training.figures import auroc
from cxr_node.training.loop import Budget, Pool, log, optimiser, rate_at, save
from cxr_node.training.samples import CHANNELS
from cxr_node.training.tower import Heads, patches, see, targets, tower_loss, varied

RATE = 1.5e-3
_REPORT = 60
_SAVE = 300


def teach_tower(
    network: Any, heads: Heads, data: Path, out: Path, seconds: float, seed: int = 0
) -> None:
    """Train tower and heads for ``seconds``; resumes from ``out/tower.pt``."""
    tower = network.model.visual
    rule = optimiser([tower, heads], RATE)
    step, used = 0, 0.0
    path = out / "tower.pt"
    if path.exists():
        state = torch.load(path, weights_only=True)
        tower.load_state_dict(state["tower"])
        heads.load_state_dict(state["heads"])
        rule.load_state_dict(state["rule"])
        step, used = state["step"], state["used"]
    rng = np.random.default_rng([seed, step])
    budget = Budget(seconds, used)
    for images, cells, truths in Pool(data, rng).batches():
        if budget.share >= 1:
            break
        for group in rule.param_groups:
            group["lr"] = RATE * rate_at(budget.share, step)
        pixels = patches(varied(images, rng))
        with torch.autocast("cpu", torch.bfloat16):
            tokens = see(network, pixels)
        loss, parts = tower_loss(heads, tokens, targets(cells, truths))
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*tower.parameters(), *heads.parameters()], 1.0)
        rule.step()
        rule.zero_grad(set_to_none=True)
        step += 1
        if step % _REPORT == 0:
            log(
                out,
                step=step,
                samples=step * 16,
                share=budget.share,
                cpu=time.process_time(),
                **parts,
            )
        if step % _SAVE == 0:
            _save(path, network, heads, rule, step, budget)
    _save(path, network, heads, rule, step, budget)


def _save(path: Path, network: Any, heads: Heads, rule: Any, step: int, budget: Budget) -> None:
    save(
        path,
        tower=network.model.visual.state_dict(),
        heads=heads.state_dict(),
        rule=rule.state_dict(),
        step=step,
        used=budget.share * budget.seconds,
    )


@torch.inference_mode()
def tower_figures(network: Any, heads: Heads, pool: Pool, count: int) -> dict[str, float]:
    """AUROC of each presence channel's mean read-out on ``count`` held-out samples."""
    found, wanted = [], []
    for start in range(0, count, 50):
        stop = min(start + 50, count)
        tokens = see(network, patches(np.stack(pool.images[start:stop])))
        found.append(heads(tokens.float())[1])
        wanted.append(targets(np.stack(pool.cells[start:stop]), pool.truths[start:stop])[1])
    scores, truth = torch.cat(found).numpy(), torch.cat(wanted).numpy()
    return {
        f"{kind}/{side}" if side else str(kind): auroc(scores[:, k], truth[:, k] > 0.5)
        for k, (kind, side) in enumerate(CHANNELS)
    }
