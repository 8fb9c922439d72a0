"""FHIR served read only: valid resources of what stands, found by study, order and patient."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from fhir.resources.R4B import get_fhir_model_class
from fhirclient.models.bundle import Bundle as ClientBundle

from cxr_node.services.current_results import CurrentResults
from cxr_node.store.schema import StudyRow
from cxr_node.web.fhir import routes
from tests.publishing import STUDY, Station, station
from tests.readings import sample_reading
from tests.reports import templates

__all__ = ["station"]
KINDS = ("DiagnosticReport", "Observation", "ImagingStudy", "Task")


@pytest.fixture
def client(station: Station) -> TestClient:
    app = FastAPI()
    app.include_router(routes(CurrentResults(station.db, templates(), "CXR-NODE")))
    return TestClient(app)


@pytest.fixture
def published(station: Station) -> Station:
    station.read_study()
    station.publish().publish(station.claim())
    return station


def _get(client: TestClient, path: str, status: int = 200) -> dict[str, Any]:
    answer = client.get(f"/fhir/{path}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    content: dict[str, Any] = answer.json()
    get_fhir_model_class(content["resourceType"]).model_validate(content)
    return content


def test_what_is_served_is_declared(client: TestClient) -> None:
    statement = _get(client, "metadata")
    assert [one["type"] for one in statement["rest"][0]["resource"]] == list(KINDS)
    assert {i["code"] for r in statement["rest"][0]["resource"] for i in r["interaction"]} == {
        "read",
        "search-type",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_is_found_and_read(client: TestClient, published: Station, kind: str) -> None:
    bundle = _get(client, f"{kind}?study=urn:oid:{STUDY}")
    assert ClientBundle(bundle, strict=True).total == len(bundle["entry"]) > 0
    for entry in bundle["entry"]:
        name = entry["resource"]["id"]
        assert _get(client, f"{kind}/{name}") == entry["resource"]


def test_a_report_refers_to_its_observations(client: TestClient, published: Station) -> None:
    report = _get(client, f"DiagnosticReport/{STUDY}")
    assert report["status"] == "preliminary"
    for reference in (*report["result"], *report["imagingStudy"]):
        assert _get(client, reference["reference"])["resourceType"] == reference["type"]
    present = [
        one["code"]["coding"][0]["code"]
        for one in (_get(client, r["reference"]) for r in report["result"])
        if one["valueCodeableConcept"]["coding"][0]["display"] == "Present"
    ]
    codes = templates().codes.findings
    assert present == [codes[f.kind].value for f in sample_reading().present]


def test_by_patient_and_by_nothing(client: TestClient, published: Station) -> None:
    with published.db.read() as session:
        patient = session.query(StudyRow).one().patient_id
    found = _get(client, f"DiagnosticReport?patient.identifier=urn:x|{patient}")
    assert found["total"] == 1
    assert _get(client, "DiagnosticReport?patient.identifier=somebody-else")["total"] == 0
    assert _get(client, "DiagnosticReport?accession=none")["total"] == 0
    assert _get(client, "DiagnosticReport", 400)["issue"][0]["code"] == "required"


def test_an_unread_study_is_not_there(client: TestClient, station: Station) -> None:
    station.read_study()
    assert _get(client, f"DiagnosticReport?study={STUDY}")["total"] == 0
    for name in (STUDY, "1.2.3", "7-edema", "0-x", "9999999999999999999999-edema"):
        assert _get(client, f"DiagnosticReport/{name}", 404)["issue"][0]["code"] == "not-found"


def test_nothing_can_be_written(client: TestClient, published: Station) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.request(method, f"/fhir/DiagnosticReport/{STUDY}").status_code == 405
