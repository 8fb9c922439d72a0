"""FHIR R4: valid by two libraries of others, preliminary, and created once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhirclient.models.bundle import Bundle as ClientBundle
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.config_messaging import FhirSection
from cxr_node.domain.delivery import Verdict
from cxr_node.domain.errors import NotConformant
from cxr_node.domain.instance import PatientFacts
from cxr_node.domain.notice import NoticeEvent
from cxr_node.domain.ports import SystemClock
from cxr_node.domain.priority import Priority
from cxr_node.messaging.fhir_resources import DICOM_UID, Resource
from cxr_node.messaging.fhir_sender import FhirDestination, check_structure, transaction
from tests.http_receivers import Receiver, receiving
from tests.notices import NAMES, parcel_of, sample_notice

TAKEN = json.dumps({"resourceType": "Bundle", "type": "transaction-response"}).encode()


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiving(Receiver(body=TAKEN)) as found:
        yield found


def _destination(server: Receiver, token: str = "") -> FhirDestination:
    section = FhirSection(name="fhir", url=f"{server.url}/r4/", timeout_seconds=5.0)
    return FhirDestination(section, token, SystemClock())


def _of(bundle: Resource, kind: str) -> list[Resource]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("event", list(NoticeEvent))
@pytest.mark.parametrize("priority", list(Priority))
def test_two_libraries_find_nothing_wrong(event: NoticeEvent, priority: Priority) -> None:
    bundle = transaction(sample_notice(event=event, priority=priority))
    assert Bundle.model_validate(bundle).type == "transaction"
    assert ClientBundle(bundle, strict=True).as_json()["type"] == "transaction"
    tasks = [task["priority"] for task in _of(bundle, "Task")]
    expected = {Priority.STAT: ["stat"], Priority.HIGH: ["asap"]}
    assert tasks == expected.get(priority, [])


def test_what_the_resources_say() -> None:
    bundle = transaction(sample_notice())
    (report,) = _of(bundle, "DiagnosticReport")
    assert report["status"] == "preliminary"
    assert report["subject"]["identifier"]["value"] == "PAT-1"
    assert report["conclusionCode"][0]["coding"][0]["code"] == "RID49480"
    (study,) = _of(bundle, "ImagingStudy")
    assert study["identifier"][0] == {"system": DICOM_UID, "value": "urn:oid:1.2.3.4.5"}
    pneumothorax, edema = _of(bundle, "Observation")
    assert pneumothorax["code"]["coding"][0] == {
        "system": "http://snomed.info/sct",
        "code": "36118008",
        "display": "Pneumothorax",
    }
    assert pneumothorax["bodySite"]["text"] == "Left Pleura"
    assert pneumothorax["component"][0]["valueQuantity"]["value"] == 97.0
    assert edema["valueCodeableConcept"]["coding"][0]["display"] == "Absent"
    assert "bodySite" not in edema
    corrected = transaction(sample_notice(event=NoticeEvent.CORRECTED))
    statuses = {r["status"] for r in _of(corrected, "Observation")}
    assert statuses | {_of(corrected, "DiagnosticReport")[0]["status"]} == {"corrected"}


def test_every_entry_is_created_once_and_referred_to_inside() -> None:
    first, again = transaction(sample_notice()), transaction(sample_notice())
    assert first == again
    urls = [entry["fullUrl"] for entry in first["entry"]]
    assert len(set(urls)) == len(urls)
    assert all("identifier=" in entry["request"]["ifNoneExist"] for entry in first["entry"])
    (report,) = _of(first, "DiagnosticReport")
    references = [r["reference"] for r in (*report["result"], *report["imagingStudy"])]
    assert set(references) <= set(urls)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_words_and_names_stay_valid(text: str) -> None:
    patient = PatientFacts(text.strip()[:64], text.strip()[:64], text)
    check_structure(
        transaction(sample_notice(conclusion=text, priority_words=text, patient=patient))
    )


def test_what_is_not_valid_does_not_leave() -> None:
    bundle = transaction(sample_notice())
    bundle["entry"][1]["resource"]["status"] = ["preliminary"]
    with pytest.raises(NotConformant):
        check_structure(bundle)


def test_a_transaction_is_posted_with_the_token(server: Receiver, tmp_path: Path) -> None:
    name = NAMES["UNICODE UTF-8"][0]
    notice = sample_notice(conclusion=f"{name} فحص Грудь")
    outcome = _destination(server, "t0ken").send(parcel_of(notice, tmp_path))
    assert (outcome.verdict, outcome.status) == (Verdict.DONE, 200)
    (taken,) = server.taken
    assert (taken.method, taken.path) == ("POST", "/r4")
    assert taken.headers["content-type"] == "application/fhir+json"
    assert taken.headers["authorization"] == "Bearer t0ken"
    assert json.loads(taken.body) == transaction(notice)
    assert name.encode() in taken.body


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DONE),
        (301, Verdict.REFUSED),
        (400, Verdict.REFUSED),
        (401, Verdict.REFUSED),
        (409, Verdict.RETRY),
        (412, Verdict.REFUSED),
        (422, Verdict.REFUSED),
        (429, Verdict.RETRY),
        (503, Verdict.RETRY),
    ],
)
def test_what_an_answer_means(
    server: Receiver, tmp_path: Path, status: int, verdict: Verdict
) -> None:
    server.statuses = [status]
    outcome = _destination(server).send(parcel_of(sample_notice(), tmp_path))
    assert (outcome.verdict, outcome.status) == (verdict, status)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"resourceType": "Patient"}'])
def test_a_200_that_is_no_transaction_response_is_not_done(
    server: Receiver, tmp_path: Path, body: bytes
) -> None:
    server.body = body
    outcome = _destination(server).send(parcel_of(sample_notice(), tmp_path))
    assert outcome.verdict is Verdict.RETRY
