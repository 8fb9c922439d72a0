"""Seconds from the last C-STORE response to the flag in a UPS event, with many open work items.

Runs a real node with a scripted model (no model time), fills it with open work items of others,
follows all work items over DIMSE, and sends one study at a time. What is printed: p50 and p95 of
the wait for the event that says HIGH, and of C-FIND over all open items, for the urgent ones, and
for one study.

    python benchmarks/workitem_events.py --open 10000 --studies 20
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr_node.config import PeerSection
from cxr_node.dicom import ups_dataset
from cxr_node.domain.identifiers import Uid
from cxr_node.store import workitems
from cxr_node.store.database import Database
from tests.builders import radiograph, save
from tests.nodes import script
from tests.peers import free_port
from tests.running_node import SENDER_AE, RunningNode
from tests.work_items import Follower, Steps, following, steps, workitem


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--open", type=int, default=10_000)
    parser.add_argument("--studies", type=int, default=20)
    asked = parser.parse_args()
    port = free_port()
    peer = PeerSection(name="follower", ae_title="FOLLOWER", host="127.0.0.1", port=port)
    with tempfile.TemporaryDirectory() as folder, following(port) as follower:
        root = Path(folder)
        with RunningNode(root / "node", (peer,), model=script(root)) as node:
            _fill(root / "node" / "data" / "cxr-node.sqlite3", asked.open)
            with steps(node.dicom_port, SENDER_AE) as scu:
                scu.watch(3, ups_dataset.GLOBAL)
            waits = [_wait(node, follower, root, n) for n in range(asked.studies)]
            queries = _queries(node)
    print(json.dumps({"open": asked.open, "event_seconds": _quantiles(waits), **queries}))


def _fill(path: Path, number: int) -> None:
    database = Database(f"sqlite:///{path}")
    now = datetime.now(UTC)
    with database.begin() as session:
        for n in range(number):
            urgent = "HIGH" if n % 100 == 0 else "MEDIUM"
            wish = workitem(f"1.2.9.{n}", ScheduledProcedureStepPriority=urgent)
            _, item = ups_dataset.created(wish, Uid(generate_uid()))
            document = ups_dataset.encoded(item)
            facts = ups_dataset.facts(item)
            workitems.add(session, facts, document, now, created_by="RIS", performed_here=False)
    database.dispose()


def _wait(node: RunningNode, follower: Follower, root: Path, number: int) -> float:
    """Send one study; seconds until the event that tells its flag."""
    follower.told.clear()
    node.send(save(radiograph(patient_id=f"P{number}"), root / f"image-{number}"))
    sent = time.monotonic()
    while time.monotonic() - sent < 60:
        if any(_says_high(report) for _, _, report in list(follower.told)):
            return time.monotonic() - sent
        time.sleep(0.005)
    raise SystemExit("the flag was not told")


def _says_high(report: Dataset) -> bool:
    return any(
        str(progress.get("ProcedureStepProgressDescription", "")).startswith("HIGH")
        for progress in report.get("ProcedureStepProgressInformationSequence", ())
    )


def _queries(node: RunningNode) -> dict[str, dict[str, float]]:
    with steps(node.dicom_port, SENDER_AE) as scu:
        return {
            "find_all_seconds": _timed(lambda: _ask(scu, ProcedureStepState="SCHEDULED"), 2),
            "find_high_seconds": _timed(
                lambda: _ask(
                    scu, ProcedureStepState="SCHEDULED", ScheduledProcedureStepPriority="HIGH"
                ),
                10,
            ),
            "find_one_seconds": _timed(lambda: _ask(scu, InputInformationSequence=[_one()]), 20),
        }


def _one() -> Dataset:
    source = Dataset()
    source.StudyInstanceUID = "1.2.9.77"
    return source


def _ask(scu: Steps, **keys: object) -> int:
    return len(scu.find(**keys))


def _timed(ask: Callable[[], int], times: int) -> dict[str, float]:
    seconds = []
    for _ in range(times):
        began = time.monotonic()
        found = ask()
        seconds.append(time.monotonic() - began)
    return {"matches": found, **_quantiles(seconds)}


def _quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=20) if len(values) > 1 else [values[0]] * 19
    return {"p50": round(statistics.median(values), 3), "p95": round(cuts[18], 3)}


if __name__ == "__main__":
    main()
