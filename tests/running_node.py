"""A real node in its own process, for tests that look at it from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cxr_node.config import PeerSection
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.domain.study import StudyState
from cxr_node.entry.http_client import NodePage
from cxr_node.web.documents import WorklistItem
from tests.canaries import assert_none_in
from tests.peers import free_port

SENDER_AE = "MODALITY"
SETTLED = frozenset({StudyState.DELIVERED, StudyState.NOT_ELIGIBLE, StudyState.PARKED})


def toml(sections: Mapping[str, Mapping[str, object]], peers: Iterable[PeerSection]) -> str:
    """The configuration file of a node for tests."""
    lines: list[str] = []
    for name, values in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {_literal(value)}" for key, value in values.items()]
    for peer in peers:
        lines.append("[[peer]]")
        lines += [f"{key} = {_literal(value)}" for key, value in peer.model_dump().items()]
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {_literal(held)}' for key, held in value.items())}}}"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


@dataclass
class RunningNode:
    """``cxr-node up`` with short clocks; use as a context manager."""

    folder: Path
    destinations: tuple[PeerSection, ...] = ()
    model: str = ""
    sections: dict[str, dict[str, object]] = field(default_factory=dict)
    start_seconds: float = 120.0

    def __post_init__(self) -> None:
        self.dicom_port, self.web_port = free_port(), free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "cxr-node.toml"
        self.log = self.folder / "node.log"
        self.page = NodePage("127.0.0.1", self.web_port)
        self.config.write_text(toml(self._sections(), (self._sender(), *self.destinations)))
        node = PeerSection(name="node", ae_title="CXRNODE", host="127.0.0.1", port=self.dicom_port)
        self.modality = DimseSender(
            own_ae=SENDER_AE, destinations=(node,), timeout_seconds=20.0, max_pdu=131_072
        )
        self.process: subprocess.Popen[bytes] | None = None

    def _sections(self) -> dict[str, dict[str, object]]:
        sections: dict[str, dict[str, object]] = {
            "node": {"data_dir": "data"},
            "listener": {"port": self.dicom_port},
            "web": {"port": self.web_port},
            "spool": {"reserve_bytes": 1_000_000},
            "assembly": {"quiet_seconds": 1.0},
            "model": {"path": self.model, "threads": 1},
            "delivery": {"first_retry_seconds": 0.5, "timeout_seconds": 5.0},
        }
        for name, values in self.sections.items():
            sections.setdefault(name, {}).update(values)
        return sections

    def _sender(self) -> PeerSection:
        return PeerSection(name="modality", ae_title=SENDER_AE)

    def __enter__(self) -> Self:
        try:
            self.start()
        except AssertionError:
            self.stop()  # nobody leaves a block that was never entered
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until every part works."""
        command = [sys.executable, "-m", "cxr_node.entry.cli", "up", "--config", str(self.config)]
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(command, stdout=stream, stderr=stream)
        self.until(lambda: self.page.first_broken() is None, self.start_seconds, "ready")

    def stop(self) -> None:
        """End it in the ordinary way."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired as late:
                self.process.kill()
                self.process.wait()
                raise AssertionError("the node did not end when it was asked to") from late
        assert_none_in(self.log)

    def worker_pids(self) -> list[int]:
        """Process ids of its reading workers."""
        assert self.process is not None
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "worker --attached"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in found.stdout.split()]

    def kill_worker(self) -> None:
        """kill -9, as the kernel's out-of-memory killer would."""
        for pid in self.worker_pids():
            os.kill(pid, signal.SIGKILL)

    def send(self, *paths: Path) -> None:
        """One association per file; raises what the node answered."""
        for path in paths:
            self.modality.send("node", path)

    def command(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``cxr-node verb`` with this node's configuration."""
        return subprocess.run(
            [
                *(sys.executable, "-m", "cxr_node.entry.cli", verb, *arguments),
                *("--config", str(self.config)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )

    def study(self, study_uid: str) -> WorklistItem | None:
        return next((s for s in self.page.studies() if s.study_uid == study_uid), None)

    def settled(self, study_uid: str, seconds: float = 60.0) -> WorklistItem:
        """Wait until the study has come to an end, whichever."""

        def ended() -> bool:
            item = self.study(study_uid)
            return item is not None and item.state in SETTLED

        self.until(ended, seconds, "settled")
        item = self.study(study_uid)
        assert item is not None
        return item

    def until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Poll; on time-out fail with the node's last log lines."""
        deadline = time.monotonic() + seconds
        while not done():
            ended = self.process is not None and self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])
                broken = "the node ended" if ended else self.page.first_broken()
                raise AssertionError(f"not {what} ({broken}); log:\n{tail}")
            time.sleep(0.1)
