"""Faults of the core at per-commit size: F3, F6, F7, F10, F17; ``make soak`` has all at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, AllStoragePresentationContexts, evt
from sqlalchemy import select

from cxr_node.config import DeliverySection, JobsSection
from cxr_node.dicom.destination import DimseDestination
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.domain.study import StudyState
from cxr_node.services import dispatch
from cxr_node.services.delivery import Delivery
from cxr_node.services.doorbell import MemoryDoorbell
from cxr_node.spool.files import FileSpool
from cxr_node.store import jobs
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import InstanceRow, JobRow, MilestoneRow
from cxr_node.web.metrics import exposition
from tests.builders import radiograph
from tests.intake_bench import IntakeBench
from tests.listening import Node, listening, send
from tests.publishing import Station, peer

_FORK = multiprocessing.get_context("fork")
NOBODY = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def bench(sqlite_database: Database, tmp_path: Path) -> IntakeBench:
    return IntakeBench(sqlite_database, FileSpool(tmp_path / "spool", 0))


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


# --- F3: dispatchers ------------------------------------------------------------------------


def _dies_while_closing(url: str, root: Path, seconds: float) -> None:
    real = jobs.add_job

    def add_then_die(*values: Any, **named: Any) -> None:
        real(*values, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    jobs.add_job = add_then_die  # type: ignore[assignment]
    bench = IntakeBench(Database(url), FileSpool(root, 0))
    bench.clock.advance(seconds)
    bench.close()


def reads(bench: IntakeBench) -> list[str]:
    return [row.state for row in bench.rows(JobRow) if row.kind == JobKind.READ.value]


def test_a_killed_dispatcher_leaves_no_study_behind_and_queues_none_twice(
    bench: IntakeBench,
) -> None:
    for _ in range(3):
        bench.send(radiograph(rows=32, columns=32))
    victim = _FORK.Process(
        target=_dies_while_closing, args=(url_of(bench.db), bench.spool.root, 11.0)
    )
    victim.start()
    victim.join(60)
    assert victim.exitcode == -signal.SIGKILL
    assert reads(bench) == []
    bench.clock.advance(11)
    assert bench.close() == 3
    assert reads(bench) == ["waiting"] * 3


def test_two_dispatchers_at_once_queue_each_study_once(database: Database, tmp_path: Path) -> None:
    bench = IntakeBench(database, FileSpool(tmp_path / "spool", 0))
    for _ in range(8):
        bench.send(radiograph(rows=32, columns=32))
    bench.clock.advance(11)
    start, closed = threading.Barrier(2), []

    def run() -> None:
        other = IntakeBench(Database(url_of(database)), bench.spool, clock=bench.clock)
        start.wait(30)
        closed.append(other.close())
        dispatch.sweep(other.db, bench.clock, JobsSection(), MemoryDoorbell())
        other.db.dispose()

    both = [threading.Thread(target=run) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert sum(closed) == 8
    assert reads(bench) == ["waiting"] * 8


# --- F6, F7: no database, no room -----------------------------------------------------------


@contextmanager
def listener(bench: IntakeBench, folder: Path) -> Iterator[Node]:
    """What the bench receives comes over the wire; its database and spool may be changed."""
    with listening(
        folder,
        on_instance=lambda received: bench.intake.receive(received),
        check_room=bench.spool.check_room,
    ) as node:
        yield node


def test_without_a_database_nothing_is_acknowledged_and_all_is_taken_later(
    bench: IntakeBench, tmp_path: Path
) -> None:
    image, real = radiograph(rows=32, columns=32), bench.db
    with listener(bench, tmp_path) as node:
        bench.db = Database(NOBODY)
        assert [send(node, image) for _ in range(3)] == [0xA700] * 3
        bench.db.dispose()
        bench.db = real
        assert bench.rows(InstanceRow) == []
        assert send(node, image) == 0x0000
        assert node.leftovers() == []
    assert len(bench.rows(InstanceRow)) == 1
    assert len(bench.files()) == 1


def test_above_the_watermark_every_image_is_refused_until_there_is_room(
    bench: IntakeBench, tmp_path: Path
) -> None:
    image = radiograph(rows=32, columns=32)
    with listener(bench, tmp_path) as node:
        bench.spool._reserve = 2**62
        assert [send(node, image) for _ in range(3)] == [0xA700] * 3
        assert (node.leftovers(), bench.files()) == ([], [])
        bench.spool._reserve = 0
        assert send(node, image) == 0x0000
    assert len(bench.files()) == 1


# --- F10: a result sent twice ---------------------------------------------------------------


def test_an_association_cut_before_the_answer_sends_the_same_uid_again(
    station: Station,
) -> None:
    stored: list[str] = []

    def store(event: evt.Event) -> int:
        stored.append(str(event.request.AffectedSOPInstanceUID))
        if len(stored) == 1:
            event.assoc.abort()
        return 0x0000

    entity = AE(ae_title="PACS")
    entity.supported_contexts = AllStoragePresentationContexts
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    assert server is not None
    pacs = peer("pacs", ae_title="PACS", port=server.server_address[1])
    revision = station.read_study()
    station.publish([pacs]).publish(station.claim())
    outbox = Delivery(
        db=station.db,
        clock=station.clock,
        destinations={"pacs": DimseDestination(DimseSender("CXRNODE", [pacs], 20.0))},
        spool=station.spool,
        limits=DeliverySection(),
    )
    try:
        outbox.work()
        station.clock.advance(10)
        outbox.work()
    finally:
        server.shutdown()
    assert len(stored) == 2
    assert len(set(stored)) == 1
    assert station.state(revision) is StudyState.DELIVERED


# --- F17: clocks that jump ------------------------------------------------------------------


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_loses_nothing_and_measures_nothing_negative(
    bench: IntakeBench, jump: float
) -> None:
    bench.send(radiograph(rows=32, columns=32))
    bench.clock.advance(jump)
    bench.send(radiograph(rows=32, columns=32))
    for _ in range(3):
        bench.clock.advance(60)
        bench.close()
    assert reads(bench) == ["waiting"] * 2
    with bench.db.read() as session:
        text = exposition(session).decode()
        moments = list(session.scalars(select(MilestoneRow.at)))
    sums = [float(line.split()[-1]) for line in text.splitlines() if "_sum" in line]
    assert sums and min(sums) >= 0.0
    assert all(at.tzinfo is not None for at in moments)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_dead_workers_lease_ends_although_the_clock_jumped(
    bench: IntakeBench, jump: float
) -> None:
    bench.send(radiograph(rows=32, columns=32))

    def claim() -> list[jobs.Claim]:
        with bench.db.begin() as session:
            now = bench.clock.now()
            return jobs.claim(session, (JobKind.TRIAGE,), owner="me", now=now, lease_seconds=10.0)

    (dead,) = claim()
    bench.clock.advance(jump)
    bench.clock.advance(11)
    (alive,) = claim()
    assert alive.token == dead.token + 1
