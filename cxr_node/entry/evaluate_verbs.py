"""``cxr-node evaluate``: how good the model is, on phantoms, dialogues or labelled images."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cxr_node.domain.findings import ReadingKind
from cxr_node.entry.options import ConfigOption, configuration, with_model
from cxr_node.evaluation.context import Context

app = typer.Typer(
    help="Grade the model; writes metrics.json and report.html. A stopped run goes on.",
    epilog="Example: cxr-node evaluate phantoms --count 300 --out evaluation",
    no_args_is_help=True,
)

OutOption = Annotated[Path, typer.Option(help="Folder for cases, metrics and report.")]
ModelOption = Annotated[str, typer.Option(help="Model folder or name instead of the configured.")]
BatchOption = Annotated[int, typer.Option(min=1, max=64, help="Studies read together.")]
TriageOption = Annotated[bool, typer.Option("--triage", help="Ask only what sets the priority.")]
ResamplesOption = Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")]


class Difficulty(StrEnum):
    """Which phantoms; the shipped model was taught on the standard ones."""

    STANDARD = "phantom-2"
    HARD = "phantom-2-hard"


@app.command(epilog="Example: cxr-node evaluate phantoms --count 300 --out evaluation")
def phantoms(
    out: OutOption,
    count: Annotated[int, typer.Option(min=2, help="How many phantoms.")] = 200,
    first_seed: Annotated[
        int, typer.Option(min=0, help="First seed; on these nothing was taught or calibrated.")
    ] = 9_800_000,
    size: Annotated[int, typer.Option(min=112, max=2304, help="Pixels of a side.")] = 224,
    difficulty: Annotated[
        Difficulty, typer.Option(help="Version of the drawing.")
    ] = Difficulty.STANDARD,
    pairs: Annotated[bool, typer.Option("--pairs", help="Show a prior film too.")] = False,
    dicom: Annotated[
        bool, typer.Option("--dicom", help="Read them from files of several makers.")
    ] = False,
    triage: TriageOption = False,
    context: Annotated[
        Context, typer.Option(help="What a question sees of earlier answers.")
    ] = Context.OWN,
    batch: BatchOption = 8,
    model: ModelOption = "",
    resamples: ResamplesOption = 1000,
    config: ConfigOption = None,
) -> None:
    """Read phantoms, of which everything is known, and grade every stage."""
    from cxr_node.entry.evaluation_run import EvaluationRun
    from cxr_node.entry.evaluation_sets import PhantomWish, phantom_set

    wish = PhantomWish(
        difficulty=difficulty.value,
        seeds=range(first_seed, first_seed + count),
        size=size,
        kind=_kind(triage),
        pairs=pairs,
        files=out / "dicom" if dicom else None,
    )
    chosen = with_model(configuration(config), model)
    with phantom_set(wish, chosen.imaging) as items:
        run = EvaluationRun(chosen, out, wish.kind, batch, resamples, context)
        run.read(items, wish.words)


@app.command(epilog="Example: cxr-node evaluate images labels.csv --root films/ --out evaluation")
def images(
    table: Annotated[Path, typer.Argument(help="CSV: file, and labels or a column per label.")],
    root: Annotated[Path, typer.Option(help="Folder in which the CSV's files lie.")],
    out: OutOption,
    boxes: Annotated[
        Path | None, typer.Option(help="CSV of true boxes: file, label, x, y, w, h in pixels.")
    ] = None,
    under: Annotated[str, typer.Option(help="Only files whose name begins so.")] = "",
    triage: TriageOption = False,
    batch: BatchOption = 4,
    model: ModelOption = "",
    resamples: ResamplesOption = 1000,
    config: ConfigOption = None,
) -> None:
    """Read images (DICOM, PNG, JPEG) with known labels and grade them.

    PNG and JPEG pictures are wrapped as DICOM first, as they would reach the node.
    """
    from cxr_node.entry.evaluation_run import EvaluationRun
    from cxr_node.evaluation.labelled import ignored_words, image_items, read_table
    from cxr_node.imaging.reader import PixelReader

    chosen = with_model(configuration(config), model)
    found = read_table(table, boxes, under)
    kind = _kind(triage)
    reader = PixelReader(chosen.imaging)
    try:
        items = image_items(found, root, reader, out / "dicom", kind)
        run = EvaluationRun(chosen, out, kind, batch, resamples)
        words = f"{len(items)} labelled images of {table.name}"
        run.read(items, words, notes=(ignored_words(found.unknown),), real=True)
    finally:
        reader.close()


@app.command(epilog="Example: cxr-node evaluate dialogues answered.jsonl --out evaluation")
def dialogues(
    source: Annotated[Path, typer.Argument(help="File or folder of records with predictions.")],
    out: OutOption,
    model_name: Annotated[str, typer.Option(help="Whose predictions they are.")] = "not named",
    resamples: ResamplesOption = 1000,
) -> None:
    """Grade dialogue records whose turns hold a "prediction"; no model is run."""
    from cxr_node.entry.evaluation_run import finish
    from cxr_node.evaluation.dialogues import dialogue_cases
    from cxr_node.evaluation.summary import About

    cases = list(dialogue_cases(source))
    about = About(f"{len(cases)} dialogues of {source.name}", model_name, "", "", "", "")
    finish(cases, about, out, resamples)


def _kind(triage: bool) -> ReadingKind:
    return ReadingKind.TRIAGE if triage else ReadingKind.READ
