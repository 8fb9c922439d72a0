"""The verb ``cxr-node commission``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cxr_node.entry.options import ConfigOption, configuration, console

_LEAST, _MOST = 8, 300


class CommissionDifficulty(StrEnum):
    """Which phantoms are sent."""

    STANDARD = "phantom-2"
    HARD = "phantom-2-hard"


def commission(
    config: ConfigOption = None,
    count: Annotated[int, typer.Option(min=_LEAST, max=_MOST, help="How many studies.")] = 24,
    out: Annotated[Path, typer.Option(help="Folder for report and phantoms.")] = Path("commission"),
    to: Annotated[
        str, typer.Option(help="HOST:PORT/AET to send to, if not the node's own listener.")
    ] = "",
    calling: Annotated[
        str, typer.Option("--from", help="AE title to send as; else the node's own.")
    ] = "",
    difficulty: Annotated[
        CommissionDifficulty, typer.Option(help="Version of the drawing.")
    ] = CommissionDifficulty.STANDARD,
    limits: Annotated[
        Path | None, typer.Option(help="YAML with other limits than the shipped ones.")
    ] = None,
    first_seed: Annotated[
        int, typer.Option(min=0, help="First seed; the same seeds are the same films.")
    ] = 9_900_000,
    size: Annotated[int, typer.Option(min=224, max=2304, help="Pixels of a side.")] = 1024,
    seconds: Annotated[
        float, typer.Option(min=0, help="Longest wait for all results; 0: 60 and 30 a study.")
    ] = 0.0,
    keep: Annotated[
        bool, typer.Option("--keep/--remove", help="Leave the phantoms on the node's worklist.")
    ] = False,
) -> None:
    """Send phantoms through the running node and grade it. Exit 0 passed, 1 failed.

    Writes commission.html (one page to print, sign and file) and commission.json.
    """
    from cxr_node.entry.commission import CommissionOptions, run_commission

    options = CommissionOptions(
        out=out,
        count=count,
        first_seed=first_seed,
        size=size,
        difficulty=difficulty.value,
        to=to,
        calling_ae=calling,
        limits=limits,
        seconds=seconds,
        keep=keep,
    )
    raise typer.Exit(0 if run_commission(configuration(config), options, console) else 1)


def add_to(app: typer.Typer) -> None:
    """Put the verb beside the others."""
    app.command(
        "commission", epilog="Example: cxr-node commission --config /etc/cxr-node.toml --out report"
    )(commission)
