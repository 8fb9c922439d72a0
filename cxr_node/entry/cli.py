"""The command line. Every verb has help with an example; errors say what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cxr_node import __version__
from cxr_node.audit import log
from cxr_node.domain.errors import CxrNodeError
from cxr_node.entry import model_verbs
from cxr_node.entry.options import ConfigOption, configuration, console, found

app = typer.Typer(
    name="cxr-node",
    help="A chest X-ray reading node: DICOM in, Structured Reports and worklist flags out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.add_typer(model_verbs.app, name="model")


@app.command(epilog="Example: cxr-node up --config /etc/cxr-node.toml")
def up(config: ConfigOption = None) -> None:
    """Run the node: listener, page, dispatcher, reading workers, delivery."""
    from cxr_node.entry.embedded import EmbeddedNode, run_until_signalled

    chosen = configuration(config)
    log.configure(chosen.log.level, key=chosen.node.uid_key.encode() or None)
    run_until_signalled(EmbeddedNode(chosen, found(config)))


@app.command(epilog="Example: cxr-node worker --config /etc/cxr-node.toml")
def worker(
    config: ConfigOption = None,
    attached: Annotated[
        bool, typer.Option(help="A parent holds standard input and rings over it.", hidden=True)
    ] = False,
) -> None:
    """Run one more reading worker against the same database and spool."""
    from cxr_node.entry.worker import run_worker

    chosen = configuration(config)
    log.configure(chosen.log.level, key=chosen.node.uid_key.encode() or None)
    run_worker(chosen, attached=attached)


@app.command(epilog="Example: cxr-node check --config /etc/cxr-node.toml")
def check(config: ConfigOption = None) -> None:
    """Explain the effective configuration and name every problem. Exit 1 if there is one."""
    from cxr_node.entry.check import explain

    raise typer.Exit(1 if explain(configuration(config), found(config), console) else 0)


@app.command(epilog="Example: cxr-node doctor --config /etc/cxr-node.toml")
def doctor(
    config: ConfigOption = None,
    seconds: Annotated[float, typer.Option(help="Longest wait for one step.")] = 60.0,
) -> None:
    """Send a phantom through the running node and name the first broken link. Exit 1 if any."""
    from cxr_node.entry.doctor import examine

    raise typer.Exit(0 if examine(configuration(config), console, seconds) else 1)


@app.command(epilog="Example: cxr-node demo --dicom ~/radiographs --exit")
def demo(
    dicom: Annotated[
        Path | None, typer.Option(help="Send these files (a file or a folder) instead.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where everything is written.")] = Path("demo-out"),
    leave: Annotated[
        bool, typer.Option("--exit", help="End when all is read; exit 1 if a study was lost.")
    ] = False,
    any_age: Annotated[
        bool, typer.Option("--any-age", help="Also read images without age or birth date.")
    ] = False,
) -> None:
    """Start a node and a stand-in PACS, send studies by C-STORE, show what comes out."""
    from cxr_node.entry.demo import DemoOptions, run_demo

    options = DemoOptions(out=out, dicom=dicom, leave=leave, any_age=any_age)
    raise typer.Exit(0 if run_demo(options, console) else 1)


@app.command(epilog="Example: cxr-node dicomize films/ --out dicom/ --view PA --age 54 --sex F")
def dicomize(
    source: Annotated[Path, typer.Argument(help="PNG or JPEG file, or a folder of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the DICOM files.")],
    view: Annotated[str, typer.Option(help="Projection: PA, AP, LL or RL.")] = "PA",
    age: Annotated[float | None, typer.Option(help="Age in years, if known.")] = None,
    sex: Annotated[str, typer.Option(help="M, F, O or empty.")] = "",
    patient_id: Annotated[str | None, typer.Option(help="Else computed from the file.")] = None,
) -> None:
    """Wrap PNG or JPEG radiographs as DICOM DX images."""
    from cxr_node.imaging.dicomize import dicomize_path

    written = dicomize_path(source, out, view=view, age=age, sex=sex, patient_id=patient_id)
    for path in written:
        console.print(str(path), highlight=False, soft_wrap=True)


@app.command(epilog="Example: cxr-node replay 1.2.840.113619.2.1 --config /etc/cxr-node.toml")
def replay(
    study: Annotated[str, typer.Argument(help="Study Instance UID of a parked study.")],
    config: ConfigOption = None,
) -> None:
    """Try a parked study again: its failed job, or its refused deliveries."""
    from cxr_node.entry.replay import replay_study

    console.print(replay_study(configuration(config), study))


@app.command(epilog="Example: cxr-node worklist --config /etc/cxr-node.toml")
def worklist(config: ConfigOption = None) -> None:
    """Print the reading worklist as the node would answer it now."""
    from cxr_node.entry.tables import worklist_table
    from cxr_node.entry.wiring import Node, open_bell

    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    console.print(worklist_table(node.worklist()))
    node.close()


@app.command(epilog="Example: cxr-node version")
def version() -> None:
    """Print the version."""
    console.print(__version__, highlight=False)


def main() -> None:
    """Entry point: an error of ours becomes one clear line and exit code 2."""
    try:
        app()
    except CxrNodeError as error:
        Console(stderr=True).print(f"[red]cxr-node:[/red] {error}", highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
