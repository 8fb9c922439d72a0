"""``cxr-node deliveries``: what is on its way, what was given up, and what to do about it."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table

from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.services.dead_letters import DeadLetters
from cxr_node.store.dead_letters import STOPPED, Choice
from cxr_node.store.outbox import DeliveryState

app = typer.Typer(
    help="Results on their way: list them, try them again, write them off.",
    epilog="Example: cxr-node deliveries list --config /etc/cxr-node.toml",
    no_args_is_help=True,
)
_OPEN = (*STOPPED, DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.UNCONFIRMED)

Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers from `deliveries list`.")]
DestinationOption = Annotated[str, typer.Option(help="Only those to this destination.")]
StudyOption = Annotated[str, typer.Option(help="Only those of this Study Instance UID.")]
All = Annotated[bool, typer.Option("--all", help="Every one that is chosen by nothing else.")]


@app.command("list", epilog="Example: cxr-node deliveries list --destination pacs")
def listing(
    destination: DestinationOption = "",
    study: StudyOption = "",
    everything: Annotated[bool, typer.Option("--all", help="Also what was delivered.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show what is not delivered yet. Exit 1 if something was given up."""
    states = tuple(DeliveryState) if everything else _OPEN
    with _letters(config) as letters:
        found = letters.listed(states, Choice((), destination, study))
    table = Table("no.", "state", "destination", "kind", "attempts", "last answer", "study")
    for one in found:
        status = "" if one.last_status is None else f"{one.last_status:#06x} "
        told = f"{status}{one.last_error}"
        named = (one.destination, one.kind, str(one.attempts), told, one.study_uid)
        table.add_row(str(one.delivery_pk), one.state.value, *named)
    console.print(table)
    raise typer.Exit(1 if any(one.state is DeliveryState.PARKED for one in found) else 0)


@app.command(epilog="Example: cxr-node deliveries retry --destination pacs")
def retry(
    numbers: Numbers = None,
    destination: DestinationOption = "",
    study: StudyOption = "",
    everything: All = False,
    config: ConfigOption = None,
) -> None:
    """Send now what waits or was given up, with all its attempts and its full time."""
    with _letters(config) as letters:
        count = letters.retry(_choice(numbers, destination, study, everything))
    console.print(f"{count} deliveries will be tried now", highlight=False)


@app.command(epilog="Example: cxr-node deliveries drop 17 --by 'A. Operator'")
def drop(
    numbers: Numbers = None,
    destination: DestinationOption = "",
    study: StudyOption = "",
    everything: All = False,
    by: Annotated[str, typer.Option(help="Who answers for it; else the user here.")] = "",
    config: ConfigOption = None,
) -> None:
    """Write off what was given up: it is not sent again, and its study is not held up by it."""
    with _letters(config) as letters:
        choice = _choice(numbers, destination, study, everything)
        count = letters.drop(choice, by or getpass.getuser())
    console.print(f"{count} deliveries are written off", highlight=False)


def _choice(numbers: list[int] | None, destination: str, study: str, everything: bool) -> Choice:
    if not (numbers or destination or study or everything):
        raise typer.BadParameter("name deliveries, --destination, --study or --all")
    return Choice(tuple(numbers or ()), destination, study)


@contextmanager
def _letters(config: ConfigOption) -> Iterator[DeadLetters]:
    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    node.db.migrate()
    try:
        yield DeadLetters(node.db, node.clock, node.bell)
    finally:
        node.close()
