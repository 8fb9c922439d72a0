"""Seconds from the last C-STORE response to the flag in a C-FIND answer, model apart.

Runs a real node with the embedded model on phantoms with a large pneumothorax, one study at
a time, and asks the worklist over DIMSE until the study is flagged. What is printed: p50 and
p95 of the whole, of the model's own time (from the database), and of the rest.

    python benchmarks/flag_latency.py --studies 30
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pydicom import dcmread
from sqlalchemy import create_engine, text

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr_node.dicom.worklist_scu import find_priorities
from cxr_node.domain.findings import Severity
from cxr_node.domain.instance import View
from cxr_node.domain.priority import is_flag
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.dicom import write_film
from cxr_node.phantom.batched.make import make_radiograph
from cxr_node.phantom.batched.signs import Sign
from tests.nodes import script
from tests.running_node import RunningNode


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=30)
    parser.add_argument("--scripted", action="store_true", help="no model time at all")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = script(root) if asked.scripted else ""
        with RunningNode(root / "node", model=model) as node:
            waits = [_wait(node, root, number) for number in range(asked.studies)]
            models = _model_seconds(root / "node" / "data" / "cxr-node.sqlite3")
    flagged = [wait for wait in waits if wait is not None]
    print(
        json.dumps(
            {
                "studies": asked.studies,
                "flagged": len(flagged),
                "flag_seconds": _quantiles(flagged),
                "triage_model_seconds": _quantiles(models),
                "rest_p50": round(statistics.median(flagged) - statistics.median(models), 3)
                if flagged
                else None,
            }
        )
    )


def _wait(node: RunningNode, root: Path, number: int) -> float | None:
    """Send one study; seconds until its flag is answered, or None within ten seconds."""
    case = make_case(
        51_000_000 + number,
        view=View.AP,
        signs=(Sign.PNEUMOTHORAX,),
        severity=Severity.SEVERE,
    )
    path = write_film(make_radiograph(case, 1024), root / "images")
    uid = str(dcmread(path, stop_before_pixels=True).StudyInstanceUID)
    node.send(path)
    sent = time.monotonic()
    while time.monotonic() - sent < 10:
        found = find_priorities(
            "127.0.0.1", node.dicom_port, calling_ae="MODALITY", called_ae="CXRNODE"
        )
        if uid in found and is_flag(found[uid]):
            return time.monotonic() - sent
        time.sleep(0.02)
    return None


def _model_seconds(database: Path) -> list[float]:
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT model_seconds FROM reading WHERE kind = 'triage'"))
        return [float(seconds) for (seconds,) in rows]


def _quantiles(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    cuts = statistics.quantiles(values, n=20)
    return {"p50": round(statistics.median(values), 3), "p95": round(cuts[18], 3)}


if __name__ == "__main__":
    main()
