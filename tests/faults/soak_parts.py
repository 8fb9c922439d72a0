"""The processes of a soak run: each can be killed at any time and started again as it was."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cxr_node.dicom.archive import ReceivingAE
from tests.peers import free_port, require

START_SECONDS = 120.0
_HERE = {"PYTHONPATH": str(Path(__file__).parents[2])}
"""The programs run in the folder of the run, with the software of this checkout."""


class Victim(Protocol):
    """Something that may be killed."""

    name: str

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Program:
    """One program in its own process group, its output in ``folder``/``name``.log."""

    name: str
    command: list[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, again if it ended at once, until it is ready."""
        deadline = time.monotonic() + START_SECONDS
        self._open()
        while not self.ready():
            if time.monotonic() > deadline:
                log = (self.folder / f"{self.name}.log").read_text(errors="replace")
                raise AssertionError(f"{self.name} does not become ready: {log[-2000:]}")
            if self._process is not None and self._process.poll() is not None:
                self._open()
            time.sleep(0.2)

    def _open(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """kill -9 of the whole group."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """In the ordinary way, then by force."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Pacs:
    """A receiving PACS in a process of its own; what it answered 0x0000 it has filed."""

    name = "pacs"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: multiprocessing.process.BaseProcess | None = None

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_receive, args=(self.folder, self.port))
        self._process.start()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()

    stop = kill


def _receive(folder: Path, port: int) -> None:
    ReceivingAE(folder).start(port)
    threading.Event().wait()


def node(config: Path, folder: Path, name: str, port: int) -> Program:
    """``cxr-node up``: listener, page, dispatcher and what else the configuration says."""
    module = [sys.executable, "-m", "cxr_node.entry.cli"]
    command = [*module, "up", "--config", str(config)]
    return Program(name, command, folder, _HERE, ready=lambda: _listens(port))


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def celery_worker(config: Path, folder: Path, name: str, queues: str) -> Program:
    """One ``celery -A workers.app worker``, as the operator's guide starts it."""
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker"]
    options = ["-Q", queues, "-P", "solo", "-n", f"{name}@localhost", "--without-gossip"]
    environment = {"CXR_NODE_CONFIG": str(config), **_HERE}
    return Program(name, [*command, *options], folder, environment)


def redis(folder: Path) -> tuple[Program, str]:
    """A Redis without memory, and its URL."""
    port = free_port()
    command = [require("redis-server", "redis-server"), "--port", str(port), "--save", ""]
    server = Program("broker", [*command, "--bind", "127.0.0.1"], folder)
    return server, f"redis://127.0.0.1:{port}/0"


def postgresql(folder: Path) -> tuple[Program, str]:
    """A PostgreSQL cluster in ``folder``, and its URL; it is made here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        raise AssertionError("PostgreSQL is not installed (apt-get install postgresql)")
    as_root, port, data = os.geteuid() == 0, free_port(), folder / "data"
    folder.mkdir()
    if as_root:
        shutil.chown(folder, "postgres")
    user = ["runuser", "-u", "postgres", "--"] if as_root else []
    make = [str(found[-1] / "initdb"), "--no-sync", "--auth=trust", "--encoding=UTF8"]
    subprocess.run(
        [*user, *make, "--locale=C.UTF-8", "--username=cxr", "--pgdata", str(data)],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    command = [*user, str(found[-1] / "postgres"), "-D", str(data), "-p", str(port)]
    server = Program(
        "database",
        [*command, "-h", "127.0.0.1", "-k", "", "-c", "max_connections=200"],
        folder,
        ready=lambda: _accepts_sql(port),
    )
    return server, f"postgresql+psycopg://cxr@127.0.0.1:{port}/postgres"


def _accepts_sql(port: int) -> bool:
    import psycopg

    try:
        with psycopg.connect(f"postgresql://cxr@127.0.0.1:{port}/postgres", connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False
