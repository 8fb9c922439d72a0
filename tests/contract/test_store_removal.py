"""Phantoms of a commissioning can be taken out whole; a patient's study never can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.ports import SpooledFile
from cxr_node.services.phantom_removal import remove_phantoms
from cxr_node.store import jobs, outbox, readings, shadows, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import Base, StudyRow
from tests.instances import NOW, facts
from tests.readings import sample_reading

PHANTOM, PATIENT, PRETENDER = "1.2.3.1", "1.2.3.2", "1.2.3.3"


def arrived(session: Session, number: int, patient_id: str, *, phantom: bool, folder: Path) -> None:
    """A study that was read, reported and queued for delivery, with rows of every kind."""
    described = replace(
        facts(number), patient=PatientFacts(patient_id=patient_id), quality_control=phantom
    )
    study = studies.upsert_study(session, described, "MODALITY", NOW)
    revision = studies.open_revision(session, study, NOW)
    image, result = (spooled(folder / f"{name}-{number}") for name in ("image", "result"))
    studies.add_instance(session, study, 1, described, image, "MODALITY", "", NOW)
    jobs.add_job(session, revision.id, JobKind.READ, 1, NOW)
    studies.mark(session, revision.id, Milestone.LAST_IMAGE, NOW)
    reading = sample_reading()
    readings.save_reading(session, revision.id, reading, model_seconds=1.0, now=NOW)
    shadows.save_shadow(session, revision.id, reading, {}, model_seconds=1.0, now=NOW)
    row = outbox.add_object(
        session,
        revision.id,
        kind="sr",
        sop_class_uid="1.2",
        sop_instance_uid=f"1.2.3.{number}.9",
        series_uid="1.2",
        predecessor_uid="",
        file=result,
        now=NOW,
    )
    outbox.add_delivery(session, row.id, "pacs", NOW)


def spooled(path: Path) -> SpooledFile:
    path.write_bytes(b"x")
    return SpooledFile(path, "0" * 64, 1)


def rows(database: Database) -> dict[str, int]:
    with database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


@pytest.fixture
def filled(database: Database, tmp_path: Path) -> Database:
    with database.begin() as session:
        arrived(session, 2, "P-100", phantom=False, folder=tmp_path)
        arrived(session, 3, "QCC-9", phantom=False, folder=tmp_path)
        arrived(session, 4, "QC2-1", phantom=True, folder=tmp_path)
    return database


def test_all_of_a_phantom_goes_and_nothing_else(filled: Database, tmp_path: Path) -> None:
    before = rows(filled)
    with filled.begin() as session:
        arrived(session, 1, "QCC-260304-001", phantom=True, folder=tmp_path)
    assert rows(filled) != before
    assert remove_phantoms(filled, [PHANTOM], "QCC-") == 1
    assert rows(filled) == before
    assert sorted(p.name for p in tmp_path.glob("*-1")) == []
    assert len(list(tmp_path.glob("image-*"))) == 3
    with filled.read() as session:
        key = session.scalars(select(StudyRow.id)).first()
        assert key is not None
        assert readings.load_reading(session, key, ReadingKind.READ) is not None


@pytest.mark.parametrize("study_uid", [PATIENT, PRETENDER, "1.2.3.4"])
def test_what_is_no_phantom_of_a_commissioning_stays(filled: Database, study_uid: str) -> None:
    before = rows(filled)
    assert remove_phantoms(filled, [study_uid], "QCC-") == 0
    assert rows(filled) == before


def test_a_phantom_can_be_sent_again_and_removed_twice(filled: Database, tmp_path: Path) -> None:
    for _ in range(2):
        with filled.begin() as session:
            arrived(session, 1, "QCC-1", phantom=True, folder=tmp_path)
        assert remove_phantoms(filled, [PHANTOM], "QCC-") == 1
        assert remove_phantoms(filled, [PHANTOM], "QCC-") == 0
