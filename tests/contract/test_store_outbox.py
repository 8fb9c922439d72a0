"""Result objects, deliveries and readings; alike on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from datetime import timedelta

import pytest

from cxr_node.domain.errors import LeaseLost
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.store import outbox, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.outbox import DueDelivery
from cxr_node.store.schema import DeliveryRow, ReadingRow, ResultObjectRow
from tests.instances import NOW, add_study, spooled
from tests.readings import sample_reading

SR = "1.2.840.10008.5.1.4.1.1.88.34"
OLDER_SR = "1.2.840.10008.5.1.4.1.1.88.33"


def _object(
    database: Database, number: int = 1, destinations: tuple[str, ...] = ("PACS",)
) -> tuple[int, int]:
    """A study with one object to deliver; keys of revision and object."""
    with database.begin() as session:
        _, revision = add_study(session, number)
        row = outbox.add_object(
            session,
            revision.id,
            kind="sr",
            sop_class_uid=SR,
            sop_instance_uid=f"2.25.{number}",
            series_uid=f"2.25.9{number}",
            predecessor_uid="",
            file=spooled(f"report {number}"),
            now=NOW,
        )
        for name in destinations:
            outbox.add_delivery(session, row.id, name, NOW)
            outbox.add_delivery(session, row.id, name, NOW)
        return revision.id, row.id


def _due(database: Database, after: float = 0, limit: int = 4) -> list[DueDelivery]:
    with database.begin() as session:
        now = NOW + timedelta(seconds=after)
        return outbox.claim_due(session, now=now, lease_seconds=30, limit=limit)


def test_sent_is_what_the_destination_said(database: Database) -> None:
    revision, object_pk = _object(database)
    (due,) = _due(database)
    assert (due.object_pk, due.destination, due.attempts) == (object_pk, "PACS", 1)
    assert due.path == spooled("report 1").path
    assert _due(database) == []
    with database.begin() as session:
        assert outbox.unsettled(session, revision) == 1
        outbox.settle_sent(session, due, 0, NOW)
        assert outbox.unsettled(session, revision) == 0
    with database.read() as session:
        row = session.query(DeliveryRow).one()
        assert (row.state, row.last_status, row.sent_at) == ("sent", 0, NOW)


def test_a_refusal_is_retried_at_its_time(database: Database) -> None:
    _object(database)
    (due,) = _due(database)
    with database.begin() as session:
        outbox.settle_retry(
            session, due, error="full", status=0xA700, next_at=NOW + timedelta(seconds=5)
        )
    assert _due(database, after=4.9) == []
    (again,) = _due(database, after=5)
    assert (again.attempts, again.token) == (2, due.token + 1)


def test_parked_is_settled_until_replayed(database: Database) -> None:
    revision, _ = _object(database)
    (due,) = _due(database)
    with database.begin() as session:
        outbox.settle_parked(session, due, error="refused", status=0xC000)
        assert outbox.unsettled(session, revision) == 0
        assert [row.state for row in outbox.deliveries_of(session, revision)] == ["parked"]
    assert _due(database, after=10_000) == []
    with database.begin() as session:
        outbox.replay_deliveries(session, revision, NOW)
    assert [due.attempts for due in _due(database)] == [1]


def _second(database: Database, revision: int, destinations: tuple[str, ...] = ()) -> int:
    """Another object of the same revision."""
    with database.begin() as session:
        row = outbox.add_object(
            session,
            revision,
            kind="sr-2d",
            sop_class_uid=OLDER_SR,
            sop_instance_uid="2.25.77",
            series_uid="2.25.78",
            predecessor_uid="",
            file=spooled("the same in the older class"),
            now=NOW,
        )
        for name in destinations:
            outbox.add_delivery(session, row.id, name, NOW)
        return row.id


def test_another_object_takes_the_place_of_one_that_is_not_taken(database: Database) -> None:
    revision, _ = _object(database)
    (due,) = _due(database)
    other = _second(database, revision)
    with database.begin() as session:
        assert outbox.has_object(session, "2.25.77")
        assert not outbox.has_object(session, "2.25.79")
        outbox.settle_replaced(session, due, other, NOW)
        assert outbox.unsettled(session, revision) == 1
    (moved,) = _due(database)
    assert (moved.object_pk, moved.destination, moved.attempts) == (other, "PACS", 2)
    with pytest.raises(LeaseLost), database.begin() as session:
        outbox.settle_replaced(session, due, other, NOW)


def test_a_destination_gets_the_other_object_once(database: Database) -> None:
    revision, object_pk = _object(database)
    (due,) = _due(database, limit=1)
    _second(database, revision, ("PACS",))
    with database.begin() as session:
        other = session.query(DeliveryRow).filter(DeliveryRow.object_pk != object_pk).one()
        outbox.settle_replaced(session, due, other.object_pk, NOW)
    with database.read() as session:
        assert [row.id for row in session.query(DeliveryRow)] == [other.id]


def test_a_sender_that_died_loses_its_delivery(database: Database) -> None:
    _object(database)
    (dead,) = _due(database)
    assert _due(database, after=29) == []
    (alive,) = _due(database, after=31)
    for late in (
        lambda s: outbox.settle_sent(s, dead, 0, NOW),
        lambda s: outbox.settle_retry(s, dead, error="", status=None, next_at=NOW),
        lambda s: outbox.settle_parked(s, dead, error="", status=None),
    ):
        with pytest.raises(LeaseLost), database.begin() as session:
            late(session)
    with database.begin() as session:
        outbox.settle_sent(session, alive, 0, NOW)


def test_the_most_urgent_study_is_delivered_first(database: Database) -> None:
    _object(database, 1)
    revision, object_pk = _object(database, 2)
    with database.begin() as session:
        study = studies.find_instance(session, "1.2.3.2.1.1")
        assert study is not None
        decision = PriorityDecision(Priority.STAT, "r", "w", "1")
        studies.raise_priority(session, study.study_pk, revision, decision, "read", NOW)
    assert [due.object_pk for due in _due(database, limit=1)] == [object_pk]


@pytest.mark.peers
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_of_two_senders_that_end_together_one_sees_the_end(database: Database) -> None:
    revision, _ = _object(database, destinations=("PACS", "ARCHIVE"))
    first, second = _due(database)

    def settle(due: DueDelivery) -> int:
        with database.begin() as session:
            outbox.settle_sent(session, due, 0, NOW)
            return outbox.unsettled(session, revision)

    with ThreadPoolExecutor(1) as pool:
        with database.begin() as session:
            outbox.settle_sent(session, first, 0, NOW)
            assert outbox.unsettled(session, revision) == 1
            other = pool.submit(settle, second)
            with pytest.raises(FutureTimeout):
                other.result(timeout=0.3)
        assert other.result(timeout=30) == 0


def test_changed_content_never_travels_under_an_old_uid(database: Database) -> None:
    revision, _ = _object(database)
    with database.begin() as session:
        again = outbox.add_object(
            session,
            revision,
            kind="sr",
            sop_class_uid=SR,
            sop_instance_uid="2.25.1",
            series_uid="2.25.91",
            predecessor_uid="",
            file=spooled("other bytes"),
            now=NOW,
        )
        assert again.sha256 == spooled("report 1").sha256
        assert session.query(ResultObjectRow).count() == 1


def test_the_predecessor_is_the_newest_earlier_object(database: Database) -> None:
    revision, object_pk = _object(database)
    with database.read() as session:
        study_pk = studies.find_instance(session, "1.2.3.1.1.1").study_pk  # type: ignore[union-attr]
        assert outbox.newest_object(session, study_pk, "sr", 1) is None
        found = outbox.newest_object(session, study_pk, "sr", 2)
        assert found is not None
        assert found.id == object_pk
        assert outbox.newest_object(session, study_pk, "ko", 2) is None
        assert [row.id for row in outbox.objects_of(session, revision)] == [object_pk]


def test_a_reading_comes_back_whole(database: Database) -> None:
    full = sample_reading()
    quick = replace(full, kind=ReadingKind.TRIAGE, abnormal=None)
    with database.begin() as session:
        _, revision = add_study(session)
        assert readings.latest_reading(session, revision.id) is None
        readings.save_reading(session, revision.id, quick, model_seconds=0.5, now=NOW)
        assert readings.latest_reading(session, revision.id) == quick
        readings.save_reading(session, revision.id, full, model_seconds=9.0, now=NOW)
    with database.read() as session:
        assert readings.latest_reading(session, revision.id) == full
        assert readings.load_reading(session, revision.id, ReadingKind.TRIAGE) == quick
        row = session.query(ReadingRow).filter_by(kind="read").one()
        assert row.present.split() == [finding.kind.value for finding in full.present]


def test_a_second_pass_takes_the_place_of_the_first(database: Database) -> None:
    with database.begin() as session:
        _, revision = add_study(session)
        for text in ("first", "second"):
            said = replace(sample_reading(), impression=text)
            readings.save_reading(session, revision.id, said, model_seconds=1.0, now=NOW)
        latest = readings.latest_reading(session, revision.id)
        assert latest is not None
        assert latest.impression == "second"
