"""The reading worklist with a million studies stored: today's list, its counts, its changes.

Fills an empty database in bulk (two years of studies, today's share of them open, one in
ten flagged, findings, milestones, deliveries), then asks for the list as the page, the API and
C-FIND do. Milliseconds of wall-clock of this process, the database beside it.

    python benchmarks/worklist_size.py postgresql+psycopg://user@host/empty --studies 1000000
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select, text
from sqlalchemy import insert as bulk

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr_node.reporting.templates import load_templates
from cxr_node.store.database import Database
from cxr_node.store.reading_order import ListView, list_state
from cxr_node.store.schema import (
    DeliveryRow,
    InstanceRow,
    MilestoneRow,
    ReadingRow,
    ResultObjectRow,
    RevisionRow,
    StudyRow,
)
from cxr_node.store.schema_desk import DeskRow
from cxr_node.store.worklist import counts, worklist

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAYS = 730
BLOCK = 20_000
PRIORITIES = ("STAT", "HIGH", *("MEDIUM",) * 4, *("ROUTINE",) * 14)
RANKS = {"ROUTINE": 1, "MEDIUM": 2, "HIGH": 3, "STAT": 4}
Rows = dict[type[Any], list[dict[str, Any]]]


def study(number: int, of: int) -> Rows:
    """The rows of one study, older studies first."""
    at = NOW - timedelta(days=DAYS) * (1 - number / of)
    priority = PRIORITIES[number * 7919 % len(PRIORITIES)]
    open_ = at > NOW - timedelta(hours=1)
    state = "queued" if open_ else "delivered"
    known = {"created_at": at}
    shared = {"id": number, "revision_pk": number, **known}
    values = dict.fromkeys(("issuer", "study_id", "study_time", "referring_physician"), "")
    return {
        StudyRow: [
            {"id": number, "study_uid": f"1.2.3.{number}", "patient_id": f"P{number // 3}"}
            | {"patient_name": f"Doe^{number}", "birth_date": "19600101", "sex": "F", **values}
            | {"accession_number": f"A{number}", "study_date": f"{at:%Y%m%d}", **known}
            | {"description": "Chest PA", "quality_control": False, "sender": "MODALITY"}
            | {"priority": priority, "priority_rank": RANKS[priority], "priority_words": "why"}
            | {"flagged_at": at if RANKS[priority] > 2 else None}
        ],
        RevisionRow: [
            {"id": number, "study_pk": number, "number": 1, "state": state, "reason": ""}
            | {"work_key": "", "first_received_at": at, "last_received_at": at, "state_at": at}
        ],
        InstanceRow: [
            {"id": number, "study_pk": number, "revision_number": 1, "view": "PA", "path": ""}
            | {"sop_instance_uid": f"1.2.3.{number}.1", "sop_class_uid": "1.2", "series_uid": "1"}
            | {"transfer_syntax": "1.2", "sha256": "0", "size": 1, "sender": "M", "reason": ""}
            | {"is_image": True, "patient_key": "", "received_at": at, "duplicates": 0}
            | {"conflicts": 0, "rows": 1, "columns": 1, "as_prior": False}
        ],
        ReadingRow: []
        if open_
        else [
            {**shared, "kind": "read", "model_digest": "0", "model_seconds": 1.0, "document": {}}
            | {"present": "edema" if number % 3 else "", "review": False}
        ],
        MilestoneRow: [{"revision_pk": number, "name": "last-image", "at": at}],
        ResultObjectRow: []
        if open_
        else [
            {**shared, "kind": "sr", "sop_class_uid": "1.2", "sop_instance_uid": f"2.{number}"}
            | {"series_uid": "2.1", "predecessor_uid": "", "path": "", "sha256": "0"}
        ],
        DeliveryRow: []
        if open_
        else [
            {"object_pk": number, "destination": "pacs", "state": "sent", "attempts": 1, **known}
            | {"next_attempt_at": at, "token": 1, "last_error": "", "sent_at": at}
        ],
        DeskRow: []
        if number % 2 or open_
        else [
            {"study_pk": number, "department": "", "reader_name": "Reader^Ruth"}
            | {"reader_organisation": "H", "reader_role": "attending", "read_at": at}
        ],
    }


def fill(database: Database, of: int, console: Console) -> None:
    """Insert in blocks; says how far it is."""
    for start in range(1, of + 1, BLOCK):
        block: Rows = {}
        for number in range(start, min(start + BLOCK, of + 1)):
            for table, rows in study(number, of).items():
                block.setdefault(table, []).extend(rows)
        with database.begin() as session:
            for table, rows in block.items():
                if rows:
                    session.execute(bulk(table), rows)
        console.print(f"{min(start + BLOCK - 1, of):,} studies", highlight=False)
    if database.engine.dialect.name == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as link:
            link.execute(text("VACUUM ANALYZE"))


def asked(database: Database) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is measured, by name."""
    rules = load_templates().order
    view = ListView(rules.reading_order(), NOW, NOW - timedelta(hours=rules.open_hours))

    def inside(work: Callable[[Any], object]) -> Callable[[], object]:
        def run() -> object:
            with database.read() as session:
                return work(session)

        return run

    yield "today's list, 500 lines", inside(lambda s: worklist(s, view))
    yield "the first 50 lines", inside(lambda s: worklist(s, view, limit=50))
    yield "one study", inside(lambda s: worklist(s, view, study_uid="1.2.3.1000"))
    yield "counts of today", inside(lambda s: counts(s, view.since))
    yield "has it changed", inside(list_state)
    yield "counts of everything (metrics)", inside(counts)


def measure(database: Database, runs: int) -> dict[str, dict[str, float]]:
    """Median, 95th percentile and worst, in milliseconds."""
    found: dict[str, dict[str, float]] = {}
    for name, ask in asked(database):
        times = []
        for _ in range(runs if "everything" not in name else 3):
            began = time.perf_counter()
            ask()
            times.append((time.perf_counter() - began) * 1000)
        times.sort()
        at = {"median": times[len(times) // 2], "p95": times[int(0.95 * (len(times) - 1))]}
        found[name] = {**at, "worst": times[-1]}
    return found


def main() -> None:
    """Fill if empty, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="SQLAlchemy URL of an empty or already filled database")
    parser.add_argument("--studies", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--json", type=Path)
    wish = parser.parse_args()
    console = Console()
    database = Database(wish.url)
    database.migrate()
    with database.read() as session:
        there = session.scalar(select(func.count(StudyRow.id))) or 0
    if not there:
        fill(database, wish.studies, console)
    found = measure(database, wish.runs)
    table = Table("milliseconds", "median", "p95", "worst", title=f"{there or wish.studies:,}")
    for name, at in found.items():
        table.add_row(name, *(f"{value:.1f}" for value in at.values()))
    console.print(table)
    if wish.json:
        wish.json.write_text(json.dumps(found, indent=1))
    database.dispose()


if __name__ == "__main__":
    main()
