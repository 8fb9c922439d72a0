"""``cxr-node canary``: is the same phantom still answered as it was?"""

from __future__ import annotations

import getpass
import time
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from cxr_node.domain.errors import CxrNodeError
from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.store import canary
from cxr_node.store.canary import ALARMING, OPEN
from cxr_node.store.schema import CanaryRunRow

app = typer.Typer(
    help="A phantom that the running node reads again and again; an alarm when answers drift.",
    epilog="Example: cxr-node canary status --config /etc/cxr-node.toml",
    no_args_is_help=True,
)
_POLL_SECONDS = 0.25


@app.command(epilog="Example: cxr-node canary status --config /etc/cxr-node.toml")
def status(config: ConfigOption = None) -> None:
    """Show the last run and whether it is an alarm. Exit 1 if it is."""
    node = _node(config)
    try:
        with node.db.read() as session:
            run, alarm = canary.last_finished(session), canary.alarm(session)
    finally:
        node.close()
    hours = node.config.canary.every_hours
    console.print(f"every {hours:g} hours" if hours else "off (canary.every_hours = 0)")
    if run is None:
        console.print("no run yet; `cxr-node canary run` makes one")
        return
    _show(run)
    raise typer.Exit(1 if alarm else 0)


@app.command(epilog="Example: cxr-node canary run --seconds 120")
def run(
    seconds: Annotated[float, typer.Option(min=1, help="Longest wait for the answer.")] = 120.0,
    config: ConfigOption = None,
) -> None:
    """Let the running node read the canary now. Exit 1 on drift, or without an answer in time."""
    node = _node(config)
    try:
        with node.db.begin() as session:
            key = canary.queue(session, node.clock.now())
        node.bell.ring("read")
        found = _awaited(node, key, seconds)
    finally:
        node.close()
    _show(found)
    raise typer.Exit(1 if found.state in ALARMING else 0)


@app.command(epilog="Example: cxr-node canary accept --by 'A. Physicist'")
def accept(
    by: Annotated[str, typer.Option(help="Who accepts; else the user of this machine.")] = "",
    config: ConfigOption = None,
) -> None:
    """Make the last run's answers the reference, once somebody knows why they changed."""
    node = _node(config)
    try:
        with node.db.begin() as session:
            found = canary.accept(session, by or getpass.getuser(), node.clock.now())
    finally:
        node.close()
    console.print(f"the answers of {found.scheduled_at:%Y-%m-%d %H:%M} UTC are the reference now")


def _node(config: ConfigOption) -> Node:
    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    node.db.migrate()
    return node


def _awaited(node: Node, key: int, seconds: float) -> CanaryRunRow:
    deadline = time.monotonic() + seconds
    with console.status("waiting for a worker with nothing else to do"):
        while True:
            with node.db.read() as session:
                found = session.get_one(CanaryRunRow, key)
                if found.state not in OPEN:
                    return found
            if time.monotonic() > deadline:
                raise CxrNodeError(
                    f"the canary is still {found.state} after {seconds:g} s: is `cxr-node up` "
                    "running with this configuration, and its worker ready (see /readyz)? "
                    "The run stays queued"
                )
            time.sleep(_POLL_SECONDS)


def _show(run: CanaryRunRow) -> None:
    table = Table("canary", "value")
    table.add_row("state", run.state, style="bold red" if run.state in ALARMING else "")
    table.add_row("queued", f"{run.scheduled_at:%Y-%m-%d %H:%M:%S} UTC")
    if run.model_seconds is not None:
        table.add_row("time of the model", f"{run.model_seconds:.2f} s")
    table.add_row("model", run.model_digest[:12])
    table.add_row("picture", run.picture_sha256[:12])
    for words in run.words.splitlines():
        table.add_row("", Text(words))
    console.print(table)
