"""``cxr-node train grpo``: reinforce a model by what its own answers are worth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cxr_node.domain.errors import TrainingRefused
from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.entry.train_parts import Device, need_trainers, progress_bar
from cxr_node.reasoning.open_model import permitted


class Reward(StrEnum):
    """What is rewarded."""

    OUTCOME = "outcome"
    PROCESS = "process"
    NV_REASON = "nv-reason"
    REPORT = "report"
    STAGED = "staged"


def add_to(app: typer.Typer) -> None:
    """Make the verb one of ``app``."""
    app.command(
        epilog="Examples: cxr-node train grpo --dialogues phantoms.jsonl --pictures phantoms/ "
        "--out run/ --reward staged --steps 200 --beta 0.04; cxr-node train grpo --model chestx "
        "--dialogues chains.jsonl --pictures films/ --out run/ --reward process --lora 16 "
        "--device cuda"
    )(grpo)


def grpo(
    dialogues: Annotated[
        list[Path], typer.Option(help="File of dialogue records or chains; may be repeated.")
    ],
    pictures: Annotated[Path, typer.Option(help="Folder that the records' pictures are in.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the model comes to OUT/model.")],
    reward: Annotated[
        Reward,
        typer.Option(
            help="outcome and process: chains as ChestX-Reasoner; nv-reason: label lists; "
            "report: the texts of stage 8; staged: whole readings of the model's own answers."
        ),
    ],
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimiser.")],
    model: Annotated[str, typer.Option(help="Name or folder; empty: the configured one.")] = "",
    weight: Annotated[
        list[str] | None,
        typer.Option(help="Weight of a part of the reward, as process=0.7; may be repeated."),
    ] = None,
    group: Annotated[int, typer.Option(min=2, help="Completions of each prompt.")] = 8,
    batch: Annotated[int, typer.Option(min=1, help="Prompts of a step.")] = 4,
    part: Annotated[
        int, typer.Option(min=0, help="Completions computed at once; 0: all of a step.")
    ] = 0,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Highest learning rate.")] = 1e-6,
    beta: Annotated[
        float, typer.Option(min=0.0, help="Weight of the divergence from the model as it was.")
    ] = 0.0,
    temperature: Annotated[float, typer.Option(min=0.0, help="Of the draws.")] = 1.0,
    longest: Annotated[
        int, typer.Option(min=1, help="Most tokens of a completion; staged: as the profile says.")
    ] = 512,
    follow: Annotated[
        float, typer.Option(min=0.0, help="staged: credit of an answer for the next stage.")
    ] = 0.5,
    texts: Annotated[
        bool, typer.Option(help="staged: texts are drawn and learned from, too.")
    ] = True,
    lora: Annotated[int, typer.Option(min=0, help="Rank of adapters; 0 teaches all.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Order of the prompts, draws, adapters.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.CPU,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 50,
    name: Annotated[str, typer.Option(help="Name of the new model; else the old one's.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT's checkpoint.")] = False,
    config: ConfigOption = None,
) -> None:
    """Reinforce a model (GRPO): of several completions of one prompt the better ones are learned.

    Progress is on standard error, in OUT/live.html and in OUT/figures.jsonl, every part of the
    reward for itself. The result is a whole model folder, OUT/model, for `cxr-node model add`
    or model.path.
    """
    need_trainers()
    weights = reward_weights(weight or [])
    chosen = configuration(config)
    folder, _ = permitted(model or chosen.model.path, chosen.models_dir)
    from cxr_node.training.grpo import Settings
    from cxr_node.training.grpo_questions import Recipe
    from cxr_node.training.grpo_run import Wish, run_grpo

    settings = Settings(
        steps=steps,
        group=group,
        batch=batch,
        part=part,
        rate=learning_rate,
        beta=beta,
        temperature=temperature,
        longest=longest,
        lora=lora,
        seed=seed,
        device=device.value,
        checkpoint_layers=device is Device.CUDA,
        save_every=save_every,
        report_every=max(1, steps // 100),
    )
    wish = Wish(
        model=folder,
        dialogues=dialogues,
        pictures=pictures,
        out=out,
        recipe=Recipe(reward),
        settings=settings,
        weights=weights,
        follow=follow,
        texts=texts,
        name=name,
        resume=resume,
    )
    with progress_bar("reinforced") as watch:
        made = run_grpo(wish, watch=watch, looked=_say_prompts)
    console.print(f"{made.folder}: {made.manifest.statement}", highlight=False, soft_wrap=True)


def reward_weights(words: list[str]) -> dict[str, float]:
    """Weights as in ``process=0.7``. Raises :class:`TrainingRefused` naming the one."""
    found = {}
    for part in words:
        name, _, weight = part.partition("=")
        try:
            found[name.strip()] = float(weight)
        except ValueError as error:
            raise TrainingRefused(f"--weight: {part!r} is not of the form process=0.7") from error
        if not 0 <= found[name.strip()] < float("inf"):
            raise TrainingRefused(f"--weight: {part!r} must be 0 or more")
    return found


def _say_prompts(count: int) -> None:
    Console(stderr=True).print(f"{count} prompts")
