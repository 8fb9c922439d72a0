"""Teaches the embedded model from nothing: phantoms, tower, dialogues, thresholds.

``python -m cxr_node.training.embedded --out DIR --minutes N`` resumes where DIR stands.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from cxr_node.reasoning.embedded import new_model
from cxr_node.training.samples import CALIBRATION_SEEDS, CHUNK, HELD_OUT_SEEDS
from cxr_node.training.ship import ship
from cxr_node.training.teach_dialogues import teach_dialogues
from cxr_node.training.teach_tower import teach_tower
from cxr_node.training.tower import Heads

TOWER_SHARE = 0.42
"""Part of the training time that goes to the tower; the rest to the dialogues."""

WIDTH = 256


def main() -> None:
    """Train for about ``--minutes`` and write ``DIR/embedded_model`` if it is good enough."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    card = teach(options.out, 60 * options.minutes, options.samples)
    (options.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(card, indent=1) + "\n")


def teach(out: Path, seconds: float, samples: int) -> dict[str, Any]:
    """Run every step that is not yet done; returns the card of figures."""
    data = out / "data"
    _make(data / "held", 3, HELD_OUT_SEEDS)
    _make(data / "calibration", 3, CALIBRATION_SEEDS)
    _make(data / "train", 2, 0)
    torch.manual_seed(0)
    network, heads = new_model(0).train(), Heads(WIDTH)
    with _making(data / "train", -(-samples // CHUNK)):
        teach_tower(network, heads, data / "train", out, seconds * TOWER_SHARE)
        teach_dialogues(network, heads, data / "train", out, seconds * (1 - TOWER_SHARE))
    return ship(
        network,
        out / "embedded_model",
        calibration=data / "calibration",
        held_out=data / "held",
        training={"seconds": seconds, "pictures": samples, "threads": torch.get_num_threads()},
    )


def _command(folder: Path, chunks: int, first_seed: int) -> list[str]:
    made = [sys.executable, "-m", "cxr_node.training.samples", str(folder)]
    return [*made, "--chunks", str(chunks), "--first-seed", str(first_seed)]


def _make(folder: Path, chunks: int, first_seed: int) -> None:
    subprocess.run(_command(folder, chunks, first_seed), check=True)  # noqa: S603 - own module


class _making:  # noqa: N801 - reads as a with statement
    """Draws the rest of the phantoms in a child process while training runs."""

    def __init__(self, folder: Path, chunks: int) -> None:
        self._command = _command(folder, chunks, 0)

    def __enter__(self) -> None:
        self._child = subprocess.Popen(self._command)  # noqa: S603 - own module

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.wait()


if __name__ == "__main__":
    main()
