"""``cxr-node suspend`` and ``resume``: the stop switch on the command line."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from cxr_node.domain.switches import Part
from cxr_node.entry.audit_wiring import audited
from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.entry.wiring import Node, open_bell

PartArgument = Annotated[Part, typer.Argument(help="intake, reading or delivery.")]
ByOption = Annotated[str, typer.Option(help="Who; else the user of this machine.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(epilog="Example: cxr-node suspend delivery --reason 'PACS upgrade'")(suspend)
    app.command(epilog="Example: cxr-node resume delivery")(resume)


def suspend(
    part: PartArgument,
    reason: Annotated[str, typer.Option(help="Stands on every page.")] = "",
    by: ByOption = "",
    config: ConfigOption = None,
) -> None:
    """Stop intake, reading or delivery within a second, until `resume`; also over restarts."""
    _turn(part, suspended=True, by=by, reason=reason, config=config)


def resume(part: PartArgument, by: ByOption = "", config: ConfigOption = None) -> None:
    """Let intake, reading or delivery go on."""
    _turn(part, suspended=False, by=by, reason="", config=config)


def _turn(part: Part, *, suspended: bool, by: str, reason: str, config: ConfigOption) -> None:
    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    try:
        with audited(node):
            node.switches.turn(part, suspended=suspended, by=by or getpass.getuser(), reason=reason)
        for found in node.switches.suspensions():
            console.print(found.words, soft_wrap=True, highlight=False, markup=False)
        if not node.switches.suspensions():
            console.print("nothing is suspended")
    finally:
        node.close()
