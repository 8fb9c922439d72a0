"""``cxr-node policy``: why a study has its priority, and what other rules would have changed."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from cxr_node.domain.identifiers import Uid
from cxr_node.entry.options import ConfigOption, configuration, console

app = typer.Typer(
    help="The priority rules: why a study stands where it stands, and other rules tried.",
    epilog="Example: cxr-node policy explain 1.2.840.113619.2.1",
    no_args_is_help=True,
)


@app.command(
    epilog="Examples: cxr-node policy explain 1.2.840.113619.2.1; "
    "cxr-node policy explain 1.2.840.113619.2.1 --all --json why.json"
)
def explain(
    study: Annotated[str, typer.Argument(help="Study Instance UID.")],
    every: Annotated[
        bool, typer.Option("--all", help="Also rules whose finding was not held to be there.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write everything to this file.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Show what was decided, with which inputs and version, and rule by rule what holds now."""
    from cxr_node.entry.policy_tables import explanation_document, print_explanation
    from cxr_node.entry.wiring import Node, open_bell
    from cxr_node.services import policy_trial

    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    try:
        found = policy_trial.explain(node.db, node.templates, Uid(study))
    finally:
        node.close()
    print_explanation(found, node.templates.policy_version, console, every=every)
    if json_file is not None:
        json_file.write_text(json.dumps(explanation_document(found), indent=1), encoding="utf-8")


@app.command(
    "try",
    epilog="Example: cxr-node policy try priority/default.yaml --on last-30-days --json tried.json",
)
def try_file(
    file: Annotated[Path, typer.Argument(help="Rules as in the site's priority/default.yaml.")],
    on: Annotated[str, typer.Option(help="last-N-days, or all.")] = "last-30-days",
    uids: Annotated[
        bool, typer.Option("--uids", help="Name studies by their UIDs, not by digests.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write counts and list to this file.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Judge stored readings by the site's rules and by FILE. Nothing is changed.

    Studies are named by the digests that the log uses too; no patient data is shown.
    """
    from cxr_node.audit.log import digest
    from cxr_node.entry.policy_tables import print_trial, trial_document
    from cxr_node.entry.wiring import Node, open_bell
    from cxr_node.reporting.templates import with_priority_rules
    from cxr_node.services import policy_trial

    chosen = configuration(config)
    key = chosen.site_key.encode() or secrets.token_bytes(32)
    node = Node(chosen, open_bell(chosen))
    try:
        other = with_priority_rules(node.templates, file)
        since = policy_trial.window(on, node.clock.now())
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("judging", total=None)
            found = policy_trial.try_rules(
                node.db,
                node.templates,
                other,
                since,
                lambda done, of: bar.update(task, completed=done, total=of),
            )
    finally:
        node.close()

    def named(uid: str) -> str:
        return uid if uids else digest(uid, key)

    versions = (node.templates.policy_version, other.policy_version)
    print_trial(found, versions, named, console)
    if json_file is not None:
        told = {"versions": versions, "on": on, **trial_document(found, named)}
        json_file.write_text(json.dumps(told, indent=1), encoding="utf-8")
