"""Seconds from the last C-STORE response to the flag at a RIS (ORU^R01) and at a webhook.

Runs a real node with a scripted model, so that no model's time is in it, over a database that
already holds many open studies; one study at a time. Prints p50 and p95 of both roads.

    python benchmarks/message_latency.py --studies 20 --open 10000
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr_node.config_messaging import OrdersSection
from cxr_node.domain.ports import SystemClock
from cxr_node.domain.study import StudyState
from cxr_node.messaging.mllp_server import MllpServer
from cxr_node.messaging.stand_in_ris import ResultDesk, ResultHeard
from cxr_node.store.database import Database
from cxr_node.store.schema import RevisionRow, StudyRow
from tests.builders import radiograph, save
from tests.http_receivers import Receiver, receiving
from tests.nodes import script
from tests.running_node import RunningNode

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


class Heard:
    """When each study was first told of, by road."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def __call__(self, result: ResultHeard) -> None:
        self.at.setdefault(result.study_uid, time.monotonic())


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--open", type=int, default=10_000)
    asked = parser.parse_args()
    heard = Heard()
    ris = MllpServer(OrdersSection(), ResultDesk(SystemClock(), heard).answer)
    with tempfile.TemporaryDirectory() as folder, receiving() as hook:
        node = _node(Path(folder), ris.start(), hook)
        _fill(Path(folder) / "node" / "data" / "cxr-node.sqlite3", asked.open)
        with node:
            waits = [_wait(node, Path(folder), heard, hook) for _ in range(asked.studies)]
        ris.stop()
    print(
        json.dumps(
            {
                "studies": asked.studies,
                "open": asked.open,
                "oru_seconds": _quantiles([oru for oru, _ in waits]),
                "webhook_seconds": _quantiles([hooked for _, hooked in waits]),
                "load": round(os.getloadavg()[0], 1),
            }
        )
    )


def _node(root: Path, port: int, hook: Receiver) -> RunningNode:
    secret = root / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    node = RunningNode(root / "node", model=script(root))
    with node.config.open("a") as stream:
        stream.write(f'[[hl7]]\nname = "ris"\nhost = "127.0.0.1"\nport = {port}\n')
        stream.write(f'[[webhook]]\nname = "hook"\nurl = "{hook.url}/"\n')
        stream.write(f'secret_file = "{secret}"\n')
    return node


def _fill(path: Path, number: int) -> None:
    """Studies that were read and wait for a reader."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = Database(f"sqlite:///{path}")
    database.migrate()
    now = datetime.now(UTC)
    studies = [
        {
            "study_uid": f"1.2.826.0.1.{key}",
            "patient_id": f"P{key}",
            "accession_number": f"A{key}",
            "study_date": now.strftime("%Y%m%d"),
            "priority": "ROUTINE",
            "priority_rank": 1,
            "created_at": now,
        }
        for key in range(1, number + 1)
    ]
    usual = {"number": 1, "state": StudyState.DELIVERED.value, "state_at": now}
    times = {"first_received_at": now, "last_received_at": now}
    with database.begin() as session:
        if studies:
            session.execute(insert(StudyRow), studies)
            keys = [key for (key,) in session.query(StudyRow.id)]
            session.execute(
                insert(RevisionRow), [{"study_pk": key, **usual, **times} for key in keys]
            )
    database.dispose()


def _wait(node: RunningNode, root: Path, heard: Heard, hook: Receiver) -> tuple[float, float]:
    """Send one study; seconds until the RIS and until the webhook were told."""
    image = radiograph()
    uid = str(image.StudyInstanceUID)
    node.send(save(image, root / "images"))
    sent = time.monotonic()
    hooked = 0.0
    while time.monotonic() - sent < 30 and not (hooked and uid in heard.at):
        if not hooked and any(uid.encode() in taken.body for taken in list(hook.taken)):
            hooked = time.monotonic() - sent
        time.sleep(0.005)
    _finished(node, uid)
    return heard.at[uid] - sent, hooked


def _finished(node: RunningNode, uid: str) -> None:
    """The next study does not meet this one's report."""

    def delivered() -> bool:
        page = node.page.study(uid)
        return page is not None and page.study.state is StudyState.DELIVERED

    node.until(delivered, 60, "delivered")


def _quantiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=20)
    return {"p50": round(statistics.median(values), 3), "p95": round(cuts[18], 3)}


if __name__ == "__main__":
    main()
