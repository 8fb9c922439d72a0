"""``cxr-node check``: effective values with their source, then every problem found."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.engine import make_url

from cxr_node.config import Configuration
from cxr_node.domain.errors import CxrNodeError, ModelRefused
from cxr_node.entry.messaging_wiring import order_listener
from cxr_node.entry.model_tables import acknowledged_words
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.reasoning.acknowledgement import acknowledgement
from cxr_node.reasoning.engine_start import look_at_engine
from cxr_node.reasoning.open_model import permitted, read_identity

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def explain(config: Configuration, path: Path | None, console: Console) -> list[str]:
    """Print values and problems; return the problems."""
    console.print(_values(config, path))
    if (model := _model(config)) is not None:
        console.print(model)
    problems = list(find_problems(config))
    for problem in problems:
        console.print(Text("problem: ", style="red") + Text(problem), soft_wrap=True)
    if not problems:
        console.print("no problem found")
    return problems


def _model(config: Configuration) -> Table | None:
    """Which model reads; None where there is none to show: a problem names that."""
    try:
        folder, manifest = permitted(config.model.path, config.models_dir)
        accepted = acknowledgement(folder, manifest)
    except ModelRefused:
        return None
    table = Table("model", "value")
    table.add_row("name, version", Text(f"{manifest.name}, {manifest.version}"))
    table.add_row("family, network", f"{manifest.family}, {manifest.architecture}")
    table.add_row("licence", Text(manifest.licence))
    table.add_row("acknowledged", Text(acknowledged_words(accepted)))
    table.add_row("intended use", Text(manifest.intended_use))
    if manifest.engine is not None:
        served = f"{manifest.engine.served_name} at {config.engine.url or 'no address'}"
        table.add_row("inference server", Text(served))
    return table


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
        value = shown_value(key, getattr(section, key))
        table.add_row(f"{name}.{key}", value, source, field.description)


def shown_value(key: str, value: object) -> str:
    """A value of the configuration as it may be shown: without passwords and keys."""
    if key in ("url", "broker_url") and value:
        return make_url(str(value)).render_as_string(hide_password=True)
    return "(set)" if key in ("uid_key", "cache_salt") and value else str(value)


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
    if config.web.host not in _LOOPBACK and not (config.token or config.web.trusted_proxies):
        yield (
            f"web.host = {config.web.host}: without a [[token]] or web.trusted_proxies other "
            "machines are refused; make one with `cxr-node token`"
        )
    if config.listener.host not in _LOOPBACK:
        for peer in config.peer:
            if peer.may_send and not peer.host and not peer.networks:
                yield f"peer {peer.name}: any address may use its AE title; set host"


def _folder(folder: Path) -> Iterator[str]:
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not os.access(nearest, os.W_OK):
        yield f"node.data_dir: {nearest} cannot be written by this user"


def _ports(config: Configuration) -> Iterator[str]:
    for name, host, port in (
        ("listener.port", config.listener.host, config.listener.port),
        ("web.port", config.web.host, config.web.port),
        ("orders.port", config.orders.host, config.orders.port),
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
        ("engine", lambda: _look_at_engine(node.config)),
        ("shadow.path", lambda: _look_at_shadow(node.config)),
        ("templates.path", lambda: node.templates),
        ("spool", node.spool.check_room),
        ("destinations", lambda: node.destinations),
        ("orders", lambda: order_listener(config=node.config, db=node.db, clock=node.clock)),
        ("database.url", node.db.migrate),
    ):
        try:
            build()
        except CxrNodeError as error:
            yield f"{name}: {error}"
            if name == "database.url":
                return
    if alarm := node.canary_alarm():
        yield f"canary: {alarm}; see `cxr-node canary status`"


def _look_at_shadow(config: Configuration) -> None:
    if config.shadow.path:
        read_identity(config.shadow.path, cache=config.models_dir)


def _look_at_engine(config: Configuration) -> None:
    """Ask the inference server who it is, where the model's weights are on one.

    An address that no model uses is a problem too: somebody believes that it is used.
    """
    try:
        _, manifest = permitted(config.model.path, config.models_dir)
    except ModelRefused:
        return  # a script, or named as a problem of model.path
    if manifest.engine is not None or (config.engine.url and not config.shadow.path):
        look_at_engine(manifest, config.engine)
