"""``cxr-node train embedded``: the shipped model again, from phantoms to a calibrated folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.entry.train_parts import need_trainers

EXAMPLE = "Example: cxr-node train embedded --out embedded/ --threads 2"


def embedded(
    out: Annotated[Path, typer.Option(help="Folder of the run; given again, it goes on.")],
    threads: Annotated[int, typer.Option(min=1, help="Processor threads.")] = 1,
    tower_steps: Annotated[int, typer.Option(min=1, help="Steps of 16 films.")] = 4800,
    dialogue_steps: Annotated[int, typer.Option(min=1, help="Steps of 16 dialogues.")] = 1000,
    reinforced_steps: Annotated[int, typer.Option(min=0, help="Steps of GRPO; 0: none.")] = 50,
    films: Annotated[int, typer.Option(min=400, help="Single films to learn from.")] = 28_600,
    judged: Annotated[
        int, typer.Option(min=100, help="Films to fit and others to judge on.")
    ] = 1000,
    config: ConfigOption = None,
) -> None:
    """Teach the embedded model from nothing; about three hours of one processor."""
    need_trainers()
    from cxr_node.entry.calibration import calibrate
    from cxr_node.training.recipe.teach import Amount, teach

    amount = Amount(
        single=films,
        pair=max(films // 7, 100),
        views=max(films // 24, 100),
        tower_steps=tower_steps,
        dialogue_steps=dialogue_steps,
        reinforced_steps=reinforced_steps,
    )
    folder = teach(out, amount, threads)
    calibrate(folder, out / "calibration", (judged, judged), configuration(config))
    console.print(f"written: {folder}", soft_wrap=True)
