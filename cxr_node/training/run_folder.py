"""The folder of one training run, the same for every kind of training.

``run.json`` holds what the run was asked for, ``figures.jsonl`` and ``live.html`` how it goes,
``checkpoints`` what it can go on from, ``model`` what came of it. Checkpoints hold pickles of
the libraries: they are for this run alone and never become part of a model.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_node.domain.errors import RecordRefused, TrainingRefused
from cxr_node.reasoning.profiles import sha256_of
from cxr_node.training.live_plot import LivePlot

_MARK = "checkpoint-"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Names of everything in the folder."""

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / "run.json"

    @property
    def figures(self) -> Path:
        return self.root / "figures.jsonl"

    @property
    def page(self) -> Path:
        return self.root / "live.html"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        return self.root / "model"

    def newest(self) -> Path | None:
        """The whole checkpoint with the most steps; None where there is none."""
        found = {_steps(path): path for path in self.checkpoints.glob(f"{_MARK}*")}
        whole = [n for n, path in found.items() if (path / "trainer_state.json").is_file()]
        return found[max(whole)] if whole else None

    def plot(self, title: str, total: int) -> LivePlot:
        """The live plot, going on behind the newest checkpoint."""
        newest = self.newest()
        after = _steps(newest) if newest else 0
        return LivePlot(self.figures, self.page, title, total=total, after=after)


def open_run(
    root: Path, settings: Mapping[str, object], *, resume: bool, needed: int = 0
) -> RunFolder:
    """Make the folder of a new run, or go on with the one that is there.

    ``settings`` is plain data and decides what the run computes; a run goes on only with the
    same. ``needed`` bytes must be free. Raises :class:`TrainingRefused`.
    """
    run = RunFolder(root)
    asked = json.loads(json.dumps(dict(settings)))
    if resume:
        _same(run, asked)
    elif run.settings.exists():
        raise TrainingRefused(f"{root}: holds a run already; give --resume, or another folder")
    try:
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        room(root, needed)
        run.settings.write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise TrainingRefused(f"{error.filename}: {error.strerror}") from error
    return run


def room(folder: Path, needed: int) -> None:
    """Raises :class:`TrainingRefused` unless ``needed`` bytes are free on the disk."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise TrainingRefused(
            f"{folder}: {needed >> 20} MiB are needed for checkpoints and model, "
            f"{free >> 20} MiB are free"
        )


def data_digests(files: Sequence[Path]) -> dict[str, str]:
    """Name to SHA-256 of every file of dialogues.

    Raises :class:`TrainingRefused` when two have one name, :class:`RecordRefused` when one
    cannot be read.
    """
    names = [path.name for path in files]
    if twice := [name for name in names if names.count(name) > 1]:
        raise TrainingRefused(f"{twice[0]}: two files of dialogues have this name")
    try:
        return {path.name: sha256_of(path) for path in files}
    except OSError as error:
        raise RecordRefused(f"{error.filename}: cannot be read: {error.strerror}") from error


def checkpoint_bytes(network: Any) -> int:
    """Bytes for two checkpoints, one that is being written, and the model, in 32 bits.

    A checkpoint holds the weights and the two moments of Adam.
    """
    count = sum(int(weight.numel()) for weight in network.parameters())
    return 4 * count * (3 * 3 + 1)


def offline() -> None:
    """Keep the training libraries off the network and quiet; before they are imported.

    They look up the hub's host twice a run to count usage (``training.md``).
    """
    wanted = {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    os.environ.update(wanted)
    loaded = sys.modules.get("huggingface_hub.constants")
    if loaded is not None:  # it read the environment when it was imported
        vars(loaded).update(HF_HUB_OFFLINE=True, HF_HUB_DISABLE_TELEMETRY=True)


def _same(run: RunFolder, asked: Mapping[str, object]) -> None:
    try:
        known = json.loads(run.settings.read_bytes())
    except (OSError, ValueError) as error:
        raise TrainingRefused(f"{run.settings}: there is no run to resume") from error
    changed = sorted(k for k in {*known, *asked} if known.get(k) != asked.get(k))
    if changed:
        raise TrainingRefused(
            f"{run.root}: the run was begun with {changed[0]} = {known.get(changed[0])}, "
            f"not {asked.get(changed[0])}; resume with the same settings, or begin anew elsewhere"
        )


def _steps(path: Path) -> int:
    number = path.name.removeprefix(_MARK)
    return int(number) if number.isdigit() else -1
