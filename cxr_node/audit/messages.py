"""Events of the node as audit messages of PS3.15 A.5, by one table; what is not in it is no audit.

Studies and patients are named by keyed digests: the trail shows that two records speak of one
patient, and only who has the key and the ID can say of whom.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cxr_node.domain.events import Event


@dataclass(frozen=True, slots=True)
class Code:
    """A code of the DICOM terminology (PS3.16 annex D)."""

    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Kind:
    """EventID, type, action (C R U D E) and outcome (0 success, 4, 8, 12) of one event."""

    event: Code
    type: Code | None
    action: str
    outcome: int = 0


_APPLICATION = Code("110100", "Application Activity")
_AUDIT_LOG = Code("110101", "Audit Log Used")
_ACCESSED = Code("110103", "DICOM Instances Accessed")
_TRANSFERRED = Code("110104", "DICOM Instances Transferred")
_DELETED = Code("110105", "DICOM Study Deleted")
_EXPORT = Code("110106", "Export")
_QUERY = Code("110112", "Query")
_ALERT = Code("110113", "Security Alert")
_USER = Code("110114", "User Authentication")
_START = Code("110120", "Application Start")
_STOP = Code("110121", "Application Stop")
_LOGIN = Code("110122", "Login")
_NODE = Code("110126", "Node Authentication")
_SECURITY = Code("110129", "Security Configuration")

KINDS: Mapping[Event, Kind] = {
    Event.NODE_STARTED: Kind(_APPLICATION, _START, "E"),
    Event.NODE_STOPPED: Kind(_APPLICATION, _STOP, "E"),
    Event.PART_SUSPENDED: Kind(_APPLICATION, _STOP, "E"),
    Event.PART_RESUMED: Kind(_APPLICATION, _START, "E"),
    Event.ASSOCIATION_REFUSED: Kind(_ALERT, _NODE, "E", 4),
    Event.TLS_REFUSED: Kind(_ALERT, _NODE, "E", 4),
    Event.PDU_REFUSED: Kind(_ALERT, _NODE, "E", 4),
    Event.ACCESS_REFUSED: Kind(_ALERT, _NODE, "E", 4),
    Event.SIGNED_IN: Kind(_USER, _LOGIN, "E"),
    Event.INSTANCE_STORED: Kind(_TRANSFERRED, None, "C"),
    Event.INSTANCE_DUPLICATE: Kind(_TRANSFERRED, None, "C"),
    Event.OWN_RESULT_RETURNED: Kind(_TRANSFERRED, None, "C"),
    Event.INSTANCE_CONFLICT: Kind(_TRANSFERRED, None, "C", 4),
    Event.INSTANCE_REFUSED: Kind(_TRANSFERRED, None, "C", 8),
    Event.STUDY_VIEWED: Kind(_ACCESSED, None, "R"),
    Event.AMENDMENT_REQUESTED: Kind(_ACCESSED, None, "U"),
    Event.ASSESSMENT_RECORDED: Kind(_ACCESSED, None, "U"),
    Event.DELIVERY_SENT: Kind(_EXPORT, None, "R"),
    Event.DELIVERY_PARKED: Kind(_EXPORT, None, "R", 8),
    Event.PHANTOMS_REMOVED: Kind(_DELETED, None, "D"),
    Event.WORKLIST_ANSWERED: Kind(_QUERY, None, "E"),
    Event.AUDIT_EXPORTED: Kind(_AUDIT_LOG, None, "R"),
    Event.AUDIT_LOST: Kind(_ALERT, _SECURITY, "E", 12),
    Event.MODEL_REFUSED: Kind(_ALERT, _SECURITY, "E", 8),
}
"""Which events are audited, and as what."""

_ROLE_SOURCE = Code("110153", "Source Role ID")
_ROLE_DESTINATION = Code("110152", "Destination Role ID")
_ROLE_APPLICATION = Code("110150", "Application")
_INCOMING = (_TRANSFERRED, _ALERT, _QUERY)


def audit_message(event: Event, at: datetime, document: Mapping[str, Any], source: str) -> bytes:
    """The message as XML (PS3.15 A.5.1). ``source`` names this node."""
    kind = KINDS[event]
    root = ET.Element("AuditMessage")
    identification = ET.SubElement(
        root,
        "EventIdentification",
        EventActionCode=kind.action,
        EventDateTime=at.isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=str(kind.outcome),
    )
    _coded(identification, "EventID", kind.event)
    if kind.type is not None:
        _coded(identification, "EventTypeCode", kind.type)
    _participants(root, kind, document, source)
    ET.SubElement(root, "AuditSourceIdentification", AuditSourceID=source, code="4")
    _objects(root, event, document)
    whole: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return whole


def _participants(root: ET.Element, kind: Kind, document: Mapping[str, Any], source: str) -> None:
    other = str(document.get("peer") or document.get("user") or document.get("address") or "")
    incoming = kind.event in _INCOMING
    if other:
        role = _ROLE_SOURCE if incoming else _ROLE_DESTINATION
        found = _participant(root, other, kind.event is not _EXPORT, role)
        if address := document.get("address"):
            found.set("NetworkAccessPointID", str(address))
            found.set("NetworkAccessPointTypeCode", "2")
    itself = _ROLE_DESTINATION if incoming else _ROLE_SOURCE
    plain = kind.event in (_APPLICATION, _AUDIT_LOG)
    _participant(
        root, source, not other or kind.event is _EXPORT, _ROLE_APPLICATION if plain else itself
    )


def _participant(root: ET.Element, user: str, requestor: bool, role: Code) -> ET.Element:
    found = ET.SubElement(
        root, "ActiveParticipant", UserID=user, UserIsRequestor=str(requestor).lower()
    )
    _coded(found, "RoleIDCode", role)
    return found


def _objects(root: ET.Element, event: Event, document: Mapping[str, Any]) -> None:
    """Study and patient by digest, then whatever else the event says."""
    if study := document.get("study"):
        found = _object(root, str(study), "2", "3", Code("110180", "Study Instance UID"))
        if "count" in document:
            described = ET.SubElement(found, "ParticipantObjectDescription")
            ET.SubElement(described, "NumberOfInstances").text = str(document["count"])
    if patient := document.get("patient"):
        _object(root, str(patient), "1", "1", Code("2", "Patient Number"), "RFC-3881")
    told = {k: v for k, v in document.items() if k in ("reason", "part", "status", "matches")}
    if told:
        code = Code("12", "URI")
        found = _object(root, f"urn:cxr-node:{event.value}", "2", "13", code, "RFC-3881")
        for key, value in told.items():
            ET.SubElement(found, "ParticipantObjectDetail", type=key, value=_base64(str(value)))


def _object(
    root: ET.Element, identifier: str, kind: str, role: str, code: Code, scheme: str = "DCM"
) -> ET.Element:
    found = ET.SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=identifier,
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )
    _coded(found, "ParticipantObjectIDTypeCode", code, scheme)
    return found


def _coded(parent: ET.Element, name: str, code: Code, scheme: str = "DCM") -> None:
    values = {"csd-code": code.value, "codeSystemName": scheme, "originalText": code.meaning}
    ET.SubElement(parent, name, values)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
