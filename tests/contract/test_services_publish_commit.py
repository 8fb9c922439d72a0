"""Publishing: everything of a report is written together, under the token, or nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from sqlalchemy import delete, select

from cxr_node.domain.errors import IllegalMove, LeaseLost
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState
from cxr_node.spool.files import sha256_of
from cxr_node.store import outbox, studies
from cxr_node.store.jobs import JobState
from cxr_node.store.schema import (
    JobRow,
    PriorityEventRow,
    ReadingRow,
    StudyRow,
)
from tests.publishing import STUDY, Station
from tests.readings import sample_reading


def test_a_reading_becomes_an_object_deliveries_and_a_reported_study(station: Station) -> None:
    revision = station.read_study()
    station.publish(("PACS", "ARCHIVE")).publish(station.claim())
    (made,) = station.objects()
    assert (made.kind, made.predecessor_uid) == ("sr", "")
    assert sha256_of(Path(made.path)) == made.sha256
    report = dcmread(made.path)
    assert report.SOPInstanceUID == made.sop_instance_uid
    assert report.SeriesInstanceUID == made.series_uid
    assert report.StudyInstanceUID == STUDY
    assert station.deliveries() == [
        (made.id, "PACS", "waiting"),
        (made.id, "ARCHIVE", "waiting"),
    ]
    assert station.state(revision) is StudyState.REPORTED
    assert station.bell.rung == ["deliver"]
    with station.db.begin() as session:
        assert Milestone.REPORTED in studies.milestones(session, revision)
        assert session.scalars(select(JobRow.state)).one() == JobState.DONE


def test_without_destinations_the_study_is_delivered_at_once(station: Station) -> None:
    revision = station.read_study()
    station.publish(()).publish(station.claim())
    assert station.state(revision) is StudyState.DELIVERED
    assert station.deliveries() == []
    assert station.bell.rung == []
    with station.db.begin() as session:
        assert Milestone.DELIVERED in studies.milestones(session, revision)


def test_a_lost_lease_writes_nothing(station: Station) -> None:
    revision = station.read_study()
    stale = station.claim(lease_seconds=1)
    station.clock.advance(5)
    current = station.claim()
    with pytest.raises(LeaseLost):
        station.publish().publish(stale)
    assert station.objects() == []
    assert station.deliveries() == []
    assert station.state(revision) is StudyState.REASONING
    assert station.bell.rung == []
    station.publish().publish(current)
    assert len(station.objects()) == 1


def test_a_second_attempt_builds_the_very_same_object(station: Station) -> None:
    station.read_study()
    stale = station.claim(lease_seconds=1)
    station.clock.advance(3_600)
    publisher = station.publish()
    with pytest.raises(LeaseLost):
        current = station.claim()
        publisher.publish(stale)
    before = {path.name for path in station.spool.root.rglob("*.dcm")}
    publisher.publish(current)
    assert {path.name for path in station.spool.root.rglob("*.dcm")} == before


def test_a_later_revision_names_its_predecessor_and_supersedes_it(station: Station) -> None:
    first = station.read_study()
    station.publish().publish(station.claim())
    second = station.read_study(sample_reading(impression="Changed."))
    station.publish().publish(station.claim())
    old, new = station.objects()
    assert new.predecessor_uid == old.sop_instance_uid
    (study,) = dcmread(new.path).PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == old.sop_instance_uid
    assert station.state(first) is StudyState.SUPERSEDED
    assert station.state(second) is StudyState.REPORTED


def test_an_earlier_revision_that_comes_late_is_kept_but_not_sent(station: Station) -> None:
    first = station.read_study()
    late = station.claim(lease_seconds=600)
    second = station.read_study(sample_reading(impression="Changed."))
    station.publish().publish(station.claim())
    station.publish().publish(late)
    assert station.state(first) is StudyState.SUPERSEDED
    assert station.state(second) is StudyState.REPORTED
    newer, older = station.objects()
    assert {object_pk for object_pk, _, _ in station.deliveries()} == {newer.id}
    assert older.revision_pk == first


def test_the_priority_is_not_decided_twice(station: Station) -> None:
    station.read_study()
    station.publish().publish(station.claim())
    with station.db.begin() as session:
        assert len(list(session.scalars(select(PriorityEventRow)))) == 1


def test_rules_that_ask_for_more_since_the_reading_raise_the_study(station: Station) -> None:
    station.read_study(raised=False)
    station.publish().publish(station.claim())
    with station.db.begin() as session:
        assert session.scalars(select(StudyRow.priority)).one() == Priority.STAT
        (event,) = session.scalars(select(PriorityEventRow))
        assert (event.source, event.rule) == ("publish", "pneumothorax")


def test_a_study_without_a_full_reading_is_not_reported(station: Station) -> None:
    revision = station.read_study()
    with station.db.begin() as session:
        session.execute(delete(ReadingRow))
    with pytest.raises(IllegalMove):
        station.publish().publish(station.claim())
    assert station.state(revision) is StudyState.REASONING


def test_the_worker_is_told_of_progress(station: Station) -> None:
    station.read_study()
    steps: list[int] = []
    station.publish().run(station.claim(), lambda: steps.append(1))
    assert steps


def test_the_object_is_found_as_the_newest_of_its_kind(station: Station) -> None:
    station.read_study()
    station.publish().publish(station.claim())
    with station.db.begin() as session:
        study = session.scalars(select(StudyRow)).one()
        found = outbox.newest_object(session, study.id, "sr", before_revision=2)
        assert found is not None
        assert outbox.newest_object(session, study.id, "sr", before_revision=1) is None
