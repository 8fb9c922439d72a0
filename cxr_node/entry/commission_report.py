"""Writes the commissioning report and shows its verdict; gathers what identifies the node."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cxr_node import __version__
from cxr_node.config import Configuration
from cxr_node.entry.wiring import Node
from cxr_node.evaluation.commission.grade import Grade
from cxr_node.evaluation.commission.report import AboutNode, as_json, render
from cxr_node.evaluation.commission.studies import Asked

HTML, JSON = "commission.html", "commission.json"
_LIBRARIES = ("torch", "transformers", "pydicom", "pynetdicom", "highdicom", "sqlalchemy")


def configuration_digest(config: Configuration) -> str:
    """SHA-256 of the effective values; two nodes of one digest are set up alike."""
    return hashlib.sha256(config.model_dump_json().encode("utf-8")).hexdigest()


def about(
    node: Node,
    *,
    at: datetime,
    set_words: str,
    limits: str,
    results: str,
    sent: str,
    afterwards: str,
) -> AboutNode:
    """Versions, digests and machine of this node."""
    config = node.config
    return AboutNode(
        at=f"{at:%Y-%m-%d %H:%M} UTC",
        node=f"{config.node.station_name} ({config.node.ae_title})",
        model=node.identity,
        set_words=set_words,
        limits=limits,
        facts=(
            ("Node", f"cxr-node {__version__}"),
            ("Configuration digest", configuration_digest(config)),
            ("Templates", f"{node.templates.version}, policy {node.templates.policy_version}"),
            ("Sent", sent),
            ("Results", results),
            ("Phantoms", afterwards),
            ("Machine", _machine()),
            ("Libraries", ", ".join(_libraries())),
        ),
    )


def _machine() -> str:
    cores = os.cpu_count() or 0
    return f"{platform.node()}, {platform.system()} {platform.machine()}, {cores} processors"


def _libraries() -> Iterator[str]:
    yield f"Python {platform.python_version()}"
    for name in _LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def write(found: Grade, asked: Sequence[Asked], who: AboutNode, folder: Path) -> None:
    """Both files into ``folder``. Raises ``OSError``."""
    (folder / JSON).write_text(as_json(found, asked, who) + "\n", encoding="utf-8")
    (folder / HTML).write_text(render(found, asked, who), encoding="utf-8")


def show(found: Grade, folder: Path, console: Console) -> None:
    """The verdict for the terminal: each promise, what failed, and where the report lies."""
    table = Table("promise", "seen", "")
    for check in found.checks:
        table.add_row(check.name, check.told, _mark(check.passed))
        for words in check.failures:
            table.add_row(Text(f"  {words}", style="red"), "", "")
    for figure in found.figures:
        if figure.limit is not None:
            seen = f"{figure.hits} of {figure.n}, declared {figure.limit:.2f}"
            failed = figure.verdict.value == "fails"
            table.add_row(
                figure.name, seen, Text(figure.verdict.value, style="red" if failed else "")
            )
    console.print(table)
    if found.scope:
        console.print(Text(found.scope), soft_wrap=True)
    words = "passed" if found.passed else "FAILED"
    console.print(Text(f"{words}: {folder / HTML}, {folder / JSON}"), soft_wrap=True)


def _mark(passed: bool) -> Text:
    return Text("passed", style="green") if passed else Text("FAILED", style="bold red")
