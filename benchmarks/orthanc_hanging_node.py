"""How long Orthanc takes to store and to answer: without the plugin, and while the node hangs.

The node of this benchmark takes every connection and never says a word. Each Orthanc is asked by
turns, so that a busy machine slows all of them alike.

    python benchmarks/orthanc_hanging_node.py [--rounds N]
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.builders import radiograph, save
from tests.orthancs import RELEASES, PluggedOrthanc, plugged

_RETRY_SECONDS = 0.1
_TIMEOUT_SECONDS = 4


def once(orthanc: PluggedOrthanc, path: Path) -> tuple[float, float]:
    """Seconds of one C-STORE, association included, and of one REST answer."""
    began = time.perf_counter()
    orthanc.send(path)
    stored = time.perf_counter()
    orthanc.get("/statistics")
    return stored - began, time.perf_counter() - stored


def figures(rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Measured pairs of each Orthanc, with and without sending to the node."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        node = running.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        port = node.getsockname()[1]
        hanging = {
            "Host": "127.0.0.1",
            "Port": port,
            "Url": f"http://127.0.0.1:{port}",
            "TimeoutSeconds": _TIMEOUT_SECONDS,
            "RetrySeconds": _RETRY_SECONDS,
            "QuietSeconds": 0,
        }
        orthancs = {}
        for release in RELEASES:
            off = running.enter_context(plugged(release, hanging, Plugins=[]))
            on = running.enter_context(plugged(release, hanging))
            orthancs |= {f"{release.name}, no plugin": off, f"{release.name}, node hangs": on}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in orthancs}
        for number in range(rounds):
            path = save(radiograph(rows=512, columns=512), folder / str(number))
            for name, orthanc in orthancs.items():
                found[name].append(once(orthanc, path))
        return found


def main() -> None:
    """Print medians and longest times in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    chosen = parser.parse_args()
    print("| Orthanc | C-STORE median, longest (ms) | REST median, longest (ms) |\n|---|---|---|")
    for name, pairs in figures(chosen.rounds).items():
        columns = []
        for seconds in zip(*pairs, strict=True):
            columns.append(f"{statistics.median(seconds) * 1e3:.0f}, {max(seconds) * 1e3:.0f}")
        print(f"| {name} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
