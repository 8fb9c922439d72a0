"""Work items over DIMSE: Push, Watch, Pull, Query and Event, with pynetdicom as the other side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from cxr_node.config import PeerSection
from cxr_node.dicom import ups_dataset
from cxr_node.dicom.ups_scp import UpsService
from cxr_node.dicom.ups_scu import EventSender
from cxr_node.domain.ports import FakeClock
from cxr_node.services.workitem_delivery import LONGEST_HOURS, WorkitemDelivery
from cxr_node.services.workitems import Workitems
from cxr_node.store.database import Database
from cxr_node.store.schema_ups import UpsEventRow
from tests.listening import listening
from tests.peers import free_port
from tests.work_items import Follower, Steps, following, performed, steps, workitem


class Desk:
    """A listener with work items, and the delivery of their events."""

    def __init__(self, db: Database, follower_port: int) -> None:
        self.db = db
        self.clock = FakeClock()
        follower = PeerSection(
            name="follower", ae_title="FOLLOWER", host="127.0.0.1", port=follower_port
        )
        sender = EventSender("CXRNODE", [follower], 3.0, lambda peer, seconds: {})
        self.workitems = Workitems(
            db, self.clock, "CXRNODE", sender.reaches, lambda session, row, now: None
        )
        self.delivery = WorkitemDelivery(db, self.clock, sender.send)

    def waiting(self) -> int:
        with self.db.read() as session:
            return session.query(UpsEventRow).count()


@pytest.fixture
def follower() -> Iterator[Follower]:
    with following() as found:
        yield found


@pytest.fixture
def desk(sqlite_database: Database, follower: Follower) -> Desk:
    return Desk(sqlite_database, follower.port)


@pytest.fixture
def scu(desk: Desk, tmp_path: Path) -> Iterator[Steps]:
    with (
        listening(tmp_path, workitems=UpsService(desk.workitems)) as node,
        steps(node.port) as found,
    ):
        yield found


def test_a_work_item_is_created_claimed_updated_and_completed(scu: Steps) -> None:
    status, uid = scu.create(workitem())
    assert status == 0
    assert scu.get(uid).ProcedureStepState == "SCHEDULED"
    assert scu.state(uid, "COMPLETED", "1.2.3") == 0xC310
    assert scu.state(uid, "IN PROGRESS") == 0xC301
    assert scu.state(uid, "IN PROGRESS", "1.2.3") == 0
    assert scu.state(uid, "IN PROGRESS", "1.2.3") == 0xC302
    assert scu.state(uid, "COMPLETED", "1.2.4") == 0xC301
    assert scu.set(uid, performed(), "1.2.4") == 0xC301
    assert scu.state(uid, "COMPLETED", "1.2.3") == 0xC304
    assert scu.set(uid, performed(), "1.2.3") == 0
    assert scu.state(uid, "COMPLETED", "1.2.3") == 0
    assert scu.state(uid, "COMPLETED", "1.2.3") == 0xB306
    assert scu.set(uid, performed(), "1.2.3") == 0xC300
    assert scu.cancel(uid) == 0xC311
    found = scu.get(uid)
    assert found.ProcedureStepState == "COMPLETED"
    assert "TransactionUID" not in found


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ProcedureStepState": "IN PROGRESS"}, 0xC309),
        ({"ScheduledProcedureStepPriority": "STAT"}, 0x0106),
        ({"InputReadinessState": "MAYBE"}, 0x0106),
        ({"TransactionUID": "1.2.3"}, 0x0106),
        ({"ProcedureStepLabel": ""}, 0x0121),
    ],
)
def test_what_cannot_be_created_is_refused(
    scu: Steps, changes: dict[str, str], status: int
) -> None:
    assert scu.create(workitem(**changes))[0] == status


def test_a_missing_attribute_and_a_known_uid_are_refused(scu: Steps) -> None:
    bare = workitem()
    del bare.ScheduledProcedureStepPriority
    assert scu.create(bare)[0] == 0x0120
    _, uid = scu.create(workitem())
    assert scu.create(workitem(), uid)[0] == 0x0111


def test_unknown_items_and_actions_are_refused(scu: Steps) -> None:
    assert scu.state("1.2.3.4", "IN PROGRESS", "1.2.3") == 0xC307
    assert scu.cancel("1.2.3.4") == 0xC307
    assert scu.watch(3, "1.2.3.4") == 0xC307
    _, uid = scu.create(workitem())
    assert scu.watch(3, uid, "STRANGER") == 0xC308
    assert scu.watch(5, uid) == 0xC314
    assert scu.state(uid, "PAUSED", "1.2.3") == 0x0115
    assert scu.act(9, uid, ReceivingAE="FOLLOWER") == 0x0123
    assert scu.set(uid, Dataset_with(ProcedureStepState="COMPLETED")) == 0x0105


def Dataset_with(**values: str) -> Dataset:  # noqa: N802 - reads as what it makes
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def test_a_query_finds_what_fits_the_urgent_first(scu: Steps) -> None:
    _, low = scu.create(workitem("1.2.1", ScheduledProcedureStepPriority="LOW"))
    _, high = scu.create(workitem("1.2.2", ScheduledProcedureStepPriority="HIGH"))
    _, other = scu.create(workitem("1.2.3", PatientID="P2", PatientName="ROE^RICHARD"))
    found = scu.find(ProcedureStepState="SCHEDULED", ScheduledProcedureStepPriority="")
    assert [ds.SOPInstanceUID for ds in found] == [high, other, low]
    assert [ds.SOPInstanceUID for ds in scu.find(PatientName="DOE*")] == [high, low]
    assert [ds.SOPInstanceUID for ds in scu.find(PatientID="P2")] == [other]
    study = Dataset_with(StudyInstanceUID="1.2.1")
    assert [ds.SOPInstanceUID for ds in scu.find(InputInformationSequence=[study])] == [low]
    assert scu.find(ProcedureStepState="COMPLETED") == []
    assert scu.find(ScheduledProcedureStepStartDateTime="20260103-") == []


def test_followers_are_told_in_order(scu: Steps, desk: Desk, follower: Follower) -> None:
    assert scu.watch(3, ups_dataset.GLOBAL) == 0
    _, uid = scu.create(workitem())
    scu.state(uid, "IN PROGRESS", "1.2.3")
    assert scu.cancel(uid) == 0
    scu.state(uid, "CANCELED", "1.2.3")
    assert desk.delivery.work() == 4
    assert follower.states(uid) == ["SCHEDULED", "IN PROGRESS", "CANCELED"]
    asked = [ds for _, kind, ds in follower.told if kind == 2]
    assert [(ds.RequestingAE, ds.ReasonForCancellation) for ds in asked] == [
        ("SENDER", "not needed")
    ]
    assert desk.waiting() == 0


def test_one_item_can_be_followed_and_left_again(
    scu: Steps, desk: Desk, follower: Follower
) -> None:
    _, first = scu.create(workitem())
    _, second = scu.create(workitem())
    assert scu.watch(3, first) == 0
    scu.state(first, "IN PROGRESS", "1.2.3")
    scu.state(second, "IN PROGRESS", "1.2.3")
    assert scu.watch(4, first) == 0
    scu.state(first, "CANCELED", "1.2.3")
    desk.delivery.work()
    assert [uid for uid, _, _ in follower.told] == [first, first]
    assert follower.states(first) == ["SCHEDULED", "IN PROGRESS"]


def test_a_suspended_subscription_brings_no_new_items(
    scu: Steps, desk: Desk, follower: Follower
) -> None:
    scu.watch(3, ups_dataset.GLOBAL)
    _, before = scu.create(workitem())
    desk.clock.advance(1)
    assert scu.watch(5, ups_dataset.GLOBAL) == 0
    desk.clock.advance(1)
    _, after = scu.create(workitem())
    scu.state(before, "IN PROGRESS", "1.2.3")
    scu.state(after, "IN PROGRESS", "1.2.3")
    desk.delivery.work()
    assert {uid for uid, _, _ in follower.told} == {before}
    assert scu.watch(4, ups_dataset.GLOBAL) == 0
    scu.state(before, "CANCELED", "1.2.3")
    assert desk.delivery.work() == 0


def test_a_filter_chooses_and_one_item_can_be_left_out_of_all(
    scu: Steps, desk: Desk, follower: Follower
) -> None:
    assert scu.watch(3, ups_dataset.FILTERED, ScheduledProcedureStepPriority="HIGH") == 0
    scu.create(workitem())
    _, high = scu.create(workitem(ScheduledProcedureStepPriority="HIGH"))
    desk.delivery.work()
    assert [uid for uid, _, _ in follower.told] == [high]
    assert scu.watch(4, high) == 0
    scu.state(high, "IN PROGRESS", "1.2.3")
    assert desk.delivery.work() == 0


def test_nobody_can_be_asked_to_cancel_when_nobody_follows(scu: Steps) -> None:
    _, uid = scu.create(workitem())
    scu.state(uid, "IN PROGRESS", "1.2.3")
    assert scu.cancel(uid) == 0xC312
    _, waiting = scu.create(workitem())
    assert scu.cancel(waiting) == 0
    assert scu.cancel(waiting) == 0xB304
    [progress] = scu.get(waiting).ProcedureStepProgressInformationSequence
    assert progress.ReasonForCancellation == "not needed"


def test_events_wait_for_a_follower_that_is_away_and_not_for_ever(
    sqlite_database: Database, tmp_path: Path
) -> None:
    port = free_port()
    desk = Desk(sqlite_database, port)
    with listening(tmp_path, workitems=UpsService(desk.workitems)) as node, steps(node.port) as scu:
        scu.watch(3, ups_dataset.GLOBAL)
        _, uid = scu.create(workitem())
        assert desk.delivery.work() == 0
        assert desk.delivery.work() == 0
        with following(port) as follower:
            again = Desk(sqlite_database, port)  # as after a restart
            again.clock.advance(60)
            assert again.delivery.work() == 1
            assert follower.states(uid) == ["SCHEDULED"]
        scu.state(uid, "IN PROGRESS", "1.2.3")
        desk.clock.advance(LONGEST_HOURS * 3600 + 61)
        assert desk.delivery.tidy() == 1
        assert desk.waiting() == 0
