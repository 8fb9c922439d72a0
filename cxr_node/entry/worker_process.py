"""The parent's side of a reading worker: start it, ring it, notice its death, start it again."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from cxr_node.domain.events import Event, emit
from cxr_node.entry.worker import READY

_PAUSE_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0)


class WorkerProcess:
    """One supervised child running ``cxr-node worker --attached``."""

    def __init__(self, config_path: Path | None, number: int, *, shadow: bool = False) -> None:
        kind = ("--shadow",) if shadow else ()
        named = ("--config", str(config_path)) if config_path else ()
        self._command = [
            *(sys.executable, "-m", "cxr_node.entry.cli", "worker", *kind, "--attached", *named)
        ]
        self._number = number
        self._closing = threading.Event()
        self._ready = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._supervise, name=f"worker-{number}")

    def start(self) -> None:
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether the child is alive and has loaded its model."""
        return self._ready.is_set()

    def ring(self) -> None:
        """Wake the child; a child that is busy or gone asks the database anyway."""
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            process.stdin.write("\n")
            process.stdin.flush()
        except (BrokenPipeError, ValueError):
            self._ready.clear()

    def stop(self, seconds: float = 10.0) -> None:
        """End the child: first by closing its input, then by force."""
        self._closing.set()
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(seconds)

    def _supervise(self) -> None:
        deaths = 0
        while not self._closing.is_set():
            served = self._run_once()
            self._ready.clear()
            if self._closing.is_set():
                return
            deaths = 1 if served else deaths + 1
            emit(Event.WORKER_LOST, worker=self._number, count=deaths)
            self._closing.wait(_PAUSE_SECONDS[min(deaths, len(_PAUSE_SECONDS) - 1)])

    def _run_once(self) -> bool:
        """Run one child to its end; return whether it had become ready."""
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._process = process
        served = False
        if process.stdout is not None:
            for line in process.stdout:
                if line.strip() == READY:
                    served = True
                    self._ready.set()
        process.wait()
        return served
