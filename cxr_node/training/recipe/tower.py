"""First step: the vision tower learns where signs are, token by token, and to tell them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from cxr_node.training.figures import auroc
from cxr_node.training.live_plot import LivePlot
from cxr_node.training.muon import MuonWithAdamW
from cxr_node.training.recipe.heads import SIGNS, Heads, targets, tower_loss
from cxr_node.training.recipe.pool import Pool
from cxr_node.training.recipe.sight import patches, see, varied

RATE = 1.5e-3
STEPS = 4800
_WARM_UP = 60
_REPORT, _SAVE = 50, 200
_SEED = 0


def teach_tower(network: Any, heads: Heads, data: Path, out: Path, steps: int = STEPS) -> None:
    """Train tower and heads for ``steps`` of 16 pictures; goes on from ``out/tower.pt``."""
    tower = network.model.visual
    rule = MuonWithAdamW([tower, heads], RATE)
    falling = torch.optim.lr_scheduler.LambdaLR(rule, lambda at: factor_at(at, steps))
    path, step = out / "tower.pt", 0
    if path.exists():
        state = load_tower(path, network, heads)
        rule.load_state_dict(state["rule"])
        falling.load_state_dict(state["falling"])
        step = state["step"]
    rng = np.random.default_rng([_SEED, step])
    plot = LivePlot(
        out / "tower.jsonl", out / "tower.html", "vision tower", total=steps, after=step
    )
    for batch in Pool(data, rng).batches():
        if step >= steps:
            break
        with torch.autocast("cpu", torch.bfloat16):
            tokens = see(network, patches(varied(batch.images, rng)))
        loss, parts = tower_loss(heads, tokens, targets(batch.cells, batch.truths))
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*tower.parameters(), *heads.parameters()], 1.0)
        rule.step()
        falling.step()
        rule.zero_grad(set_to_none=True)
        step += 1
        if step % _REPORT == 0:
            plot.add(step, {"loss": float(loss.detach()), **parts})
        if step % _SAVE == 0 or step == steps:
            save(
                path,
                tower=tower.state_dict(),
                heads=heads.state_dict(),
                rule=rule.state_dict(),
                falling=falling.state_dict(),
                step=step,
            )
    plot.draw()


def factor_at(step: int, steps: int) -> float:
    """Factor on the rate: warm-up, flat, linear to 2 % over the last 40 %."""
    share = step / steps
    falling = 1.0 if share < 0.6 else max(0.02, 1 - 0.98 * (share - 0.6) / 0.4)
    return min(1.0, (step + 1) / _WARM_UP) * falling


def save(path: Path, **state: Any) -> None:
    """Write a checkpoint whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)


def load_tower(path: Path, network: Any, heads: Heads) -> dict[str, Any]:
    """Take up the weights of a checkpoint; returns all of it."""
    state: dict[str, Any] = torch.load(path, weights_only=True)
    network.model.visual.load_state_dict(state["tower"])
    heads.load_state_dict(state["heads"])
    return state


@torch.inference_mode()
def tower_figures(network: Any, heads: Heads, pool: Pool, count: int) -> dict[str, float]:
    """AUROC of each sign, by the query that looks for it, on the first ``count`` samples."""
    found, wanted = [], []
    for start in range(0, count, 50):
        batch = pool.get(range(start, min(start + 50, count)))
        tokens = see(network, patches(batch.images)).float()
        found.append(heads(tokens)["looked"].squeeze(-1))
        wanted.append(targets(batch.cells, batch.truths).present)
    scores, truth = torch.cat(found).numpy(), torch.cat(wanted).numpy() > 0.5
    return {str(sign): auroc(scores[:, k], truth[:, k]) for k, sign in enumerate(SIGNS)}
