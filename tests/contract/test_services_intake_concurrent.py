"""Many associations at once through intake and assembly, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cxr_node.spool.files import FileSpool
from cxr_node.store.database import Database
from cxr_node.store.schema import InstanceRow, JobRow, RevisionRow, StudyRow
from tests.builders import radiograph
from tests.intake_bench import IntakeBench

STUDIES = [f"1.2.826.0.1.3680043.8.498.7{number}" for number in range(3)]


def test_eight_senders_of_the_same_studies(database: Database, tmp_path: Path) -> None:
    bench = IntakeBench(database, FileSpool(tmp_path / "spool", 0))
    images = [
        radiograph(study_uid=study, view=view, rows=32, columns=32)
        for view in ("PA", "LL", "AP")
        for study in STUDIES
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bench.send, images * 4))
    assert len(bench.rows(StudyRow)) == 3
    assert len(bench.rows(RevisionRow)) == 3
    assert sorted(row.duplicates for row in bench.rows(InstanceRow)) == [3] * 9
    assert [job.kind for job in bench.rows(JobRow)] == ["triage"] * 3
    assert len(bench.files()) == 9


def test_images_that_arrive_while_studies_close_are_never_lost(
    database: Database, tmp_path: Path
) -> None:
    """Every image is in a revision that was queued with it, or in one still to be closed."""
    bench = IntakeBench(database, FileSpool(tmp_path / "spool", 0))
    images = [
        radiograph(study_uid=study, rows=32, columns=32) for _ in range(8) for study in STUDIES
    ]

    def send(number: int) -> int:
        bench.send(images[number])
        bench.clock.advance(11)
        return bench.close()

    with ThreadPoolExecutor(6) as pool:
        closed = sum(pool.map(send, range(len(images))))
    bench.clock.advance(11)
    closed += bench.close()
    assert len(bench.rows(InstanceRow)) == len(images)
    revisions = bench.rows(RevisionRow)
    assert closed == len(revisions)
    assert {row.state for row in revisions} == {"queued"}
    for study in bench.rows(StudyRow):
        keys = [row.work_key for row in revisions if row.study_pk == study.id]
        assert len(set(keys)) == len(keys)
