"""Orders and patient changes: durable before AA, acted upon once, and nothing sent is altered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import hl7
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.policy import PatientClass
from cxr_node.domain.ports import FakeClock
from cxr_node.domain.priority import RANK, Priority
from cxr_node.services.orders import OrderDesk
from cxr_node.store import jobs, orders, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import JobRow, StudyRow
from cxr_node.store.schema_orders import HeardMessageRow, OrderRow
from tests.hl7_orders import a08, a40, header, message, omi, orm, pid, shipped_mapping
from tests.instances import NOW, facts

STUDY = "1.2.3.4.5"
PATIENT = PatientFacts("PAT-1", "HOSPITAL", "Doe^Jane", "19700102", "F")


@pytest.fixture
def desk(database: Database) -> OrderDesk:
    return OrderDesk(database, FakeClock(NOW), shipped_mapping())


def _code(desk: OrderDesk, text: str) -> str:
    return str(hl7.parse(desk.answer(text.encode()).decode()).segment("MSA")[1])


def _add_study(
    session: Session, *, uid: str = STUDY, accession: str = "ACC-1", patient: PatientFacts = PATIENT
) -> StudyRow:
    described = replace(
        facts(), study=StudyFacts(Uid(uid), accession_number=accession), patient=patient
    )
    return studies.upsert_study(session, described, "MODALITY", NOW)


def _count(session: Session, row: type[OrderRow | HeardMessageRow]) -> int:
    return cast("int", session.scalar(select(func.count()).select_from(row)))


def test_an_order_is_kept_and_found_for_its_study(desk: OrderDesk, database: Database) -> None:
    assert _code(desk, orm()) == "AA"
    with database.begin() as session:
        study = _add_study(session)
        found = orders.order_of(session, study)
        assert found is not None and found.reason == "Sudden chest pain"
        assert orders.patient_class_of(session, study) is PatientClass.EMERGENCY
        assert orders.queue_rank(session, study) == RANK[Priority.STAT]


def test_the_same_message_twice_is_answered_alike_and_kept_once(
    desk: OrderDesk, database: Database
) -> None:
    first = orm()
    assert [_code(desk, first), _code(desk, orm("M2", reason="Changed")), _code(desk, first)] == [
        "AA",
        "AA",
        "AA",
    ]
    with database.begin() as session:
        assert _count(session, OrderRow) == 1
        assert _count(session, HeardMessageRow) == 2
        assert session.scalars(select(OrderRow.reason)).one() == "Changed"


def test_a_sender_that_counts_from_the_beginning_again_is_heard(
    desk: OrderDesk, database: Database
) -> None:
    assert _code(desk, orm("1")) == "AA"
    assert _code(desk, orm("1", accession="ACC-7")) == "AA"
    with database.begin() as session:
        assert _count(session, OrderRow) == 2


def test_many_connections_with_one_message(desk: OrderDesk, database: Database) -> None:
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda _number: _code(desk, omi()), range(6)))
    assert codes == ["AA"] * 6
    with database.begin() as session:
        assert (_count(session, OrderRow), _count(session, HeardMessageRow)) == (2, 1)


def test_what_is_not_durable_is_not_acknowledged(
    desk: OrderDesk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailable("no room")

    with monkeypatch.context() as patched:
        patched.setattr(orders, "save_order", full)
        assert _code(desk, orm()) == "AE"
    with database.begin() as session:
        assert _count(session, HeardMessageRow) == 0
    assert _code(desk, orm()) == "AA"


def test_garbage_is_answered_and_keeps_nothing(desk: OrderDesk, database: Database) -> None:
    for data in (b"", b"\xff\xfe", b"MSH|^~\\&|", orm().encode("utf-16")):
        assert b"MSA|AE|" in desk.answer(data)
    assert _code(desk, message(header("ORU^R01", "M9"), pid())) == "AR"
    with database.begin() as session:
        assert _count(session, HeardMessageRow) == 0


def test_another_patient_with_the_same_accession_number_is_not_taken_for_him(
    desk: OrderDesk, database: Database
) -> None:
    assert _code(desk, orm(identifier="PAT-77")) == "AA"
    with database.begin() as session:
        study = _add_study(session, uid="1.2.9")
        assert orders.order_of(session, study) is None


def test_an_order_taken_back_is_no_order(desk: OrderDesk, database: Database) -> None:
    assert _code(desk, orm()) == "AA"
    assert _code(desk, orm("M2", control="CA")) == "AA"
    with database.begin() as session:
        assert orders.order_of(session, _add_study(session)) is None


def test_an_urgent_order_hurries_what_already_waits(desk: OrderDesk, database: Database) -> None:
    with database.begin() as session:
        for uid, accession in ((STUDY, "ACC-1"), ("1.2.9", "ACC-9")):
            study = _add_study(session, uid=uid, accession=accession)
            revision = studies.open_revision(session, study, NOW)
            jobs.add_job(session, revision.id, JobKind.TRIAGE, RANK[Priority.ROUTINE], NOW)
    assert _code(desk, orm(priority="S")) == "AA"
    with database.begin() as session:
        ranks = list(session.scalars(select(JobRow.priority_rank).order_by(JobRow.id)))
        assert ranks == [RANK[Priority.STAT], RANK[Priority.ROUTINE]]
        flagged = session.scalars(select(StudyRow.flagged_at)).all()
        assert flagged == [None, None]


def test_a_merge_takes_studies_and_orders_along_and_leaves_a_note(
    desk: OrderDesk, database: Database
) -> None:
    with database.begin() as session:
        key = _add_study(session).id
        other = _add_study(
            session, uid="1.2.8", accession="ACC-8", patient=replace(PATIENT, issuer="ELSEWHERE")
        ).id
    assert _code(desk, orm()) == "AA"
    assert _code(desk, a40()) == "AA"
    with database.begin() as session:
        study = session.get_one(StudyRow, key)
        assert (study.patient_id, study.patient_name) == ("PAT-9", "Doe^Jane")
        assert session.get_one(StudyRow, other).patient_id == "PAT-1"
        found = orders.order_of(session, study)
        assert found is not None and found.patient_id == "PAT-9"
        ordered, note = orders.notes_of(session, study)
        assert ordered == "Ordered: STAT, emergency, Chest 1 view; reason: Sudden chest pain"
        assert "merged" in note and "PAT-1 | HOSPITAL" in note
        assert orders.changes_of(session, other) == []


def test_an_update_changes_the_name_once(desk: OrderDesk, database: Database) -> None:
    with database.begin() as session:
        key = _add_study(session).id
    for control_id in ("M3", "M3", "M4"):
        assert _code(desk, a08(control_id)) == "AA"
    with database.begin() as session:
        study = session.get_one(StudyRow, key)
        assert (study.patient_name, study.birth_date) == ("Doe-Smith^Jane", "19700102")
        assert len(orders.changes_of(session, key)) == 1


def test_what_was_ordered_urgently_is_read_first_and_is_no_flag(
    desk: OrderDesk, database: Database
) -> None:
    assert _code(desk, orm(priority="S")) == "AA"
    with database.begin() as session:
        study = _add_study(session)
        assert orders.queue_rank(session, study) == RANK[Priority.STAT]
        assert study.priority == Priority.ROUTINE
        plain = _add_study(session, uid="1.2.9", accession="ACC-9")
        assert orders.queue_rank(session, plain) == RANK[Priority.ROUTINE]
