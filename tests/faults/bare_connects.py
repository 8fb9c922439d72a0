"""Bare TCP connects against a DICOM or HTTP port: memory must stay flat, honest peers be served.

``python -m tests.faults.bare_connects --port 11112 --pid PID --count 100000`` does the full size
against a running node and exits 1 if its memory grew by more than the limit.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable
from pathlib import Path

LIMIT_BYTES = 64 * 1024 * 1024
_OPEN_AT_ONCE = 20
_PAGE = 4096


def resident_bytes(pid: int) -> int:
    """Resident memory of a process (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def connect_bare(host: str, port: int, count: int) -> int:
    """Open and close ``count`` connections, a few of them open at any time; how many held."""
    held = 0
    waiting: list[socket.socket] = []
    for number in range(count):
        try:
            wire = socket.create_connection((host, port), timeout=10)
        except OSError:
            continue
        held += 1
        if number % 3 == 0:
            wire.sendall(b"\x01\x00\x00")  # half of a head
        waiting.append(wire)
        if len(waiting) > _OPEN_AT_ONCE:
            waiting.pop(0).close()
    for wire in waiting:
        wire.close()
    return held


def growth(pid: int, host: str, port: int, count: int, settle: Callable[[], object]) -> int:
    """Bytes by which the process grew; a first tenth, at most 500, warms it up."""
    connect_bare(host, port, min(count // 10, 500))
    settle()
    before = resident_bytes(pid)
    connect_bare(host, port, count)
    settle()
    return resident_bytes(pid) - before


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--count", type=int, default=100_000)
    chosen = parser.parse_args()
    grown = growth(chosen.pid, chosen.host, chosen.port, chosen.count, lambda: None)
    print(f"{chosen.count} connects, memory +{grown / 2**20:.1f} MiB")
    return int(grown > LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
