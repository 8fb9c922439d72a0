"""``cxr-node audit``: questions about the model that a site may put to its own studies."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from cxr_node.domain.errors import CxrNodeError
from cxr_node.entry.options import ConfigOption, configuration, console

audit_app = typer.Typer(
    help="Judge the model on studies that it has read. Nothing is changed or delivered.",
    epilog="Example: cxr-node audit occlusion 1.2.840.113619.2.1 --json occlusion.json",
    no_args_is_help=True,
)

JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Also write the figures to this file.")
]


@audit_app.command(epilog="Example: cxr-node audit shadow --since 30 --json shadow.json")
def shadow(
    since: Annotated[
        float, typer.Option(min=0, help="Only comparisons of the last so many days; 0: all.")
    ] = 0,
    json_file: JsonOption = None,
    config: ConfigOption = None,
) -> None:
    """Compare what the second model said with what the first one said, finding by finding."""
    from cxr_node.entry.shadow_tables import as_json, comparisons, print_comparisons
    from cxr_node.entry.wiring import Node, open_bell
    from cxr_node.store.shadows import compared_since

    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    try:
        earliest = node.clock.now() - timedelta(days=since) if since else None
        with node.db.read() as session:
            found = comparisons(compared_since(session, earliest))
    finally:
        node.close()
    print_comparisons(found, console)
    _write(as_json(found), json_file)


@audit_app.command(
    epilog="Example: cxr-node audit occlusion 1.2.840.113619.2.1 --json occlusion.json"
)
def occlusion(
    study: Annotated[str, typer.Argument(help="Study Instance UID of a study that was read.")],
    json_file: JsonOption = None,
    config: ConfigOption = None,
) -> None:
    """Hide the box of each finding, ask again, and say which findings survive."""
    from cxr_node.domain.identifiers import Uid
    from cxr_node.entry.occlusion_tables import as_json, print_occlusions
    from cxr_node.entry.wiring import Node, open_bell
    from cxr_node.services.occlusion import audit_run, auditable_run

    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    try:
        run = auditable_run(node.db, node.identity, Uid(study))
        found = audit_run(run, node.images, node.model)
    finally:
        node.close()
    print_occlusions(found, console)
    _write(as_json(found), json_file)


def _write(document: str, path: Path | None) -> None:
    if path is None:
        return
    try:
        path.write_text(document + "\n", encoding="utf-8")
    except OSError as error:
        raise CxrNodeError(f"{path}: cannot be written: {error.strerror}") from error
