"""``cxr-node demo``: one study's whole life, for someone who sees the node for the first time.

A real node process, a stand-in PACS that receives, and a modality that sends over real
associations; nothing is short-cut. Everything lands under one folder.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live

from cxr_node.config import PeerSection
from cxr_node.dicom.archive import ReceivingAE
from cxr_node.dicom.modality import Modality
from cxr_node.domain.errors import CxrNodeError
from cxr_node.entry.demo_results import (
    Outcome,
    collect,
    progress_table,
    report_lines,
    result_table,
)
from cxr_node.entry.demo_studies import Shipment, generated_shipments, own_shipments
from cxr_node.entry.http_client import NodePage

_NODE_AE, _PACS_AE, _MODALITY_AE = "CXRNODE", "PACS", "MODALITY"
_START_SECONDS = 180.0
_STUDY_SECONDS = 60.0
_SHOWN_EVERY_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asked for."""

    out: Path
    dicom: Path | None = None
    leave: bool = False
    any_age: bool = False


@dataclass(slots=True)
class _Sandbox:
    """Where the demo's parts listen."""

    folder: Path
    pacs: ReceivingAE
    dicom_port: int = 0
    web_port: int = 0
    config: Path = field(default_factory=Path)


def run_demo(options: DemoOptions, console: Console) -> bool:
    """Return whether every study that may be read came out reported and delivered."""
    _end_in_order()
    folder = options.out.absolute()
    _clear(folder)
    shipments = _shipments(options, folder, console)
    pacs = ReceivingAE(folder / "pacs", _PACS_AE)
    pacs.start()
    sandbox = _Sandbox(folder, pacs, _free_port(), _free_port())
    sandbox.config = _write_config(sandbox, options)
    try:
        with _node_process(sandbox, console) as page:
            outcomes = _run_studies(shipments, sandbox, page, console)
            console.print(result_table(outcomes))
            for line in report_lines(outcomes, folder):
                console.print(line, highlight=False, soft_wrap=True)
            _say_where(console, sandbox, page)
            if not options.leave:
                _wait_for_interrupt(console)
    finally:
        pacs.stop()
    return all(outcome.as_expected for outcome in outcomes)


def _end_in_order() -> None:
    """However the demo is told to end, also from a script, the node it started ends with it."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def _clear(folder: Path) -> None:
    """Remove what an earlier demo wrote, and nothing else."""
    for name in ("node", "pacs", "sent"):
        shutil.rmtree(folder / name, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def _shipments(options: DemoOptions, folder: Path, console: Console) -> list[Shipment]:
    if options.dicom is not None:
        return own_shipments(options.dicom)
    with console.status("drawing synthetic radiographs"):
        return generated_shipments(folder / "sent")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write_config(sandbox: _Sandbox, options: DemoOptions) -> Path:
    path = sandbox.folder / "cxr-node.toml"
    path.write_text(
        f"""# Written by cxr-node demo; start the same node again with
#   cxr-node up --config {path.name}
[node]
ae_title = "{_NODE_AE}"
data_dir = "node"

[listener]
port = {sandbox.dicom_port}

[web]
port = {sandbox.web_port}

[assembly]
quiet_seconds = 2.0

[eligibility]
accept_unknown_age = {str(options.any_age).lower()}

[[peer]]
name = "modality"
ae_title = "{_MODALITY_AE}"

[[peer]]
name = "pacs"
ae_title = "{_PACS_AE}"
host = "127.0.0.1"
port = {sandbox.pacs.port}
receives_results = true
""",
        encoding="utf-8",
    )
    return path


@contextmanager
def _node_process(sandbox: _Sandbox, console: Console) -> Iterator[NodePage]:
    command = [sys.executable, "-m", "cxr_node.entry.cli", "up", "--config", str(sandbox.config)]
    page = NodePage("127.0.0.1", sandbox.web_port)
    log = sandbox.folder / "node.log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, stdout=stream, stderr=stream) as process,  # noqa: S603
    ):
        try:
            with console.status("starting the node (the model loads)"):
                _wait_until_ready(page, process, log)
            yield page
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(page: NodePage, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        broken = page.first_broken()
        if broken is None:
            return
        if process.poll() is not None:
            raise CxrNodeError(f"the node ended at its start; the last lines of {log} say why")
        if time.monotonic() > deadline:
            raise CxrNodeError(f"the node did not become ready: {broken}; see {log}")
        time.sleep(_SHOWN_EVERY_SECONDS)


def _run_studies(
    shipments: Sequence[Shipment], sandbox: _Sandbox, page: NodePage, console: Console
) -> list[Outcome]:
    node = PeerSection(name="node", ae_title=_NODE_AE, host="127.0.0.1", port=sandbox.dicom_port)
    modality = Modality(_MODALITY_AE, node)
    refusals: dict[Shipment, str] = {}
    deadline = time.monotonic() + 30.0 + _STUDY_SECONDS * len(shipments)
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        for number, shipment in enumerate(shipments, 1):
            live.update(f"sending {number}/{len(shipments)}: {shipment.name}")
            sent = modality.send(shipment.files)
            refused = [
                f"{answer.words}{_hex(answer.status)}" for answer in sent if not answer.taken
            ]
            if refused:
                refusals[shipment] = refused[-1]
        while True:
            outcomes = collect(shipments, refusals, page, sandbox.folder / "pacs")
            live.update(progress_table(outcomes))
            if all(outcome.settled for outcome in outcomes) or time.monotonic() > deadline:
                return outcomes
            time.sleep(_SHOWN_EVERY_SECONDS)


def _hex(status: int | None) -> str:
    return "" if status is None else f" (0x{status:04X})"


def _say_where(console: Console, sandbox: _Sandbox, page: NodePage) -> None:
    find = f"findscu -W -aet {_MODALITY_AE} -aec {_NODE_AE} 127.0.0.1 {sandbox.dicom_port}"
    for name, where in (
        ("page", page.url),
        ("worklist", f"{find} -k 0010,0010 -k 0040,1003"),
        ("results", str(sandbox.folder / "pacs")),
        ("log", str(sandbox.folder / "node.log")),
    ):
        console.print(f"{name:<10}{where}", highlight=False, soft_wrap=True)


def _wait_for_interrupt(console: Console) -> None:
    console.print("The node stays up. Send it your own studies, or end with Ctrl-C.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("stopping")
