"""The parent's side of the decoder: starts it, times it, ends it, starts it again."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cxr_node
from cxr_node.domain.eligibility import Reason
from cxr_node.domain.errors import CxrNodeError, NotReadable
from cxr_node.imaging.frames import (
    HEADER_BYTES,
    LONGEST_HEAD,
    decode_head,
    encode_frame,
    frame_counts,
)

Reply = tuple[dict[str, Any], bytes]

CHILD = (sys.executable, "-P", "-m", "cxr_node.imaging.decode_child")
_START_SECONDS = 60.0
_LIMIT_SIGNALS = (signal.SIGXCPU, signal.SIGKILL)
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")


class _Lost(Exception):
    """The child ended without an answer; ``returncode`` is negative for a signal."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"the decoder ended with {returncode}")
        self.returncode = returncode


class DecoderProcess:
    """One child process answering one request at a time; safe to share between threads."""

    def __init__(
        self, memory_bytes: int, seconds: float, *, command: Sequence[str] = CHILD
    ) -> None:
        self._command = (*command, str(memory_bytes))
        self._seconds = seconds
        self._longest_payload = memory_bytes
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    @property
    def pid(self) -> int | None:
        """Process id of the running child."""
        return self._child.pid if self._child else None

    def ask(self, request: dict[str, Any]) -> Reply:
        """Send a request and wait for its reply.

        Raises :class:`NotReadable`: decode when the child crashed on it, too-large when it
        met a limit of memory or time; :class:`CxrNodeError` when no child can be started.
        """
        with self._lock:
            try:
                child = self._running()
                deadline = time.monotonic() + self._seconds
                self._send(child, request)
                return self._receive(child, deadline)
            except TimeoutError:
                self._end()
                raise NotReadable(Reason.TOO_LARGE, "time") from None
            except ValueError:
                self._end()
                raise NotReadable(Reason.DECODE, "the decoder's answer is damaged") from None
            except _Lost as lost:
                self._end()
                limited = -lost.returncode in _LIMIT_SIGNALS
                reason = Reason.TOO_LARGE if limited else Reason.DECODE
                raise NotReadable(reason, str(lost)) from None

    def close(self) -> None:
        """End the child; a later request would start another."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid():  # we are a fork: that child is our parent's
            self._child, self._owner = None, os.getpid()
        if self._child and self._child.poll() is None:
            return self._child
        self._end()
        self._child = self._started()
        return self._child

    def _started(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            bufsize=0,
        )
        self._child = child
        try:
            self._receive(child, time.monotonic() + _START_SECONDS)
        except (_Lost, TimeoutError) as error:
            self._end()
            raise CxrNodeError("the image decoder cannot be started") from error
        return child

    def _send(self, child: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
        assert child.stdin
        try:
            child.stdin.write(encode_frame(request))
        except BrokenPipeError:
            raise _Lost(child.wait()) from None

    def _receive(self, child: subprocess.Popen[bytes], deadline: float) -> Reply:
        head, payload = frame_counts(self._read(child, HEADER_BYTES, deadline))
        if head > LONGEST_HEAD or payload > self._longest_payload:
            raise _Lost(0)
        facts = decode_head(self._read(child, head, deadline))
        return facts, self._read(child, payload, deadline)

    def _read(self, child: subprocess.Popen[bytes], wanted: int, deadline: float) -> bytes:
        assert child.stdout
        source, got = child.stdout.fileno(), bytearray()
        while len(got) < wanted:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([source], [], [], remaining)[0]:
                raise TimeoutError
            part = os.read(source, min(wanted - len(got), 1 << 20))
            if not part:
                raise _Lost(child.wait())
            got += part
        return bytes(got)

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for stream in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()
        child.wait()


def _environment() -> dict[str, str]:
    """Little of our environment: no secret reaches a process that strangers' bytes may take."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | {
        "PYTHONPATH": str(Path(cxr_node.__file__).parents[1]),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
