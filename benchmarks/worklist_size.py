"""The reading worklist with a million studies stored: today's list, its counts, its changes.

Fills an empty PostgreSQL database in bulk (two years of studies, half of them marked as read, one
in ten flagged, findings, milestones, deliveries), then asks for the list as the page, the API
and C-FIND do. Milliseconds: of the clock, and of this process's CPU; the database is beside it.

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

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr_node.reporting.templates import load_templates
from cxr_node.store.database import Database
from cxr_node.store.reading_order import ListView, list_state
from cxr_node.store.schema import StudyRow
from cxr_node.store.worklist import counts, worklist

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
_STUDIES = """
CREATE TEMP TABLE made AS
SELECT n AS id, timestamptz '2026-06-01 12:00+00' - (:of - n) * interval '730 days' / :of AS at,
       CASE WHEN n % 20 = 7 THEN 4 WHEN n % 20 = 3 THEN 3 WHEN n % 5 = 1 THEN 2 ELSE 1 END AS rank,
       n > :of - :of / 17520 AS running
FROM generate_series(1, :of) AS n
"""
_FILL = (
    """INSERT INTO study (id, study_uid, patient_id, issuer, patient_name, birth_date, sex,
    accession_number, study_id, study_date, study_time, description, referring_physician,
    quality_control, sender, priority, priority_rank, priority_words, flagged_at, created_at)
    SELECT id, '1.2.3.' || id, 'P' || id / 3, '', 'Doe^' || id, '19600101', 'F', 'A' || id, '',
    to_char(at, 'YYYYMMDD'), '', 'Chest PA', '', false, 'MODALITY',
    (ARRAY['ROUTINE', 'MEDIUM', 'HIGH', 'STAT'])[rank], rank, 'why',
    CASE WHEN rank > 2 THEN at END, at FROM made""",
    """INSERT INTO revision (id, study_pk, number, state, reason, work_key, first_received_at,
    last_received_at, state_at)
    SELECT id, id, 1, CASE WHEN running THEN 'queued' ELSE 'delivered' END, '', '', at, at, at
    FROM made""",
    """INSERT INTO instance (study_pk, revision_number, sop_instance_uid, sop_class_uid, series_uid,
    transfer_syntax, sha256, size, path, sender, patient_key, view, is_image, reason, duplicates,
    conflicts, received_at)
    SELECT id, 1, '1.2.3.' || id || '.1', '1.2', '1.2', '1.2', '', 1, '', 'MODALITY', '', 'PA',
    true, '', 0, 0, at FROM made""",
    """INSERT INTO reading (revision_pk, kind, model_digest, model_seconds, document, present,
    review, created_at)
    SELECT id, 'read', '0', 1, '{}', CASE WHEN id % 3 = 0 THEN 'edema' ELSE '' END, false, at
    FROM made WHERE NOT running""",
    """INSERT INTO milestone (revision_pk, name, at)
    SELECT id, name, at FROM made, unnest(ARRAY['last-image', 'read-done', 'reported']) AS name""",
    """INSERT INTO result_object (id, revision_pk, kind, sop_class_uid, sop_instance_uid,
    series_uid, predecessor_uid, path, sha256, created_at)
    SELECT id, id, 'sr', '1.2', '2.' || id, '2.1', '', '', '', at FROM made WHERE NOT running""",
    """INSERT INTO delivery (object_pk, destination, state, attempts, next_attempt_at, token,
    last_error, created_at)
    SELECT id, 'pacs', 'sent', 1, at, 1, '', at FROM made WHERE NOT running""",
    """INSERT INTO desk (study_pk, department, reader_name, reader_organisation, reader_role,
    read_at)
    SELECT id, '', 'Reader^Ruth', 'H', 'attending', at FROM made
    WHERE id % 2 = 0 AND NOT running""",
)


def fill(database: Database, of: int) -> None:
    """One statement a table; the newest hour of studies is still being read."""
    with database.begin() as session:
        session.execute(text(_STUDIES), {"of": of})
        for statement in _FILL:
            session.execute(text(statement))
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
    """Median and 95th percentile of the clock, median of the CPU, in milliseconds."""
    found: dict[str, dict[str, float]] = {}
    for name, ask in asked(database):
        times, spent = [], []
        ask()
        for _ in range(runs if "everything" not in name else 3):
            began, cpu = time.perf_counter(), time.process_time()
            ask()
            times.append((time.perf_counter() - began) * 1000)
            spent.append((time.process_time() - cpu) * 1000)
        times.sort()
        at = {"median": times[len(times) // 2], "p95": times[int(0.95 * (len(times) - 1))]}
        found[name] = {**at, "cpu": sorted(spent)[len(spent) // 2]}
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
        fill(database, wish.studies)
    found = measure(database, wish.runs)
    table = Table("milliseconds", "median", "p95", "CPU", title=f"{there or wish.studies:,}")
    for name, at in found.items():
        table.add_row(name, *(f"{value:.1f}" for value in at.values()))
    console.print(table)
    if wish.json:
        wish.json.write_text(json.dumps(found, indent=1))
    database.dispose()


if __name__ == "__main__":
    main()
