"""``cxr-node train``: teach a model further, on a site's own dialogues or on phantoms."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cxr_node.domain.errors import TrainingRefused
from cxr_node.domain.stages import StageKey
from cxr_node.entry import grpo_verbs
from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.entry.train_parts import Device, need_trainers, progress_bar
from cxr_node.reasoning.open_model import permitted

if TYPE_CHECKING:
    from cxr_node.training.sft_records import Outline

app = typer.Typer(
    help="Teach a model further; needs the extras 'model' and 'train'.",
    epilog="Example: cxr-node train sft --model nv --dialogues own.jsonl --out run/",
    no_args_is_help=True,
)


class Context(StrEnum):
    """What a question sees of the dialogue before it."""

    REFERENCE = "reference"
    NONE = "none"


@app.command(
    epilog="Examples: cxr-node train sft --dialogues phantoms.jsonl --pictures phantoms/ "
    "--out run/ --epochs 3; cxr-node train sft --model nv --dialogues own.jsonl --pictures "
    "films/ --out run/ --lora 16 --device cuda --stages 2,3,8:0.5"
)
def sft(
    dialogues: Annotated[
        list[Path], typer.Option(help="File of dialogue records or chains; may be repeated.")
    ],
    pictures: Annotated[Path, typer.Option(help="Folder that the records' pictures are in.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the model comes to OUT/model.")],
    model: Annotated[str, typer.Option(help="Name or folder; empty: the configured one.")] = "",
    stages: Annotated[
        str, typer.Option(help="Stages that are learned, with a weight if not 1: 2,3:2,8:0.5.")
    ] = "1,2,3,4,5,6,7,8",
    context: Annotated[
        Context, typer.Option(help="Questions see the reference answers before them, or nothing.")
    ] = Context.REFERENCE,
    lora: Annotated[int, typer.Option(min=0, help="Rank of adapters; 0 teaches all.")] = 0,
    steps: Annotated[int, typer.Option(min=0, help="Steps; 0: as --epochs says.")] = 0,
    epochs: Annotated[float, typer.Option(min=0.0, help="Passes over all dialogues.")] = 1.0,
    batch: Annotated[int, typer.Option(min=1, help="Dialogues computed at once.")] = 4,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches that make one step.")] = 1,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Highest learning rate.")] = 1e-5,
    seed: Annotated[int, typer.Option(min=0, help="Order of the dialogues, adapters.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.CPU,
    longest: Annotated[
        int, typer.Option(min=0, help="Most tokens of a dialogue; 0: as the model has room.")
    ] = 0,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 100,
    name: Annotated[str, typer.Option(help="Name of the new model; else the old one's.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT's checkpoint.")] = False,
    config: ConfigOption = None,
) -> None:
    """Teach a model on dialogues: only the answers are learned, in the node's own prompts.

    Progress is on standard error, in OUT/live.html and in OUT/figures.jsonl. The result is a
    whole model folder, OUT/model, for `cxr-node model add` or model.path.
    """
    need_trainers()
    weights = stage_weights(stages)
    chosen = configuration(config)
    folder, _ = permitted(model or chosen.model.path, chosen.models_dir)
    from cxr_node.training import sft_records
    from cxr_node.training.sft import Settings
    from cxr_node.training.sft_run import Wish, run_sft

    on_card = device is Device.CUDA
    settings = Settings(
        steps=steps,
        batch=batch,
        accumulate=accumulate,
        rate=learning_rate,
        lora=lora,
        seed=seed,
        device=device.value,
        bf16=on_card,
        checkpoint_layers=on_card,
        save_every=save_every,
    )
    wish = Wish(
        model=folder,
        dialogues=dialogues,
        pictures=pictures,
        out=out,
        weights=weights,
        settings=settings,
        epochs=epochs,
        context=sft_records.Context(context),
        longest=longest,
        name=name,
        resume=resume,
    )
    with progress_bar("taught") as watch:
        taught = run_sft(wish, watch=watch, looked=_say_outline)
    console.print(f"{taught.folder}: {taught.manifest.statement}", highlight=False, soft_wrap=True)


def stage_weights(words: str) -> dict[StageKey, float]:
    """Weights of stages, as in ``2,3:2,8:0.5``. Raises :class:`TrainingRefused` naming the part."""
    found = {}
    for part in words.split(","):
        number, _, weight = part.strip().partition(":")
        try:
            stage, counts = list(StageKey)[int(number) - 1], float(weight or 1)
        except (ValueError, IndexError) as error:
            raise TrainingRefused(f"--stages: {part!r} is no stage; they are 1 to 8") from error
        if int(number) < 1 or not 0 < counts < float("inf"):
            raise TrainingRefused(f"--stages: {part!r} is no stage with a weight above 0")
        found[stage] = counts
    return found


def _say_outline(outline: Outline) -> None:
    answers = ", ".join(f"{n} of stage {s.number}" for s, n in outline.answers)
    err = Console(stderr=True)
    err.print(f"{len(outline.items)} samples, longest {outline.longest} tokens; answers: {answers}")
    for reason, count in outline.left_out.most_common():
        err.print(f"left out {count}: {reason}", highlight=False, soft_wrap=True)


grpo_verbs.add_to(app)
