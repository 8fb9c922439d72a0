"""The whole recipe up to a model folder that still has to be calibrated; each step resumes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cxr_node.reasoning.embedded import embedded_manifest, new_model, save_embedded
from cxr_node.reasoning.profiles import Manifest
from cxr_node.training.recipe import joint
from cxr_node.training.recipe.heads import Heads
from cxr_node.training.recipe.pool import Pool
from cxr_node.training.recipe.reinforce import SETTINGS, reinforce
from cxr_node.training.recipe.samples import CHUNK, Kind
from cxr_node.training.recipe.tower import load_tower, teach_tower
from cxr_node.training.run_folder import open_run

VERSION = "0.3"
STATEMENT = (
    "taught on this project's synthetic phantoms; not evaluated on patients; "
    "answers outside phantoms mean nothing"
)
_WIDTH = 256
_FIRST_CHUNKS = 4
"""So many chunks of single films are there before the tower starts; the rest is drawn beside."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is drawn and taught; the defaults made the shipped model."""

    single: int = 28_600
    pair: int = 4_000
    views: int = 1_200
    tower_steps: int = 4_800
    dialogue_steps: int = joint.STEPS
    reinforced_steps: int = SETTINGS.steps

    def chunks(self, kind: Kind) -> int:
        count = {Kind.SINGLE: self.single, Kind.PAIR: self.pair, Kind.VIEWS: self.views}[kind]
        return -(-count // CHUNK)


def teach(out: Path, amount: Amount, threads: int = 1) -> Path:
    """Run every step that is not yet done; returns the folder of the uncalibrated model."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    data = out / "data"
    data.mkdir(parents=True, exist_ok=True)
    network, heads = new_model(0).train(), Heads(_WIDTH)
    _draw(data, Kind.SINGLE, _FIRST_CHUNKS)
    with _drawing(data, amount):
        teach_tower(network, heads, data / Kind.SINGLE, out, amount.tower_steps)
    load_tower(out / "tower.pt", network, heads)
    settings = {"steps": amount.dialogue_steps, "samples": [amount.chunks(kind) for kind in Kind]}
    run = open_run(out / "dialogues", settings, resume=(out / "dialogues" / "run.json").exists())
    pools = {kind: Pool(data / kind, np.random.default_rng(0)) for kind in Kind}
    taught = joint.teach_dialogues(network, heads, pools, run, amount.dialogue_steps)
    if amount.reinforced_steps:
        taught = _reinforced(taught, pools, out / "reinforced", amount.reinforced_steps)
    return save_taught(taught, out / "model")


def _reinforced(network: Any, pools: Mapping[Kind, Pool], out: Path, steps: int) -> Any:
    run = open_run(out, {"steps": steps}, resume=(out / "run.json").exists())
    settings = replace(SETTINGS, steps=steps)
    return reinforce(network, _manifest(), pools, run, settings=settings)


def save_taught(network: Any, folder: Path) -> Path:
    """Weights in bfloat16 with a manifest that claims no probabilities yet."""
    save_embedded(folder, network.to(torch.bfloat16), _manifest())
    network.to(torch.float32)
    return folder


def _manifest() -> Manifest:
    return embedded_manifest(version=VERSION, trained=True, statement=STATEMENT, pictures=2)


def _command(data: Path, kind: Kind, chunks: int) -> list[str]:
    made = [sys.executable, "-m", "cxr_node.training.recipe.samples", str(data / kind)]
    return [*made, "--kind", kind, "--chunks", str(chunks)]


def _draw(data: Path, kind: Kind, chunks: int) -> None:
    subprocess.run(_command(data, kind, chunks), check=True)  # noqa: S603 - own module


@contextmanager
def _drawing(data: Path, amount: Amount) -> Iterator[None]:
    """Draws everything in a child process while the block runs, and waits for what is missing."""
    child = subprocess.Popen(  # noqa: S603 - own module
        _command(data, Kind.SINGLE, amount.chunks(Kind.SINGLE))
    )
    done = False
    try:
        yield
        done = True
    finally:
        if not done:
            child.terminate()
        child.wait()
    for kind in Kind:
        _draw(data, kind, amount.chunks(kind))
