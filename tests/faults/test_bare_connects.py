"""Two thousand bare connects leave no thread, no socket and no memory behind."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tests.builders import radiograph
from tests.faults.bare_connects import LIMIT_BYTES, growth
from tests.listening import listening, send, until

COUNT = 2_000


def _wire_threads() -> int:
    return sum(thread.name.startswith("dicom-") for thread in threading.enumerate())


def test_bare_connects_leave_nothing_behind(tmp_path: Path) -> None:
    with listening(tmp_path, pdu_seconds=2.0) as node:

        def settled() -> bool:
            return until(lambda: _wire_threads() <= 1, 60)

        open_before = len(list(Path("/proc/self/fd").iterdir()))
        grown = growth(os.getpid(), "127.0.0.1", node.port, COUNT, settled)
        assert settled()
        assert grown < LIMIT_BYTES, f"{grown / 2**20:.1f} MiB"
        assert len(list(Path("/proc/self/fd").iterdir())) <= open_before + 5
        assert send(node, radiograph()) == 0
