"""Sends one FHIR transaction per notice; every entry is created once, however often it comes."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

import cxr_node
from cxr_node.config_messaging import FhirSection
from cxr_node.domain.delivery import Outcome, Parcel, Verdict
from cxr_node.domain.errors import NotConformant
from cxr_node.domain.notice import Notice
from cxr_node.domain.ports import Clock
from cxr_node.messaging.fhir_resources import (
    Resource,
    diagnostic_report,
    imaging_study,
    observation,
    task,
)
from cxr_node.messaging.http_answers import http_client, outcome_of, request
from cxr_node.messaging.notice_files import read_notice

_CONFLICT = 409
_SPACE = uuid.UUID("0b6f1d2c-2a4e-5b93-8d3c-7f6d1f0a9e51")


def transaction(notice: Notice) -> Resource:
    """The Bundle; references point into it, so that the server gives the identifiers.

    Built twice, it is the same to the byte.
    """
    study = _entry(notice, imaging_study(notice))
    findings = [
        _entry(notice, observation(notice, finding, _reference(study)))
        for finding in notice.findings
    ]
    report = _entry(
        notice,
        diagnostic_report(notice, _reference(study), [_reference(entry) for entry in findings]),
    )
    entries = [study, *findings, report]
    if notice.flagged:
        entries.append(_entry(notice, task(notice, _reference(report))))
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _entry(notice: Notice, resource: Resource) -> Resource:
    first = resource["identifier"][0]
    name = f"{resource['resourceType']}|{first['value']}|{notice.uid}"
    asked = f"identifier={quote(first['system'], safe='')}|{quote(first['value'], safe='')}"
    return {
        "fullUrl": f"urn:uuid:{uuid.uuid5(_SPACE, name)}",
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"], "ifNoneExist": asked},
    }


def _reference(entry: Resource) -> Resource:
    return {"reference": entry["fullUrl"], "type": entry["resource"]["resourceType"]}


def check_structure(bundle: Resource) -> None:
    """Against the published structure. Raises :class:`NotConformant`."""
    from fhir.resources.R4B.bundle import Bundle  # half a second; only where FHIR is spoken

    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:
        raise NotConformant("the resources are not valid FHIR R4") from error


class FhirDestination:
    """Fulfils :class:`cxr_node.domain.delivery.Destination`.

    ``token`` may be empty. Raises :class:`ConfigurationError` for a bad ``ca_file``.
    """

    def __init__(self, section: FhirSection, token: str, clock: Clock) -> None:
        self._section = section
        self._token = token
        self._clock = clock
        self._client = http_client(section.ca_file, section.timeout_seconds)

    def send(self, parcel: Parcel) -> Outcome:
        """One transaction; done where the server took all of it."""
        try:
            bundle = transaction(read_notice(parcel.path))
            check_structure(bundle)
        except NotConformant as error:
            return Outcome(Verdict.REFUSED, str(error))
        body = json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()
        answer = request(self._client, "POST", self._section.url, body, self._headers())
        if isinstance(answer, Outcome):
            return answer
        if answer.status_code == _CONFLICT:
            return Outcome(Verdict.RETRY, "answered 409: a conflict", _CONFLICT)
        outcome = outcome_of(answer, self._clock.now())
        if outcome.verdict is Verdict.DONE and not _is_response(answer.content):
            words = f"answered {answer.status_code} without a transaction-response"
            return Outcome(Verdict.RETRY, words, answer.status_code)
        return outcome

    def _headers(self) -> dict[str, str]:
        usual = {
            "Content-Type": "application/fhir+json",
            "Accept": "application/fhir+json",
            "Prefer": "return=minimal",
            "User-Agent": f"cxr-node/{cxr_node.__version__}",
        }
        return usual | ({"Authorization": f"Bearer {self._token}"} if self._token else {})


def _is_response(content: bytes) -> bool:
    try:
        said: Any = json.loads(content)
    except ValueError:
        return False
    kind = (said.get("resourceType"), said.get("type")) if isinstance(said, dict) else ()
    return kind == ("Bundle", "transaction-response")
