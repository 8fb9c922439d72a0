"""Storage commitment in both roles, with a peer of the library's own over real associations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from cxr_node.config import DeliverySection
from cxr_node.dicom.commitment_scp import CommitmentService
from cxr_node.dicom.commitment_scu import CommitmentCaller
from cxr_node.dicom.destination import DimseDestination
from cxr_node.domain.ports import FakeClock
from cxr_node.domain.study import StudyState
from cxr_node.services.commitment import Commitment
from cxr_node.services.confirmation import Confirmation
from cxr_node.services.delivery import Delivery
from cxr_node.spool.files import FileSpool
from cxr_node.store.database import Database
from cxr_node.store.schema import CommitmentRequestRow, DeliveryRow, InstanceRow
from tests.builders import radiograph
from tests.commitment_peer import CommitmentPeer, commitment_peer
from tests.intake_bench import IntakeBench
from tests.listening import listening, until
from tests.publishing import Station, peer

DX = "1.2.840.10008.5.1.4.1.1.1.1"


@dataclass
class Sides:
    """Both sides of one node, whose listener runs, and the peer it knows as ``pacs``."""

    db: Database
    clock: FakeClock
    spool: FileSpool
    peer: CommitmentPeer

    def __post_init__(self) -> None:
        section = peer("pacs", ae_title="PACS", port=self.peer.port)
        self.caller = CommitmentCaller("CXRNODE", [section], timeout_seconds=20.0)
        self.limits = DeliverySection(max_hours=5)
        self.confirmation = Confirmation(
            db=self.db, clock=self.clock, asker=self.caller, asked=["pacs"], limits=self.limits
        )
        self.outbox = Delivery(
            db=self.db,
            clock=self.clock,
            destinations={"pacs": DimseDestination(self.caller)},
            spool=self.spool,
            limits=self.limits,
            confirmation=self.confirmation,
        )

    def commitment(self) -> Commitment:
        """As after a start: what it knows is in the database."""
        return Commitment(
            db=self.db,
            clock=self.clock,
            teller=self.caller,
            reachable=["pacs"],
            limits=self.limits,
        )

    def deliveries(self) -> list[str]:
        with self.db.read() as session:
            return list(session.scalars(select(DeliveryRow.state).order_by(DeliveryRow.id)))


@contextmanager
def both(
    db: Database, clock: FakeClock, spool: FileSpool, folder: Path, answers: str = "own"
) -> Iterator[Sides]:
    with commitment_peer(CommitmentPeer(answers)) as other:
        sides = Sides(db, clock, spool, other)
        service = CommitmentService(sides.commitment().request, sides.confirmation.answered)
        pacs = peer("pacs", ae_title="PACS", port=other.port)
        with listening(folder, peers=[pacs], commitment=service) as node:
            other.node_port = node.port
            yield sides


@pytest.fixture
def asking(station: Station, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sides]:
    answers = getattr(request, "param", "own")
    with both(station.db, station.clock, station.spool, tmp_path, answers) as sides:
        yield sides


def published(station: Station) -> int:
    revision = station.read_study()
    station.publish(["pacs"]).publish(station.claim())
    return revision


@pytest.mark.parametrize("asking", ["own", "same"], indirect=True)
def test_a_delivery_is_confirmed_when_the_peer_commits(station: Station, asking: Sides) -> None:
    revision = published(station)
    asking.outbox.work()
    assert until(lambda: asking.deliveries() == ["confirmed"])
    assert station.state(revision) is StudyState.DELIVERED
    (asked,) = asking.peer.requests
    (item,) = asked.ReferencedSOPSequence
    assert [item.ReferencedSOPInstanceUID] == asking.peer.stored
    assert until(lambda: asking.peer.statuses == [0x0000])


@pytest.mark.parametrize("asking", ["never"], indirect=True)
def test_without_an_answer_it_is_asked_again_under_a_new_transaction(
    station: Station, asking: Sides
) -> None:
    revision = published(station)
    asking.outbox.work()
    assert asking.deliveries() == ["unconfirmed"]
    assert station.state(revision) is StudyState.REPORTED
    asking.outbox.work()
    assert len(asking.peer.requests) == 1
    station.clock.advance(asking.limits.commitment_seconds + 1)
    asking.peer.answers = "own"
    asking.outbox.work()
    assert until(lambda: asking.deliveries() == ["confirmed"])
    assert len({asked.TransactionUID for asked in asking.peer.requests}) == 2
    assert len(asking.peer.stored) == 1


def test_what_the_peer_cannot_commit_to_is_sent_again(station: Station, asking: Sides) -> None:
    published(station)
    asking.peer.refuses = True
    asking.outbox.work()
    assert until(lambda: asking.deliveries() == ["waiting"])
    asking.peer.refuses = False
    station.clock.advance(60)
    asking.outbox.work()
    assert until(lambda: asking.deliveries() == ["confirmed"])
    assert len(asking.peer.stored) == 2
    assert len(set(asking.peer.stored)) == 1


@pytest.mark.parametrize("asking", ["never"], indirect=True)
def test_what_is_never_confirmed_becomes_a_dead_letter(station: Station, asking: Sides) -> None:
    revision = published(station)
    asking.outbox.work()
    station.clock.advance(timedelta(hours=5).total_seconds() - 60)
    assert asking.confirmation.give_up() == 0
    station.clock.advance(120)
    assert asking.confirmation.give_up() == 1
    assert asking.deliveries() == ["parked"]
    assert station.state(revision) is StudyState.PARKED


def test_a_peer_that_refuses_the_question_is_asked_later(station: Station, asking: Sides) -> None:
    published(station)
    asking.peer.action_status = 0x0213
    asking.outbox.work()
    assert asking.deliveries() == ["unconfirmed"]
    asking.peer.action_status = 0x0000
    station.clock.advance(asking.limits.commitment_seconds)
    asking.outbox.work()
    assert until(lambda: asking.deliveries() == ["confirmed"])


def test_a_report_about_nothing_of_ours_is_taken_and_changes_nothing(
    station: Station, asking: Sides
) -> None:
    """B49."""
    published(station)
    asking.peer.answers = "never"
    asking.outbox.work()
    asking.peer.requests[-1].TransactionUID = "2.25.4711"
    asking.peer.answers = "own"
    asking.peer.report(asking.peer.associate())
    assert asking.peer.statuses == [0x0000]
    assert asking.deliveries() == ["unconfirmed"]


@pytest.fixture
def answering(sqlite_database: Database, tmp_path: Path) -> Iterator[tuple[Sides, IntakeBench]]:
    spool = FileSpool(tmp_path / "spool", 0)
    bench = IntakeBench(sqlite_database, spool)
    with both(sqlite_database, bench.clock, spool, tmp_path) as sides:
        yield sides, bench


def test_a_peer_hears_what_is_safe_here_and_what_is_not(
    answering: tuple[Sides, IntakeBench],
) -> None:
    sides, bench = answering
    images = [radiograph(rows=32, columns=32) for _ in range(5)]
    for image in images:
        bench.send(image)
    bench.send(radiograph(instance_uid=images[4].SOPInstanceUID, rows=33, columns=32))
    rows = {row.sop_instance_uid: row for row in bench.rows(InstanceRow)}
    Path(rows[images[1].SOPInstanceUID].path).write_bytes(b"changed on disk")
    Path(rows[images[2].SOPInstanceUID].path).unlink()
    named = [(DX, str(image.SOPInstanceUID)) for image in images]
    named[3] = ("1.2.840.10008.5.1.4.1.1.1", named[3][1])
    assert sides.peer.ask("2.25.1", *named, (DX, "1.2.3.4.5")) == 0x0000
    assert sides.commitment().work() == 1
    ((kind, report),) = sides.peer.reports
    assert (kind, report.TransactionUID) == (2, "2.25.1")
    assert [i.ReferencedSOPInstanceUID for i in report.ReferencedSOPSequence] == [named[0][1]]
    failed = {i.ReferencedSOPInstanceUID: i.FailureReason for i in report.FailedSOPSequence}
    assert failed == {
        named[1][1]: 0x0110,
        named[2][1]: 0x0112,
        named[3][1]: 0x0119,
        named[4][1]: 0x0110,
        "1.2.3.4.5": 0x0112,
    }


def test_an_answer_that_was_not_heard_is_given_again_after_a_restart(
    answering: tuple[Sides, IntakeBench],
) -> None:
    sides, bench = answering
    image = radiograph(rows=32, columns=32)
    bench.send(image)
    reference = (DX, str(image.SOPInstanceUID))
    assert sides.peer.ask("2.25.2", reference) == 0x0000
    assert sides.peer.ask("2.25.2", reference) == 0x0000
    sides.peer.node_port, port = 0, sides.peer.port
    sides.caller._destinations = {"pacs": peer("pacs", ae_title="NOBODY", port=1)}
    assert sides.commitment().work() == 1
    assert sides.peer.reports == []
    assert sides.commitment().work() == 0
    sides.caller._destinations = {"pacs": peer("pacs", ae_title="PACS", port=port)}
    bench.clock.advance(60)
    assert sides.commitment().work() == 1
    ((kind, report),) = sides.peer.reports
    assert (kind, "FailedSOPSequence" in report) == (1, False)
    assert [row.state for row in bench.rows(CommitmentRequestRow)] == ["answered"]


@pytest.mark.parametrize(
    ("transaction", "references", "status"),
    [
        ("no uid", [(DX, "1.2.3")], 0x0115),
        ("2.25.3", [], 0x0115),
        ("2.25.3", [(DX, "../../x")], 0x0115),
    ],
)
def test_a_request_that_names_nothing_is_refused(
    answering: tuple[Sides, IntakeBench],
    transaction: str,
    references: list[tuple[str, str]],
    status: int,
) -> None:
    sides, bench = answering
    assert sides.peer.ask(transaction, *references) == status
    assert bench.rows(CommitmentRequestRow) == []
