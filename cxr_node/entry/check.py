"""``cxr-node check``: effective values with their source, then every problem found."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import make_url

from cxr_node.config import Configuration
from cxr_node.domain.errors import CxrNodeError
from cxr_node.entry.wiring import Node, open_bell

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def explain(config: Configuration, path: Path | None, console: Console) -> list[str]:
    """Print values and problems; return the problems."""
    console.print(_values(config, path))
    problems = list(find_problems(config))
    for problem in problems:
        console.print(f"[red]problem:[/red] {problem}", highlight=False, soft_wrap=True)
    if not problems:
        console.print("no problem found")
    return problems


def _values(config: Configuration, path: Path | None) -> Table:
    table = Table("key", "value", "from", "what it does", title=str(path or "built-in defaults"))
    for name in type(config).model_fields:
        section = getattr(config, name)
        if isinstance(section, tuple):
            for number, peer in enumerate(section):
                _add_section(table, f"{name}[{number}]", peer)
        else:
            _add_section(table, name, section)
    return table


def _add_section(table: Table, name: str, section: BaseModel) -> None:
    for key, field in type(section).model_fields.items():
        source = "file" if key in section.model_fields_set else "default"
        value = _masked(key, getattr(section, key))
        table.add_row(f"{name}.{key}", value, source, field.description)


def _masked(key: str, value: object) -> str:
    if key in ("url", "broker_url") and value:
        return make_url(str(value)).render_as_string(hide_password=True)
    return "(set)" if key == "uid_key" and value else str(value)


def find_problems(config: Configuration) -> Iterator[str]:
    """Everything that would keep this configuration from working, in words with a cure."""
    yield from _peers(config)
    yield from _exposure(config)
    yield from _folder(config.node.data_dir)
    yield from _ports(config)
    node = Node(config, open_bell(config))
    try:
        yield from _parts(node)
    finally:
        node.close()


def _peers(config: Configuration) -> Iterator[str]:
    if not any(peer.may_send for peer in config.peer):
        yield "no peer may send: add a [[peer]] with the ae_title of your PACS or modality"
    if not config.destinations:
        yield "no peer receives results: set receives_results = true, host and port on one"


def _exposure(config: Configuration) -> Iterator[str]:
    if config.web.host not in _LOOPBACK:
        yield (
            f"web.host = {config.web.host}: the page shows patient data without a login; "
            "bind loopback and put an authenticating proxy before it"
        )
    if config.listener.host not in _LOOPBACK:
        for peer in config.peer:
            if peer.may_send and not peer.host:
                yield f"peer {peer.name}: any address may use its AE title; set host"


def _folder(folder: Path) -> Iterator[str]:
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        yield f"node.data_dir: {nearest} cannot be written by this user"


def _ports(config: Configuration) -> Iterator[str]:
    for name, host, port in (
        ("listener.port", config.listener.host, config.listener.port),
        ("web.port", config.web.host, config.web.port),
    ):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                yield (
                    f"{name}: cannot bind {host}:{port}: {error.strerror} "
                    "(unless this node is already running, choose another port)"
                )


def _parts(node: Node) -> Iterator[str]:
    for name, build in (
        ("model.path", lambda: node.identity),
        ("templates.path", lambda: node.templates),
        ("spool", node.spool.check_room),
        ("database.url", node.db.migrate),
    ):
        try:
            build()
        except CxrNodeError as error:
            yield f"{name}: {error}"
