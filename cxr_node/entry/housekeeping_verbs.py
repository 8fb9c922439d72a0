"""``cxr-node verify-store`` and ``cxr-node retention``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.services.retention import Removed
from cxr_node.services.verify_store import StoreVerification


def add_to(app: typer.Typer) -> None:
    """Add both verbs to the command line."""
    app.command("verify-store", epilog="Example: cxr-node verify-store --repair")(verify_store)
    app.command(epilog="Example: cxr-node retention --remove")(retention)


def verify_store(
    repair: Annotated[
        bool, typer.Option("--repair", help="Move changed and unknown files aside.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Hash every file again and compare with the database. Exit 1 if anything differs.

    Missing, changed and unreadable files are named by the row they belong to; an orphan
    belongs to none. With --repair changed files and orphans are moved to the folder
    ``aside`` of the spool; nothing is deleted. It may run beside a working node.
    """
    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    node.db.migrate()
    wrong = 0
    try:
        look = StoreVerification(node.db, node.clock, node.spool.root)
        for found in look.findings():
            wrong += 1
            moved = look.move_aside(found) if repair else None
            row = f" ({found.kind} {found.key})" if found.kind else ""
            said = f"{found.fault}{row}: {found.path}{f' -> {moved}' if moved else ''}"
            console.print(said, markup=False, highlight=False, soft_wrap=True)
    finally:
        node.close()
    console.print(
        f"{look.count.files} files, {decimal(look.count.size)} hashed; {wrong} wrong",
        highlight=False,
    )
    raise typer.Exit(1 if wrong else 0)


def retention(
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove it now; the running node does so every minute.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Show what the retention rules would remove now, or with --remove remove it."""
    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    node.db.migrate()
    try:
        found = node.retention.work() if remove else node.retention.preview()
    finally:
        node.close()
    _show(found, "removed" if remove else "would be removed")


def _show(found: list[Removed], word: str) -> None:
    if not found:
        console.print("nothing has a time set in [retention]: everything is kept", highlight=False)
        return
    table = Table("what", word, "size")
    for one in found:
        table.add_row(one.what, str(one.files), decimal(one.size))
    console.print(table)
