"""Worklist answers: matching, projection, order, and what the attributes say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from cxr_node.dicom.worklist_scp import WorklistService
from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.priority import Priority
from cxr_node.domain.study import StudyState, VisibleState
from cxr_node.domain.worklist import ReaderClaim, WorklistEntry
from tests.listening import NODE, SENDER, listening

WORKLIST = "1.2.840.10008.5.1.4.31"
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def entry(number: int = 1, priority: Priority = Priority.ROUTINE, **changes: Any) -> WorklistEntry:
    flagged = priority in (Priority.HIGH, Priority.STAT)
    fields: dict[str, Any] = {
        "study": StudyFacts(
            Uid(f"1.2.{number}"), f"ACC{number}", "S1", "20260102", "101500", "", "WARD^ONE"
        ),
        "patient": PatientFacts(f"PAT{number}", "", "DOE^JANE", "19600101", "F"),
        "revision": 1,
        "state": StudyState.REPORTED,
        "visible": VisibleState.FLAGGED if flagged else VisibleState.READ,
        "words": "",
        "priority": priority,
        "priority_words": "pneumothorax is likely" if flagged else "",
        "sender": "ct1",
        "view": "PA",
        "findings": ("pneumothorax", "pleural_effusion") if flagged else (),
        "received_at": NOON + timedelta(minutes=number),
        "last_image_at": NOON,
        "flagged_at": None,
        "reported_at": None,
    }
    return WorklistEntry(**(fields | changes))


def keys(*, step: dict[str, str] | None = None, **wanted: str) -> Dataset:
    ds = Dataset()
    for keyword, value in wanted.items():
        setattr(ds, keyword, value)
    if step is not None:
        ds.ScheduledProcedureStepSequence = [keys(**step)]
    return ds


def found(ds: Dataset, *entries: WorklistEntry) -> list[str]:
    ds.StudyInstanceUID = ds.get("StudyInstanceUID", "")
    service = WorklistService(NODE, lambda: entries or (entry(),))
    return [str(answer.StudyInstanceUID) for answer in service.answers(ds)]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True),
        ({"PatientID": "PAT1"}, True),
        ({"PatientID": "PAT2"}, False),
        ({"PatientID": "pat1"}, False),
        ({"PatientID": "PAT*"}, True),
        ({"PatientID": "P?T1"}, True),
        ({"PatientID": "P?T"}, False),
        ({"PatientID": "*"}, True),
        ({"PatientID": "[P]AT1"}, False),
        ({"PatientName": "doe^j*"}, True),
        ({"PatientName": "DOE^JANE^^"}, True),
        ({"PatientName": "DOE^JOHN"}, False),
        ({"PatientBirthDate": "19591231-19600101"}, True),
        ({"PatientBirthDate": "19600102-"}, False),
        ({"PatientBirthDate": "-1960010?"}, True),
        ({"AccessionNumber": "ACC1"}, True),
        ({"RequestedProcedurePriority": "STAT"}, False),
        ({"RequestedProcedurePriority": "ROUTINE"}, True),
        ({"InstitutionName": "ANY"}, True),
        ({"step": {}}, True),
        ({"step": {"Modality": "DX"}}, True),
        ({"step": {"Modality": "CT"}}, False),
        ({"step": {"ScheduledStationAETitle": NODE}}, True),
        ({"step": {"ScheduledStationAETitle": "OTHER"}}, False),
        ({"step": {"ScheduledProcedureStepStartDate": "20260102"}}, True),
        ({"step": {"ScheduledProcedureStepStartDate": "20260101-20260131"}}, True),
        ({"step": {"ScheduledProcedureStepStartDate": "20260103-"}}, False),
        ({"step": {"ScheduledProcedureStepStartTime": "10-11"}}, True),
        ({"step": {"ScheduledProcedureStepStartTime": "-10"}}, True),
        ({"step": {"ScheduledProcedureStepStartTime": "-0930"}}, False),
    ],
)
def test_matching(wanted: dict[str, Any], fits: bool) -> None:
    assert found(keys(**wanted)) == (["1.2.1"] if fits else [])


def test_a_list_of_uids_matches_each() -> None:
    three = [entry(1), entry(2), entry(3)]
    assert found(keys(StudyInstanceUID="1.2.1\\1.2.3"), *three) == ["1.2.1", "1.2.3"]


def test_many_stars_do_not_take_long() -> None:
    assert found(keys(PatientID="*A*" * 20 + "Z")) == []


def test_only_the_keys_come_back_and_unknown_ones_empty() -> None:
    service = WorklistService(NODE, lambda: [entry()])
    (answer,) = service.answers(
        keys(PatientID="", InstitutionName="", step={"Modality": "", "StationName": ""})
    )
    assert [e.keyword for e in answer] == [
        "SpecificCharacterSet",
        "InstitutionName",
        "PatientID",
        "ScheduledProcedureStepSequence",
    ]
    assert answer.SpecificCharacterSet == "ISO_IR 192" and not answer.InstitutionName
    (step,) = answer.ScheduledProcedureStepSequence
    assert [(e.keyword, e.value or "") for e in step] == [("Modality", "DX"), ("StationName", "")]


def test_the_order_is_that_of_the_list() -> None:
    entries = [entry(2, Priority.STAT), entry(1), entry(3, Priority.HIGH)]
    assert found(Dataset(), *entries) == ["1.2.2", "1.2.1", "1.2.3"]


def test_the_state_stands_there_in_words() -> None:
    service = WorklistService(NODE, lambda: [entry(1, Priority.STAT)])
    asked = keys(
        RequestedProcedureDescription="",
        RequestedProcedureComments="",
        RequestedProcedurePriority="",
        step={"ScheduledProcedureStepDescription": "", "ScheduledProcedureStepID": ""},
    )
    (answer,) = service.answers(asked)
    words = "flagged - pneumothorax, pleural effusion"
    assert answer.RequestedProcedureDescription == words
    assert answer.RequestedProcedureComments == f"{words}. pneumothorax is likely"
    assert answer.RequestedProcedurePriority == "STAT"
    (step,) = answer.ScheduledProcedureStepSequence
    assert step.ScheduledProcedureStepDescription == f"AI reading: {words}"
    assert len(step.ScheduledProcedureStepDescription) <= 64


def test_a_study_without_a_date_has_its_time_of_arrival() -> None:
    study = StudyFacts(Uid("1.2.1"), study_date="soon")
    service = WorklistService(NODE, lambda: [entry(study=study)])
    (answer,) = service.answers(keys(step={"ScheduledProcedureStepStartDate": ""}))
    local = (NOON + timedelta(minutes=1)).astimezone().strftime("%Y%m%d")
    assert answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate == local


def _ask(folder: Path, ds: Dataset, worklist: Callable[[], list[WorklistEntry]]) -> list[Any]:
    with listening(folder, worklist=worklist) as node:
        entity = AE(ae_title=SENDER)
        entity.add_requested_context(WORKLIST)
        association = entity.associate("127.0.0.1", node.port, ae_title=NODE)
        answers = list(association.send_c_find(ds, WORKLIST))
        association.release()
    return answers


def test_names_outside_ascii_over_the_wire(tmp_path: Path) -> None:
    patient = PatientFacts("PÄT", name="山田^太郎")
    answers = _ask(tmp_path, keys(PatientName="", PatientID=""), lambda: [entry(patient=patient)])
    assert [status.Status for status, _ in answers] == [0xFF00, 0x0000]
    assert str(answers[0][1].PatientName) == "山田^太郎"


def test_hostile_text_is_answered_as_it_came(tmp_path: Path) -> None:
    patient = PatientFacts("A" * 300, name="X^Y^Z" * 40, sex="NOT KNOWN AT ALL", birth_date="never")
    ds = keys(PatientName="", PatientID="", PatientSex="", PatientBirthDate="")
    answers = _ask(tmp_path, ds, lambda: [entry(patient=patient)])
    assert [status.Status for status, _ in answers] == [0xFF00, 0x0000]


def test_a_database_that_is_gone_is_a_failure_not_an_empty_list(tmp_path: Path) -> None:
    def gone() -> list[WorklistEntry]:
        raise StoreUnavailable("gone")

    answers = _ask(tmp_path, keys(PatientID=""), gone)
    assert [status.Status for status, _ in answers] == [0xA700]


def test_a_cancel_ends_the_answers() -> None:
    asked = SimpleNamespace(identifier=keys(PatientID=""), is_cancelled=False)
    service = WorklistService(NODE, lambda: [entry(n) for n in range(3)])
    answers = service.find(asked, "station")
    assert next(answers)[0] == 0xFF00
    asked.is_cancelled = True
    assert [status for status, _ in answers] == [0xFE00]


@pytest.mark.parametrize(
    ("days", "hours", "fits"),
    [
        ("20260303-20260305", "1000-1100", True),  # a period of days, not of daily hours
        ("20260304-20260305", "1200-1300", False),
        ("20260303-20260304", "0800-1155", True),
        ("20260303-20260304", "0800-1154", False),
        ("20260304-", "1155-", True),
        ("20260304-", "1156-", False),
        ("-20260304", "-1154", False),
        ("-20260304", "-1155", True),
        ("20260304", "1000-1100", False),
        ("20260304", "1100-1200", True),
    ],
)
def test_date_and_time_ranges_are_one_period(days: str, hours: str, fits: bool) -> None:
    study = StudyFacts(Uid("1.2.9"), study_date="20260304", study_time="115500")
    asked = Dataset()
    step = Dataset()
    step.ScheduledProcedureStepStartDate = days
    step.ScheduledProcedureStepStartTime = hours
    asked.ScheduledProcedureStepSequence = [step]
    assert found(asked, entry(1, study=study)) == (["1.2.9"] if fits else [])


def test_who_reads_the_study_can_be_asked_for() -> None:
    claim = ReaderClaim("Reader^Ruth", "General Hospital", "attending", NOON)
    asked = keys(step={"ScheduledPerformingPhysicianName": "reader*"})
    assert found(asked, entry(1), entry(2, claim=claim)) == ["1.2.2"]
