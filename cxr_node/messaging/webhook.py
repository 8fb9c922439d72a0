"""Webhooks: a signed JSON document to an address of the site's choice.

Signed as the Standard Webhooks specification has it (standardwebhooks.com, version 1.0.0), so
that receivers can check it with a library they have; the identifier is the same at every
attempt.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

import cxr_node
from cxr_node.config_messaging import WebhookSection
from cxr_node.domain.delivery import Outcome, Parcel, Verdict
from cxr_node.domain.errors import ConfigurationError, NotConformant
from cxr_node.domain.notice import Coded, NotedFinding, NotedObject, Notice, NoticeEvent
from cxr_node.domain.ports import Clock
from cxr_node.messaging.http_answers import http_client, outcome_of, request
from cxr_node.messaging.notice_files import read_notice

DOCUMENT_VERSION = 1
SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret of that kind begins
_LEAST_KEY, _MOST_KEY = 24, 64


def signing_key(secret: str) -> bytes:
    """The key in a secret, ``whsec_`` and 24 to 64 bytes in base64.

    Raises :class:`ConfigurationError`; the message never holds the secret.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not _LEAST_KEY <= len(key) <= _MOST_KEY:
        words = f"{SECRET_PREFIX} and {_LEAST_KEY} to {_MOST_KEY} bytes in base64"
        raise ConfigurationError(f"webhook.secret_file: must hold {words}")
    return key


def signature(key: bytes, identifier: str, timestamp: int, body: bytes) -> str:
    """Value of ``webhook-signature``: HMAC-SHA256 over identifier, time and body."""
    signed = f"{identifier}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def document(notice: Notice, *, patient_data: bool) -> dict[str, Any]:
    """The body, version 1 (``docs/messaging.md`` has it field by field). No pixel data."""
    study = notice.study
    corrected = notice.event is NoticeEvent.CORRECTED
    body: dict[str, Any] = {
        "version": DOCUMENT_VERSION,
        "id": notice.uid.text,
        "event": notice.event.value,
        "at": notice.at.isoformat(),
        "status": "corrected" if corrected else "preliminary",
        "station": notice.station,
        "study": {
            "study_uid": study.study_uid.text,
            "accession_number": study.accession_number,
            "study_date": study.study_date,
            "revision": notice.revision,
            "phantom": notice.phantom,
        },
        "priority": {
            "level": notice.priority.value,
            "flagged": notice.flagged,
            "words": notice.priority_words,
            "rule": notice.rule,
            "policy_version": notice.policy_version,
            "acr_category": notice.acr_category,
        },
        "findings": [_finding(finding) for finding in notice.findings],
        "conclusion": notice.conclusion,
        "model": {
            "name": notice.model.name,
            "version": notice.model.version,
            "device_uid": notice.model.device_uid.text,
            "outside_intended_use": notice.model.outside_intended_use,
        },
        "images": [_object(image) for image in notice.images],
        "reports": [_object(report) for report in notice.reports],
    }
    if notice.person is not None:
        body["corrected_by"] = {"role": notice.person.role, "verified": notice.person.verified}
    if notice.escalation is not None:
        body["escalation"] = {
            "step": notice.escalation.step,
            "to": notice.escalation.to,
            "raised_at": notice.escalation.raised_at.isoformat(),
        }
    if patient_data:
        patient = notice.patient
        body["patient"] = {
            "patient_id": patient.patient_id,
            "issuer": patient.issuer,
            "name": patient.name,
            "birth_date": patient.birth_date,
            "sex": patient.sex,
        }
    return body


def _finding(finding: NotedFinding) -> dict[str, Any]:
    return {
        "key": finding.key,
        "code": _code(finding.code),
        "presence": finding.presence,
        "probability": finding.probability,
        "threshold": finding.threshold,
        "calibrated": finding.calibrated,
        "site": _code(finding.site),
        "laterality": _code(finding.laterality),
        "severity": _code(finding.severity),
        "words": finding.words,
        "by_person": finding.by_person,
    }


def _code(code: Coded | None) -> dict[str, str] | None:
    if code is None:
        return None
    return {"scheme": code.scheme, "value": code.value, "meaning": code.meaning}


def _object(noted: NotedObject) -> dict[str, str]:
    return {
        "sop_class_uid": noted.sop_class_uid.text,
        "sop_instance_uid": noted.sop_instance_uid.text,
        "series_uid": noted.series_uid.text,
    }


class WebhookDestination:
    """Fulfils :class:`cxr_node.domain.delivery.Destination`.

    ``secret`` is what ``secret_file`` holds. Raises :class:`ConfigurationError`.
    """

    def __init__(self, section: WebhookSection, secret: str, clock: Clock) -> None:
        self._section = section
        self._key = signing_key(secret)
        self._clock = clock
        self._client = http_client(section.ca_file, section.timeout_seconds)

    def send(self, parcel: Parcel) -> Outcome:
        """One signed POST; done where the receiver answered 2xx."""
        try:
            notice = read_notice(parcel.path)
        except NotConformant as error:
            return Outcome(Verdict.REFUSED, str(error))
        whole = document(notice, patient_data=self._section.patient_data)
        body = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
        now = self._clock.now()
        answer = request(
            self._client, "POST", self._section.url, body, self._headers(parcel.uid, body)
        )
        return answer if isinstance(answer, Outcome) else outcome_of(answer, now)

    def _headers(self, identifier: str, body: bytes) -> dict[str, str]:
        timestamp = int(self._clock.now().timestamp())
        return {
            "Content-Type": "application/json",
            "User-Agent": f"cxr-node/{cxr_node.__version__}",
            "Idempotency-Key": identifier,
            "webhook-id": identifier,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._key, identifier, timestamp, body),
        }
