"""Real servers for the tests: PostgreSQL, Redis, RabbitMQ and Orthanc, one of each a session.

Each runs on free loopback ports with its own folder and is stopped by its own process
group. A program that is not installed skips the test, or fails it where CI is set.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SANDBOX = Path(__file__).parents[1] / "orthanc" / "orthanc.json"
START_SECONDS = 90.0
"""Longest any server may take to answer; a busy machine of two cores needs half of it."""


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require(program: str, package: str) -> str:
    """The path of ``program``; without it the test is skipped, or fails in CI."""
    searched = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    found = shutil.which(program, path=searched)
    if found is None:
        missing(program, package)
    return found


def missing(what: str, package: str) -> Any:
    """Say what is not installed and which command installs it: never returns."""
    words = f"did not run: {what} is not installed (apt-get install {package}, or make test)"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


def until(ready: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Poll ``ready`` until it holds; fails the test with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ready():
            return
        time.sleep(0.05)
    pytest.fail(f"{what} was not ready within {seconds:.0f} s")


@contextmanager
def running(
    command: list[str], folder: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in its own process group, output to ``folder``/output, and stop the group."""
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
            return


@contextmanager
def server_folder(name: str, owner: str | None = None, root: Path | None = None) -> Iterator[Path]:
    """A short-named folder; pytest's own is closed to the other users that servers run as."""
    inside = None if root is None else root / "tmp"
    folder = Path(tempfile.mkdtemp(prefix=f"cxr-{name}-", dir=inside))
    if owner is not None:
        shutil.chown(folder, owner)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _said(port: int, question: bytes, answer: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as peer:
            peer.sendall(question)
            return peer.recv(64).startswith(answer)
    except OSError:
        return False


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis that keeps nothing on disk."""
    program, port = require("redis-server", "redis-server"), free_port()
    with server_folder("redis") as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        with running([*command, "--dir", str(folder)], folder):
            until(lambda: _said(port, b"PING\r\n", b"+PONG"), "Redis")
            yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """A RabbitMQ with its own port mapper, so that no other Erlang node is disturbed."""
    program = require("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
    mapper = require("epmd", "erlang-base")
    port, distribution, names = free_port(), free_port(), free_port()
    with server_folder("rabbitmq") as folder:
        (folder / "plugins").write_text("[].\n")
        (folder / "environment").touch()
        environment = {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(names),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_NODENAME": f"cxr{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        map_names = [mapper, "-port", str(names), "-address", "127.0.0.1"]
        with running(map_names, folder), running([program], folder, environment):
            until(lambda: _said(port, b"AMQP\x00\x00\x09\x01", b"\x01"), "RabbitMQ")
            yield f"amqp://guest:guest@127.0.0.1:{port}//"


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """SQLAlchemy URL of a PostgreSQL cluster with one empty database."""
    port = free_port()
    as_root = os.geteuid() == 0
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        missing("PostgreSQL", "postgresql")
    with server_folder("postgresql", "postgres" if as_root else None) as folder:
        user = ["runuser", "-u", "postgres", "--"] if as_root else []
        data = folder / "data"
        initdb = [str(folders[-1] / "initdb"), "--no-sync", "--auth=trust", "--encoding=UTF8"]
        subprocess.run(
            [*user, *initdb, "--locale=C.UTF-8", "--username=cxr", "--pgdata", str(data)],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        server = [str(folders[-1] / "postgres"), "-D", str(data), "-p", str(port), "-h"]
        # Tests gain nothing from fsync; no Unix socket, its folder may not be writable.
        options = ["127.0.0.1", "-k", "", "-c", "fsync=off", "-c", "max_connections=100"]
        with running([*user, *server, *options], folder):
            until(lambda: _accepts_sql(port), "PostgreSQL")
            yield f"postgresql+psycopg://cxr@127.0.0.1:{port}/postgres"


def _accepts_sql(port: int) -> bool:
    import psycopg

    try:
        with psycopg.connect(f"postgresql://cxr@127.0.0.1:{port}/postgres", connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


@dataclass(frozen=True, slots=True)
class Orthanc:
    """A running Orthanc that stores what it is sent and answers every AE."""

    ae_title: str
    dicom_port: int
    http_port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One REST call; the JSON answer, or None for an empty one. Raises URLError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base_url}{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def content(self, path: str) -> bytes:
        """The raw bytes of one GET, for example ``/instances/{id}/file``."""
        with urllib.request.urlopen(f"{self.base_url}{path}", timeout=20) as answer:
            return bytes(answer.read())

    def add_modality(self, name: str, aet: str, port: int) -> None:
        """Declare a peer on this machine, for C-MOVE and sending."""
        entry = {"AET": aet, "Host": "127.0.0.1", "Port": port}
        self.call("PUT", f"/modalities/{name}", entry)

    def find(self, level: str, **query: str) -> list[str]:
        """Identifiers of what Orthanc holds at ``level`` (Study, Series or Instance)."""
        found = self.call("POST", "/tools/find", {"Level": level, "Query": query})
        return [str(identifier) for identifier in found]


@contextmanager
def orthanc_server(*, root: Path | None = None, **settings: Any) -> Iterator[Orthanc]:
    """Run an Orthanc of one's own; ``settings`` override its configuration file.

    ``root`` is the folder of another Debian that it is taken from.
    """
    peer = Orthanc("ORTHANC", free_port(), free_port())
    with server_folder("orthanc", root=root) as folder:
        command = orthanc_command(peer, folder, root, settings)
        with running(command, folder, {"TCP_NODELAY": "1"}):
            until(lambda: answers(peer), "Orthanc")
            yield peer


def orthanc_command(
    peer: Orthanc, folder: Path, root: Path | None, settings: dict[str, Any]
) -> list[str]:
    """Write the configuration into ``folder``, where the index goes too; how to start it."""
    program = require("Orthanc", "orthanc") if root is None else "/usr/sbin/Orthanc"
    inside = folder if root is None else Path("/") / folder.relative_to(root)
    configuration = {
        **json.loads(SANDBOX.read_text(encoding="utf-8")),
        "StorageDirectory": str(inside / "storage"),
        "IndexDirectory": str(inside / "storage"),
        "DicomAet": peer.ae_title,
        "DicomPort": peer.dicom_port,
        "HttpPort": peer.http_port,
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    enter = [] if root is None else [require("chroot", "coreutils"), str(root)]
    return [*enter, program, str(inside / "orthanc.json")]


def answers(peer: Orthanc) -> bool:
    """Whether its REST API does."""
    try:
        return "DicomAet" in peer.call("GET", "/system")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(scope="session")
def orthanc() -> Iterator[Orthanc]:
    """One Orthanc for the whole session: tests name their own studies."""
    with orthanc_server() as peer:
        yield peer
