"""The pages over the real store, alike on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from cxr_node.domain.errors import NotReadable
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.domain.study import StudyState, VisibleState
from cxr_node.store import instances, outbox, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.schema import RevisionRow
from cxr_node.web.app import create_app
from cxr_node.web.source import Address, Component
from cxr_node.web.store_pages import StorePages
from tests.instances import DX, NOW, add_study, facts, spooled
from tests.readings import sample_reading

STUDY, IMAGE = Uid("1.2.3.1"), Uid("1.2.3.1.1.1")
ADDRESS = Address("CXRNODE", "127.0.0.1", 11112)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Renderer:
    """Counts what it is asked to draw; ``refuse`` makes it decline."""

    def __init__(self, *, refuse: bool = False) -> None:
        self.drawn: list[tuple[Path, Uid]] = []
        self.refuse = refuse

    def __call__(self, path: Path, instance: Uid) -> bytes:
        self.drawn.append((path, instance))
        if self.refuse:
            raise NotReadable("decode")
        return b"\x89PNG of " + instance.text.encode()


def pages(database: Database, render: Renderer | None = None) -> StorePages:
    return StorePages(
        database,
        render=render or Renderer(),
        health=lambda: {"database": Component(True, "answers")},
        address=ADDRESS,
    )


def flagged_study(session: Session) -> None:
    """Study 1: read, flagged 2.5 s and reported 12.25 s after its last image, once refused."""
    study, revision = add_study(session)
    studies.mark(session, revision.id, Milestone.FIRST_IMAGE, at(0))
    studies.mark(session, revision.id, Milestone.LAST_IMAGE, at(1))
    raise_to(session, study.id, revision, Priority.STAT, at(3.5))
    readings.save_reading(session, revision.id, sample_reading(), model_seconds=1.0, now=at(10))
    report(session, revision, "2.25.77", at(13.25))
    studies.mark(session, revision.id, Milestone.REPORTED, at(13.25))
    revision.state = StudyState.REPORTED.value


def raise_to(
    session: Session, study_pk: int, revision: RevisionRow, priority: Priority, now: datetime
) -> None:
    decision = PriorityDecision(priority, "pneumothorax", "pneumothorax at 0.87", "1")
    studies.raise_priority(session, study_pk, revision.id, decision, "triage", now)


def report(session: Session, revision: RevisionRow, uid: str, now: datetime) -> None:
    built = outbox.add_object(
        session,
        revision.id,
        kind="sr",
        sop_class_uid=DX,
        sop_instance_uid=uid,
        series_uid="2.25.7",
        predecessor_uid="",
        file=spooled(uid),
        now=now,
    )
    outbox.add_delivery(session, built.id, "pacs", now)
    (due,) = outbox.claim_due(session, now=now, lease_seconds=5)
    outbox.settle_parked(session, due, error="cannot understand", status=0xC000)


def test_a_study_is_shown_whole(database: Database) -> None:
    with database.begin() as session:
        flagged_study(session)
    page = pages(database).study(STUDY)
    assert page is not None
    assert page.entry.visible is VisibleState.FLAGGED
    assert page.reading == sample_reading()
    assert page.reading_revision == 1
    assert page.milestones[Milestone.REPORTED] == at(13.25)
    assert [image.sop_instance_uid for image in page.images] == [IMAGE]
    assert page.objects[0].deliveries[0].last_status == 0xC000
    assert page.priority_steps[0].after is Priority.STAT
    assert [line.number for line in page.revisions] == [1]


def test_a_late_image_keeps_the_earlier_reading_in_sight(database: Database) -> None:
    with database.begin() as session:
        flagged_study(session)
        study = studies.upsert_study(session, facts(1, 2), "MODALITY", at(60))
        studies.open_revision(session, study, at(60))
    page = pages(database).study(STUDY)
    assert page is not None
    assert (page.entry.revision, page.reading_revision) == (2, 1)
    assert [line.number for line in page.revisions] == [2, 1]


def test_an_unknown_study_has_no_page(database: Database) -> None:
    source = pages(database)
    assert source.study(STUDY) is None
    assert source.picture(STUDY, IMAGE) is None
    assert source.worklist() == []


def test_a_picture_is_drawn_once_and_only_for_its_study(database: Database) -> None:
    with database.begin() as session:
        add_study(session, 1)
        add_study(session, 2)
    render = Renderer()
    source = pages(database, render)
    first = source.picture(STUDY, IMAGE)
    assert first == source.picture(STUDY, IMAGE) == b"\x89PNG of 1.2.3.1.1.1"
    assert render.drawn == [(spooled("image of 1").path, IMAGE)]
    assert source.picture(Uid("1.2.3.2"), IMAGE) is None


def test_a_picture_that_cannot_be_drawn_is_none(database: Database) -> None:
    with database.begin() as session:
        add_study(session)
    assert pages(database, Renderer(refuse=True)).picture(STUDY, IMAGE) is None


def test_pages_and_documents_come_out_of_the_store(database: Database) -> None:
    with database.begin() as session:
        flagged_study(session)
        add_study(session, 2, reason="modality")
    node = TestClient(create_app(pages(database)))
    assert "pneumothorax at 0.87" in node.get("/").text
    assert "cannot understand" in node.get(f"/studies/{STUDY}").text
    assert node.get("/studies/1.2.3.2").status_code == 200
    assert len(node.get("/api/v1/worklist").json()["studies"]) == 2
    assert node.get(f"/api/v1/studies/{STUDY}").json()["reading"]["impression"]


def samples(text: bytes) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_are_computed_from_the_database(database: Database) -> None:
    with database.begin() as session:
        flagged_study(session)
        for reason in ("unreadable", "unreadable", "conflicting-instance"):
            instances.add_quarantine(
                session, reason=reason, sha256="0", path="/q", sender="M", now=NOW
            )
        found = instances.find_instance(session, IMAGE.text)
        assert found is not None
        found.duplicates, found.conflicts = 3, 1
    seen = samples(pages(database).metrics())
    assert seen['cxr_node_studies{state="flagged"}'] == 1
    assert seen['cxr_node_studies{state="failed"}'] == 0
    assert seen['cxr_node_deliveries{state="parked"}'] == 1
    assert seen['cxr_node_queue_depth{kind="read"}'] == 0
    assert seen["cxr_node_instances_received_total"] == 1
    assert seen["cxr_node_instances_duplicate_total"] == 3
    assert seen['cxr_node_instances_refused_total{reason="unreadable"}'] == 2
    assert 'cxr_node_instances_refused_total{reason="conflicting-instance"}' not in seen
    report, flag = "cxr_node_last_image_to_report_seconds", "cxr_node_last_image_to_flag_seconds"
    assert seen[f"{report}_sum"] == pytest.approx(12.25, abs=0.01)
    assert seen[f'{report}_bucket{{le="10.0"}}'] == 0
    assert seen[f'{report}_bucket{{le="20.0"}}'] == 1
    assert seen[f"{flag}_sum"] == pytest.approx(2.5, abs=0.01)
    assert seen[f"{flag}_count"] == 1


def test_metrics_of_an_empty_node(database: Database) -> None:
    seen = samples(pages(database).metrics())
    assert seen["cxr_node_last_image_to_report_seconds_count"] == 0
    assert any(name.startswith("cxr_node_build_info{version=") for name in seen)


def test_no_metric_names_a_patient_or_a_study(database: Database) -> None:
    with database.begin() as session:
        flagged_study(session)
    text = pages(database).metrics().decode()
    for private in ("1.2.3", "DOE", "P1", "A1", "2.25.7"):
        assert private not in text
