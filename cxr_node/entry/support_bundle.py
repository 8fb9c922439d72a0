"""``cxr-node support-bundle``: what helps to find a fault, and nothing that names a patient.

Nothing is taken over as it is: numbers, names that this program itself knows, and the
configuration without its secrets. A value that it does not know is counted as "other".
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from importlib.metadata import distributions
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import func, select
from sqlalchemy.orm import Session

import cxr_node
from cxr_node.audit.log import safe_value
from cxr_node.config import Configuration
from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.events import Event
from cxr_node.domain.study import StudyState
from cxr_node.entry.audit_wiring import audit_key
from cxr_node.entry.check import shown_value
from cxr_node.entry.options import ConfigOption, configuration, console
from cxr_node.entry.security_check import open_doors
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.store import audit_trail
from cxr_node.store.jobs import JobKind, JobState
from cxr_node.store.outbox import DeliveryState
from cxr_node.store.schema import Base, DeliveryRow, JobRow, RevisionRow
from cxr_node.store.switches import suspensions

OTHER = "other"
_MOST_LOG_BYTES = 4_194_304
_TEXT_FIELDS = frozenset(
    {
        "level",
        "event",
        "reason",
        "kind",
        "method",
        "error",
        "place",
        "peer",
        "code",
        "study",
        "part",
    }
)
_NUMBER_FIELDS = frozenset(
    {"status", "seconds", "count", "attempt", "instances", "matches", "port", "worker", "revision"}
)
_EVENTS = frozenset(event.value for event in Event)


def support_bundle(
    out: Annotated[Path, typer.Option(help="Archive to write.")] = Path("cxr-node-support.zip"),
    log: Annotated[
        Path | None, typer.Option(help="Log file whose last lines belong in, cleaned.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write an archive for whoever helps with a fault: no patient data, no secrets."""
    chosen = configuration(config)
    parts: dict[str, Any] = {
        "versions.json": _versions(),
        "configuration.json": _settings(chosen),
        "open-doors.json": list(open_doors(chosen)),
        "disk.json": _disk(chosen),
    }
    node = Node(chosen, open_bell(chosen))
    try:
        parts["database.json"] = _tried(node)
    finally:
        node.close()
    if log is not None:
        parts["log.jsonl"] = "\n".join(_log_lines(log, audit_key(chosen)))
    _write(out, parts)
    console.print(f"{out}: {', '.join(sorted(parts))}", soft_wrap=True)


def _write(out: Path, parts: Mapping[str, Any]) -> None:
    try:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                text = content if isinstance(content, str) else json.dumps(content, indent=1)
                archive.writestr(name, text)
    except OSError as error:
        raise CxrNodeError(f"{out}: cannot be written: {error.strerror}") from error


def _versions() -> dict[str, Any]:
    installed = {found.name: found.version for found in distributions()}
    return {
        "cxr-node": cxr_node.__version__,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "packages": dict(sorted(installed.items())),
    }


def _settings(config: Configuration) -> dict[str, Any]:
    return {
        name: [_section(one) for one in found] if isinstance(found, tuple) else _section(found)
        for name in type(config).model_fields
        for found in [getattr(config, name)]
    }


def _section(section: Any) -> dict[str, str]:
    return {key: shown_value(key, getattr(section, key)) for key in type(section).model_fields}


def _disk(config: Configuration) -> dict[str, Any]:
    folder = config.node.data_dir
    if not folder.exists():
        return {}
    usage = shutil.disk_usage(folder)
    files = [path.stat().st_size for path in config.spool_dir.rglob("*") if path.is_file()]
    return {"free": usage.free, "total": usage.total, "files": len(files), "bytes": sum(files)}


def _tried(node: Node) -> dict[str, Any]:
    try:
        with node.db.read() as session:
            return dict(_database(session, node.config))
    except CxrNodeError as error:
        return {"error": error.code}


def _database(session: Session, config: Configuration) -> Iterator[tuple[str, Any]]:
    yield (
        "rows",
        {
            table.name: session.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
        },
    )
    yield "revisions", _counted(session.scalars(select(RevisionRow.state)), StudyState)
    yield (
        "jobs",
        {
            kind.value: _counted(
                session.scalars(select(JobRow.state).where(JobRow.kind == kind.value)), JobState
            )
            for kind in JobKind
        },
    )
    named = {peer.name for peer in config.destinations} | {one.name for one in config.told}
    sent = session.execute(select(DeliveryRow.destination, DeliveryRow.state))
    by_destination: dict[str, list[str]] = {}
    for destination, state in sent:
        by_destination.setdefault(destination if destination in named else OTHER, []).append(state)
    yield "deliveries", {k: _counted(v, DeliveryState) for k, v in by_destination.items()}
    yield "suspended", [found.part.value for found in suspensions(session)]
    yield "audit records", audit_trail.count(session)


def _counted(values: Iterable[str], known: type[StrEnum]) -> dict[str, int]:
    names = {one.value for one in known}
    return dict(Counter(value if value in names else OTHER for value in values))


def _log_lines(path: Path, key: bytes) -> Iterator[str]:
    """The end of a log of this node; a line that is none, or holds another text, is left out."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _MOST_LOG_BYTES))
            lines = file.read().splitlines()
    except OSError as error:
        raise CxrNodeError(f"{path}: cannot be read: {error.strerror}") from error
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("event") in _EVENTS:
            yield json.dumps(dict(_cleaned(said, key)))


def _cleaned(said: Mapping[str, Any], key: bytes) -> Iterator[tuple[str, Any]]:
    for name, value in said.items():
        if name == "ts":
            yield name, _moment(value)
        elif name in _TEXT_FIELDS or (name in _NUMBER_FIELDS and isinstance(value, int | float)):
            yield name, safe_value(value, key)


def _moment(value: object) -> str:
    try:
        return datetime.fromisoformat(str(value)).isoformat()
    except ValueError:
        return ""
