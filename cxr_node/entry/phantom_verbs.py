"""``cxr-node phantom``: synthetic radiographs with known answers, as many as asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.instance import View
from cxr_node.entry.options import console

if TYPE_CHECKING:
    from cxr_node.phantom.batched.make import Radiograph

app = typer.Typer(
    help="Synthetic chest radiographs with known answers; needs the extra 'model' (torch).",
    epilog="Example: cxr-node phantom make --n 100 --out phantoms/ --seed 1",
    no_args_is_help=True,
)
_FULL = 2304
_SHEET = 28


class Projection(StrEnum):
    """Which films are drawn."""

    ANY = "any"
    PA = "pa"
    AP = "ap"
    LATERAL = "lateral"

    @property
    def view(self) -> View | None:
        return None if self is Projection.ANY else View(self.value.upper())


@app.command(epilog="Example: cxr-node phantom make --n 100 --out phantoms/ --seed 1 --dicom")
def make(
    out: Annotated[Path, typer.Option(help="Folder for pictures, truth.jsonl, sheet.png.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many cases.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="First seed; each case has the next one.")] = 1,
    size: Annotated[int, typer.Option(min=64, max=4096, help="Pixels across.")] = 224,
    full: Annotated[bool, typer.Option("--full", help="Full resolution, 2304 pixels.")] = False,
    hard: Annotated[bool, typer.Option("--hard", help="Fainter findings, more faults.")] = False,
    view: Annotated[Projection, typer.Option(help="Projection of every film.")] = Projection.ANY,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="A prior and a current film of each patient.")
    ] = False,
    dicom: Annotated[
        bool, typer.Option("--dicom/--png", help="DICOM as several makers write it, or PNG.")
    ] = False,
    masks: Annotated[
        bool, typer.Option("--masks", help="A mask picture of every finding.")
    ] = False,
) -> None:
    """Draw phantoms and write pictures, truth.jsonl and a contact sheet.

    The same seed gives the same patient, film and answers everywhere.
    """
    _need_torch()
    from cxr_node.phantom.batched.contact_sheet import caption, sheet
    from cxr_node.phantom.batched.export import Wish, written

    if pairs and view is Projection.LATERAL:
        raise typer.BadParameter("a pair is frontal", param_hint="--view")
    wish = Wish(
        seeds=range(seed, seed + n),
        size=_FULL if full else size,
        hard=hard,
        view=view.view,
        pairs=pairs,
        dicom=dicom,
        masks=masks,
    )
    out.mkdir(parents=True, exist_ok=True)
    shown: list[tuple[str, Any]] = []
    with (out / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for film, record in _watched(written(wish, out), n):
            truth.write(json.dumps(record, ensure_ascii=False) + "\n")
            if len(shown) < _SHEET:
                shown.append((caption(film), film.image))
    sheet(shown, 224, 7).save(out / "sheet.png", optimize=True)
    console.print(f"{n} cases in {out}: pictures, truth.jsonl, sheet.png", highlight=False)


@app.command(epilog="Example: cxr-node phantom send --to ORTHANC@127.0.0.1:4242 --burst 20")
def send(
    to: Annotated[str, typer.Option(help="Receiver, as AE@host:port.")],
    as_: Annotated[str, typer.Option("--as", help="Own application entity title.")] = "MODALITY",
    burst: Annotated[int, typer.Option(min=0, help="Studies sent at once.")] = 0,
    emergency_at: Annotated[
        int, typer.Option(help="Place of the emergency in the burst; 0: none, -1: its middle.")
    ] = -1,
    every: Annotated[float, typer.Option(min=0, help="Seconds between others; 0: none.")] = 0.0,
    n: Annotated[int, typer.Option("--n", min=0, help="End after so many; 0: never.")] = 0,
    seed: Annotated[int, typer.Option(min=-1, help="First seed; -1: by the clock.")] = -1,
    size: Annotated[int, typer.Option(min=64, max=4096, help="Pixels across.")] = 512,
) -> None:
    """Send phantoms over DICOM as a modality does: a burst, then one every few seconds.

    In the middle of the burst is a large pneumothorax. Prints a line for each study sent.
    """
    _need_torch()
    from cxr_node.dicom.modality import Modality
    from cxr_node.entry.phantom_sending import Pace, PhantomModality, receiver

    place = (burst + 1) // 2 if emergency_at < 0 else emergency_at
    start = int(time.time()) % 40_000_000 if seed < 0 else seed
    modality = PhantomModality(Modality(as_, receiver(to)), console, size, start)
    modality.run(Pace(burst=burst, emergency_at=place, every=every, number=n))


@app.command("sheet", epilog="Example: cxr-node phantom sheet --out docs/images/phantoms.png")
def contact_sheet(
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("phantoms.png"),
    size: Annotated[int, typer.Option(min=64, max=1024, help="Pixels of one picture.")] = 224,
    columns: Annotated[int, typer.Option(min=1, max=12, help="Pictures in a row.")] = 7,
) -> None:
    """Draw one sheet that shows every finding and device once."""
    _need_torch()
    from cxr_node.phantom.batched.contact_sheet import exhibit_sheet

    exhibit_sheet(size, columns).save(out, optimize=True)
    console.print(str(out), highlight=False, soft_wrap=True)


def _need_torch() -> None:
    if find_spec("torch") is None:
        raise ConfigurationError("phantoms need the package torch; install cxr-node[model]")


def _watched(
    films: Iterator[tuple[Radiograph, dict[str, Any]]], total: int
) -> Iterator[tuple[Radiograph, dict[str, Any]]]:
    columns = (SpinnerColumn(), TextColumn("phantoms"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("drawn", total=total)
        for film in films:
            yield film
            progress.advance(task)
