"""FHIR R4, read only, under ``/fhir``: what stands of studies as resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

import cxr_node
from cxr_node.domain.notice import Notice
from cxr_node.messaging.fhir_resources import (
    Resource,
    diagnostic_report,
    imaging_study,
    observation,
    task,
)
from cxr_node.services.current_results import MOST, Asked, Current

_JSON = "application/fhir+json"
_Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9.-]{1,64}$")]
_Text = Annotated[str, Query(max_length=128)]
_SEARCHED = ("study", "accession", "patient.identifier")


class Results(Protocol):
    """Where the resources come from."""

    def find(self, asked: Asked, limit: int = MOST) -> list[Current]: ...


def resources_of(current: Current) -> dict[str, list[Resource]]:
    """The resources of one study by type, with the identifiers they have here."""
    notice = current.notice
    name = notice.study.study_uid.text
    study = _reference("ImagingStudy", name)
    observations = [
        {"id": f"{current.number}-{finding.key.replace('_', '-')}"}
        | observation(notice, finding, study)
        for finding in notice.findings
    ]
    results = [_reference("Observation", one["id"]) for one in observations]
    return {
        "ImagingStudy": [{"id": name, **imaging_study(notice)}],
        "Observation": observations,
        "DiagnosticReport": [{"id": name, **diagnostic_report(notice, study, results)}],
        "Task": _tasks(notice, name),
    }


def _tasks(notice: Notice, name: str) -> list[Resource]:
    if not notice.flagged:
        return []
    return [{"id": name, **task(notice, _reference("DiagnosticReport", name))}]


def _reference(kind: str, name: str) -> Resource:
    return {"reference": f"{kind}/{name}", "type": kind}


def _of_name(name: str) -> Asked:
    """An Observation begins with the node's number of the study; others have its UID."""
    number = name.partition("-")[0]
    if "-" in name and number.isdigit() and len(number) < 16:
        return Asked(number=int(number))
    return Asked(study_uid=name)


def routes(results: Results) -> APIRouter:
    """Reads and searches of four types, and the CapabilityStatement."""
    router = APIRouter(prefix="/fhir", tags=["fhir"])
    router.add_api_route("/metadata", lambda: _answer(capability()), summary="What is served")
    for kind in _KINDS:
        router.add_api_route(f"/{kind}", _search(results, kind), summary=f"Search {kind}")
        router.add_api_route(f"/{kind}/{{name}}", _read(results, kind), summary=f"Read {kind}")
    return router


_KINDS = ("DiagnosticReport", "Observation", "ImagingStudy", "Task")


def _read(results: Results, kind: str) -> Callable[..., JSONResponse]:
    def read(name: _Id) -> JSONResponse:
        for current in results.find(_of_name(name), limit=1):
            for resource in resources_of(current)[kind]:
                if resource["id"] == name:
                    return _answer(resource)
        return _answer(_outcome("not-found", "there is none of that name"), 404)

    return read


def _search(results: Results, kind: str) -> Callable[..., JSONResponse]:
    def search(
        study: _Text = "",
        accession: _Text = "",
        patient: Annotated[str, Query(alias="patient.identifier", max_length=256)] = "",
        count: Annotated[int, Query(alias="_count", ge=1, le=MOST)] = MOST,
    ) -> JSONResponse:
        asked = Asked(
            study_uid=study.removeprefix("urn:oid:"),
            accession_number=accession.rpartition("|")[2],
            patient_id=patient.rpartition("|")[2],
        )
        if asked == Asked():
            words = f"give one of {', '.join(_SEARCHED)}"
            return _answer(_outcome("required", words), 400)
        found = [
            resource
            for current in results.find(asked, limit=count)
            for resource in resources_of(current)[kind]
        ]
        return _answer(_bundle(kind, found))

    return search


def _bundle(kind: str, found: list[Resource]) -> Resource:
    entries = [
        {
            "fullUrl": f"urn:cxr-node:{kind}:{resource['id']}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for resource in found
    ]
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    return bundle | ({"entry": entries} if entries else {})


def _outcome(code: str, words: str) -> Resource:
    issue = {"severity": "error", "code": code, "diagnostics": words}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def capability() -> Resource:
    """CapabilityStatement: reads and searches, nothing is written."""
    searched = [{"name": name, "type": "token"} for name in _SEARCHED]
    interactions = [{"code": "read"}, {"code": "search-type"}]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-01",
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": [_JSON],
        "software": {"name": "cxr-node", "version": cxr_node.__version__},
        "implementation": {"description": "Preliminary readings of chest radiographs, read only"},
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {"type": kind, "interaction": interactions, "searchParam": searched}
                    for kind in _KINDS
                ],
            }
        ],
    }


def _answer(content: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, media_type=_JSON)
