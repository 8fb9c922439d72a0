"""kill -9 at the marked points of T1: what was acknowledged is there, the rest can be resent."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import FileDataset

from cxr_node.services.doorbell import MemoryDoorbell
from cxr_node.spool import sweep
from cxr_node.spool.files import FileSpool
from cxr_node.store import jobs, studies
from cxr_node.store.database import Database
from cxr_node.store.schema import InstanceRow, JobRow
from tests.builders import radiograph
from tests.intake_bench import IntakeBench

_FORK = multiprocessing.get_context("fork")


def _die(*_rest: object, **_named: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _after(real: Callable[..., Any]) -> Callable[..., Any]:
    def call_then_die(*values: object, **named: object) -> None:
        real(*values, **named)
        _die()

    return call_then_die


POINTS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "before the bytes are synced": (os, "fsync", _die),
    "before the rename": (Path, "replace", _die),
    "after the rename": (Path, "replace", _after(Path.replace)),
    "before the transaction": (Database, "begin", _die),
    "in the transaction": (studies, "add_instance", _after(studies.add_instance)),
    "before the commit": (jobs, "add_job", _after(jobs.add_job)),
    "after the commit, before the answer": (MemoryDoorbell, "ring", _die),
}
COMMITTED = "after the commit, before the answer"


def _listener(url: str, root: Path, image: FileDataset, point: str) -> None:
    owner, name, deed = POINTS[point]
    bench = IntakeBench(Database(url), FileSpool(root, 0))
    bench.spool.partial_folder()
    setattr(owner, name, deed)
    bench.send(image)


@pytest.mark.parametrize("point", POINTS)
def test_killed_in_intake(sqlite_database: Database, tmp_path: Path, point: str) -> None:
    image = radiograph(rows=32, columns=32)
    url = sqlite_database.engine.url.render_as_string(hide_password=False)
    root = tmp_path / "spool"
    listener = _FORK.Process(target=_listener, args=(url, root, image, point))
    listener.start()
    listener.join(60)
    assert listener.exitcode == -signal.SIGKILL

    bench = IntakeBench(sqlite_database, FileSpool(root, 0))
    before = bench.rows(InstanceRow)
    assert len(before) == (1 if point == COMMITTED else 0)
    bench.spool.sweep_partials()
    bench.send(image)
    (row,) = bench.rows(InstanceRow)
    assert row.duplicates == len(before)
    assert hashlib.sha256(Path(row.path).read_bytes()).hexdigest() == row.sha256
    assert len(bench.rows(JobRow)) == 1
    assert sweep.orphans(root, {row.path}, written_before=2**40) == []
    assert [path.name for path in (root / "partial").glob("*/*")] == []


def test_an_acknowledged_instance_survives_a_kill_at_any_time(
    sqlite_database: Database, tmp_path: Path
) -> None:
    url = sqlite_database.engine.url.render_as_string(hide_password=False)
    root = tmp_path / "spool"
    acknowledged: list[str] = []
    for number in range(10):
        said, tell = _FORK.Pipe(duplex=False)
        listener = _FORK.Process(target=_busy_listener, args=(url, root, tell))
        listener.start()
        tell.close()
        for _ in range(number % 4 + 1):
            acknowledged.append(said.recv())
        assert listener.pid is not None
        os.kill(listener.pid, signal.SIGKILL)
        listener.join(60)
        while said.poll():
            try:
                acknowledged.append(said.recv())
            except EOFError:
                break
    bench = IntakeBench(sqlite_database, FileSpool(root, 0))
    rows = {row.sop_instance_uid: row for row in bench.rows(InstanceRow)}
    assert len(acknowledged) >= 20
    for uid in acknowledged:
        row = rows[uid]
        assert hashlib.sha256(Path(row.path).read_bytes()).hexdigest() == row.sha256


def _busy_listener(url: str, root: Path, tell: Any) -> None:
    bench = IntakeBench(Database(url), FileSpool(root, 0))
    while True:
        image = radiograph(rows=32, columns=32)
        bench.send(image)
        tell.send(str(image.SOPInstanceUID))
