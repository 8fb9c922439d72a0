"""Publishing: everything of a report is written together, under the token, or nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import delete, select

from cxr_node.config import PeerSection
from cxr_node.domain.errors import IllegalMove, LeaseLost
from cxr_node.domain.findings import Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import StudyFacts
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.ports import FakeClock
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState
from cxr_node.services.prioritise import decide
from cxr_node.services.publish import Publish
from cxr_node.spool.files import FileSpool, sha256_of
from cxr_node.store import jobs, outbox, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind, JobState
from cxr_node.store.schema import (
    DeliveryRow,
    JobRow,
    PriorityEventRow,
    ReadingRow,
    ResultObjectRow,
    RevisionRow,
    StudyRow,
)
from tests.instances import facts
from tests.readings import IMAGE, SERIES, sample_reading
from tests.reports import source_file, templates

STUDY = "1.2.3.4.5"


def peer(name: str, **changes: Any) -> PeerSection:
    """A destination that is never called here."""
    where = {"host": "127.0.0.1", "port": 1, "receives_results": True}
    return PeerSection(name=name, ae_title=name, **{**where, **changes})


@dataclass
class Bell:
    rung: list[str] = field(default_factory=list)

    def ring(self, queue: str) -> None:
        self.rung.append(queue)


@dataclass
class Station:
    """A node's publishing side with one study in it."""

    db: Database
    spool: FileSpool
    clock: FakeClock
    bell: Bell
    folder: Path

    def publish(self, destinations: Sequence[str] = ("PACS",)) -> Publish:
        return Publish(
            db=self.db,
            spool=self.spool,
            clock=self.clock,
            templates=templates(),
            sr_class="comprehensive-3d",
            station_name="CXR-NODE",
            site_key="test site",
            destinations=[peer(name) for name in destinations],
            ring=self.bell,
        )

    def read_study(self, reading: Reading | None = None, *, raised: bool = True) -> int:
        """A revision whose reading is done and whose publish job waits."""
        said, now = reading or sample_reading(), self.clock.now()
        path = source_file(self.folder)
        image = self.spool.write(IMAGE, path.read_bytes())
        uid = Uid(f"{IMAGE}.{len(self.objects())}") if self.has(IMAGE) else IMAGE
        described = replace(
            facts(), sop_instance_uid=uid, series_uid=SERIES, study=StudyFacts(Uid(STUDY))
        )
        with self.db.begin() as session:
            study = studies.upsert_study(session, described, "MODALITY", now)
            revision = studies.open_revision(session, study, now)
            studies.add_instance(
                session, study, revision.number, described, image, "MODALITY", "", now
            )
            for state in (StudyState.ASSEMBLED, StudyState.QUEUED, StudyState.REASONING):
                studies.move(session, revision.id, state, now)
            readings.save_reading(session, revision.id, said, model_seconds=1.0, now=now)
            studies.mark(session, revision.id, Milestone.READ_DONE, now)
            if raised:
                decision = decide(said, templates())
                studies.raise_priority(session, study.id, revision.id, decision, "read", now)
            jobs.add_job(session, revision.id, JobKind.PUBLISH, 1, now)
            return revision.id

    def has(self, instance: Uid) -> bool:
        with self.db.begin() as session:
            return studies.find_instance(session, instance.text) is not None

    def claim(self, lease_seconds: float = 10.0) -> Claim:
        with self.db.begin() as session:
            (found,) = jobs.claim(
                session,
                (JobKind.PUBLISH,),
                owner="test",
                now=self.clock.now(),
                lease_seconds=lease_seconds,
            )
        return found

    def state(self, revision_pk: int) -> StudyState:
        with self.db.begin() as session:
            return StudyState(session.get_one(RevisionRow, revision_pk).state)

    def objects(self) -> list[ResultObjectRow]:
        with self.db.begin() as session:
            return list(session.scalars(select(ResultObjectRow).order_by(ResultObjectRow.id)))

    def deliveries(self) -> list[tuple[int, str, str]]:
        with self.db.begin() as session:
            rows = session.scalars(select(DeliveryRow).order_by(DeliveryRow.id))
            return [(row.object_pk, row.destination, row.state) for row in rows]


@pytest.fixture
def station(sqlite_database: Database, tmp_path: Path) -> Station:
    spool = FileSpool(tmp_path / "spool", reserve_bytes=0)
    folder = tmp_path / "sources"
    folder.mkdir()
    return Station(sqlite_database, spool, FakeClock(), Bell(), folder)


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
    late = station.claim(lease_seconds=3_600)
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
