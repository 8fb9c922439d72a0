"""``cxr-node dialogues``: files of dialogue records, made, checked and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn

from cxr_node.domain.errors import ConfigurationError, CxrNodeError, RecordRefused
from cxr_node.entry.options import ConfigOption, configuration, console

if TYPE_CHECKING:
    from cxr_node.training.record_counts import RecordCounts
    from cxr_node.training.records import Record

app = typer.Typer(
    help="Dialogues in eight stages (CXRTrek's format): make, check, count, export.",
    epilog="Example: cxr-node dialogues check dialogues.jsonl",
    no_args_is_help=True,
)

FileArgument = Annotated[Path, typer.Argument(help="File of records: JSON array or JSON lines.")]
OutArgument = Annotated[
    Path, typer.Argument(help="File to write; .json is one array, anything else JSON lines.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Also write the counts to this file.")
]


@app.command(epilog="Example: cxr-node dialogues check dialogues.jsonl")
def check(file: FileArgument, json_file: JsonOption = None) -> None:
    """Read a whole file, count it by stage, name what is odd. Exit 1 for oddities, 2 if broken."""
    from cxr_node.entry.dialogue_tables import oddity_table, stage_table

    counts = _counted(file, json_file)
    console.print(stage_table(counts))
    if counts.oddities:
        console.print(oddity_table(counts))
        raise typer.Exit(1)


@app.command(epilog="Example: cxr-node dialogues stats dialogues.jsonl --json counts.json")
def stats(file: FileArgument, json_file: JsonOption = None) -> None:
    """Count a file by stage, question type, task type and source."""
    from cxr_node.entry.dialogue_tables import counter_table, stage_table, summary

    counts = _counted(file, json_file)
    console.print(summary(counts), highlight=False)
    console.print(stage_table(counts))
    console.print(counter_table("task type", counts.tasks))
    console.print(counter_table("source", counts.sources))


@app.command(epilog="Example: cxr-node dialogues export own.jsonl --config /etc/cxr-node.toml")
def export(
    out: OutArgument,
    study: Annotated[str, typer.Option(help="Only this Study Instance UID.")] = "",
    config: ConfigOption = None,
) -> None:
    """Write the node's own stored readings as dialogues: a model's answers, and so marked."""
    from cxr_node.entry.dialogue_export import export_readings

    with _progress("exported") as counted:
        count = export_readings(configuration(config), out, study, counted)
    if study and not count:
        raise CxrNodeError("the node has no full reading of this study")
    _say(out, count)


@app.command(
    epilog="Examples: cxr-node dialogues phantoms phantoms.jsonl --count 500; "
    "cxr-node dialogues phantoms phantoms.jsonl --made phantoms/"
)
def phantoms(
    out: OutArgument,
    made: Annotated[
        Path | None, typer.Option(help="Folder that cxr-node phantom make wrote.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many phantoms, without --made.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first, without --made.")] = 0,
) -> None:
    """Write the full dialogue over every phantom, answered from its truth."""
    from cxr_node.training.phantom_folder import folder_records
    from cxr_node.training.record_files import write_records

    records = folder_records(made) if made else _drawn_records(seed, count)
    with _progress("made", None if made else count) as counted:
        _say(out, write_records(out, records, counted=counted))


def _drawn_records(seed: int, count: int) -> Iterator[Record]:
    """Raises :class:`ConfigurationError` without torch."""
    try:
        from cxr_node.training.phantom_records import phantom_records
    except ImportError as error:
        raise ConfigurationError(
            f"drawing needs the package {error.name}; install cxr-node[model]"
        ) from error
    return phantom_records(seed, count)


@app.command(
    epilog="Example: cxr-node dialogues mimic /data/mimic-cxr mimic.jsonl "
    "--list mimic-cxr-2.0.0-split.csv.gz --list mimic-cxr-2.0.0-chexpert.csv.gz --split train"
)
def mimic(
    folder: Annotated[Path, typer.Argument(help="Folder that holds files/p10/p1000…/s5….txt.")],
    out: OutArgument,
    lists: Annotated[
        list[Path], typer.Option("--list", help="CSV of ids, views or labels; may be repeated.")
    ],
    split: Annotated[str, typer.Option(help="Only studies of this split.")] = "",
    pictures: Annotated[
        bool, typer.Option(help="Also look whether every listed picture is there.")
    ] = True,
) -> None:
    """Write dialogues from reports and labels in MIMIC-CXR's layout; exit 1 if files are missing.

    Pictures and studies are named by their ids; nothing is copied but the report's findings and
    impression.
    """
    from cxr_node.training.mimic_lists import read_lists
    from cxr_node.training.mimic_records import mimic_records
    from cxr_node.training.record_files import write_records

    missing: list[Path] = []
    records = mimic_records(
        folder, read_lists(lists), split=split, pictures=pictures, missing=missing.append
    )
    with _progress("written") as counted:
        count = write_records(out, records, counted=counted)
    for path in missing:
        console.print(f"missing: {path}", markup=False, highlight=False, soft_wrap=True)
    _say(out, count)
    if missing:
        raise typer.Exit(1)


@app.command(
    epilog="Examples: cxr-node dialogues chains dialogues.jsonl chains.jsonl --seed 1; "
    "cxr-node dialogues chains dialogues.jsonl chains.jsonl --engine Qwen3-32B"
)
def chains(
    file: FileArgument,
    out: OutArgument,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a local language model; else rules.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Name of a language model on the server of engine.url.")
    ] = "",
    each: Annotated[
        int, typer.Option(min=0, help="Most positive, and negative, questions of each finding.")
    ] = 200,
    single: Annotated[
        int, typer.Option(min=0, help="Most single-choice questions of each label.")
    ] = 400,
    others: Annotated[int, typer.Option(min=0, help="Most questions of each other kind.")] = 400,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    config: ConfigOption = None,
) -> None:
    """Mine step-by-step reasoning from the reports of a file, each step with its source."""
    from cxr_node.entry.dialogue_chains import ChainWish, mine_file
    from cxr_node.training.chain_tasks import Sampling

    rules = Sampling(each, single, multiple=others, listed=others, temporal=others, seed=seed)
    wish = ChainWish(file, out, model, engine, rules)
    count = mine_file(configuration(config), wish, console)
    console.print(f"{count} chains in {out}", markup=False, highlight=False, soft_wrap=True)


def _counted(file: Path, json_file: Path | None) -> RecordCounts:
    from cxr_node.training.record_counts import RecordCounts
    from cxr_node.training.record_files import read_records

    counts = RecordCounts()
    with _progress("read") as counted:
        for record in read_records(file):
            counts.add(record)
            counted(counts.dialogues)
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(counts.as_json(), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            words = f"{json_file}: cannot be written: {error.strerror}"
            raise RecordRefused(words) from error
    return counts


def _say(out: Path, count: int) -> None:
    console.print(f"{count} dialogues in {out}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A line that counts; what it yields takes the number done so far."""
    columns = (SpinnerColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    quiet = not console.is_terminal
    with Progress(
        "{task.description}", *columns, console=console, transient=True, disable=quiet
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
