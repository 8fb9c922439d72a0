"""``cxr-node export-audit``: the audit trail as a file, and whether nobody has touched it."""

from __future__ import annotations

import getpass
import json
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cxr_node.audit.messages import audit_message
from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.events import Event, emit
from cxr_node.entry.audit_wiring import audited
from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.store import audit_trail
from cxr_node.store.audit_trail import Record, Verdict


class AuditForm(StrEnum):
    """How a record is written: one line of JSON, or one audit message of PS3.15 A.5."""

    JSON = "json"
    DICOM = "dicom"


def export_audit(
    out: Annotated[Path | None, typer.Option(help="File to write, one record a line.")] = None,
    form: Annotated[AuditForm, typer.Option(help="json, or dicom for PS3.15 A.5 XML.")] = (
        AuditForm.JSON
    ),
    since: Annotated[float, typer.Option(min=0, help="Only the last so many days; 0: all.")] = 0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute every digest again. Exit 1 if one differs.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Write the audit trail, verify it, or both. Exporting is itself recorded."""
    if out is None and not verify:
        raise typer.BadParameter("give --out FILE, --verify, or both")
    chosen = configuration(config)
    node = Node(chosen, open_bell(chosen))
    try:
        whole = not verify or _say(_verdict(node))
        if out is not None:
            earliest = node.clock.now() - timedelta(days=since) if since else None
            source = chosen.audit.source or chosen.node.ae_title
            number = _write(node, out, form, earliest, source)
            with audited(node):
                emit(Event.AUDIT_EXPORTED, count=number, user=getpass.getuser())
            console.print(f"{number} records written to {out}", soft_wrap=True)
    finally:
        node.close()
    raise typer.Exit(0 if whole else 1)


def _verdict(node: Node) -> Verdict:
    with node.db.read() as session:
        return audit_trail.verify(session)


def _say(verdict: Verdict) -> bool:
    if verdict.broken_at is not None:
        console.print(
            f"BROKEN at record {verdict.broken_at}: it, or what follows it, was changed or removed"
        )
        return False
    console.print(f"{verdict.records} records, whole; newest digest {verdict.head or '-'}")
    return True


def _write(node: Node, out: Path, form: AuditForm, earliest: datetime | None, source: str) -> int:
    number = 0
    try:
        with out.open("wb") as file, node.db.read() as session:
            for record in audit_trail.records(session):
                if earliest is None or record.at >= earliest:
                    file.write(_line(record, form, source) + b"\n")
                    number += 1
    except OSError as error:
        raise CxrNodeError(f"{out}: cannot be written: {error.strerror}") from error
    return number


def _line(record: Record, form: AuditForm, source: str) -> bytes:
    if form is AuditForm.DICOM:
        return audit_message(Event(record.event), record.at, record.document, source)
    return json.dumps({**record.document, "digest": record.digest}, sort_keys=True).encode()
