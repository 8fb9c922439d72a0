"""A notice as FHIR R4 resources: DiagnosticReport, Observations, ImagingStudy, Task.

Preliminary, or corrected by a person; never final. No Patient is made: the subject is
referred to by its identifier, and the server's own patient stays the only one.
"""

from __future__ import annotations

from typing import Any

from cxr_node.domain.notice import Coded, NotedFinding, Notice, NoticeEvent
from cxr_node.domain.priority import Priority

Resource = dict[str, Any]

SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "RADLEX": "http://radlex.org",
    "UCUM": "http://unitsofmeasure.org",
}
DICOM_UID = "urn:dicom:uid"
OURS = "urn:oid:2.25.242072302722007778018166401980496484946"
"""System of identifiers and codes that this project makes."""
ACCESSION = "urn:cxr-node:accession-number"
_ACR = {1: "RID49480", 2: "RID49481", 3: "RID49482"}
_CERTAINTY = Coded("DCM", "111012", "Certainty of Finding")
_LATERALITY = Coded("SCT", "272741003", "Laterality")
_SEVERITY = Coded("SCT", "246112005", "Severity")
_PROCEDURE = Coded("LN", "36554-4", "Chest X-ray 1 view")
PRIORITIES = {
    Priority.STAT: "stat",
    Priority.HIGH: "asap",
    Priority.MEDIUM: "urgent",
    Priority.ROUTINE: "routine",
    Priority.LOW: "routine",
}
"""Task.priority (request-priority); in FHIR asap is more urgent than urgent."""


def concept(code: Coded, text: str = "") -> Resource:
    """A CodeableConcept."""
    system = SYSTEMS.get(code.scheme, f"{OURS}#{code.scheme}")
    coding = {"system": system, "code": code.value, "display": code.meaning}
    return {"coding": [coding], "text": text or code.meaning}


def status(notice: Notice) -> str:
    """Of DiagnosticReport and Observation."""
    return "corrected" if notice.event is NoticeEvent.CORRECTED else "preliminary"


def subject(notice: Notice) -> Resource:
    """The patient by identifier, as the order or the images name it."""
    patient = notice.patient
    identifier = {"value": patient.patient_id or "unknown"}
    if patient.issuer:
        identifier["system"] = f"urn:cxr-node:issuer:{'-'.join(patient.issuer.split())}"
    return {"type": "Patient", "identifier": identifier}


def imaging_study(notice: Notice) -> Resource:
    """The study as the archive knows it, by its UID."""
    study = notice.study
    identifiers = [{"system": DICOM_UID, "value": f"urn:oid:{study.study_uid}"}]
    if study.accession_number:
        identifiers.append({"system": ACCESSION, "value": study.accession_number})
    found: Resource = {
        "resourceType": "ImagingStudy",
        "identifier": identifiers,
        "status": "available",
        "subject": subject(notice),
    }
    if study.description.strip():
        found["description"] = study.description.strip()
    return found


def observation(notice: Notice, finding: NotedFinding, study: Resource) -> Resource:
    """One finding: presence as the value, the site, and how sure the model is."""
    found: Resource = {
        "resourceType": "Observation",
        "identifier": [{"system": OURS, "value": f"{notice.uid}.{finding.key}"}],
        "status": status(notice),
        "category": [_category()],
        "code": concept(finding.code),
        "subject": subject(notice),
        "issued": _instant(notice),
        "partOf": [study],
        "valueCodeableConcept": concept(finding.presence_code),
        "device": _device(notice),
    }
    if finding.presence != "absent":
        found["bodySite"] = concept(finding.site, _place(finding))
    if components := _components(finding):
        found["component"] = components
    if finding.words:
        found["note"] = [{"text": finding.words}]
    return found


def _place(finding: NotedFinding) -> str:
    side = f"{finding.laterality.meaning} " if finding.laterality else ""
    return f"{side}{finding.site.meaning}"


def _components(finding: NotedFinding) -> list[Resource]:
    found = []
    if finding.probability is not None:
        percent = {
            "value": round(finding.probability * 100, 1),
            "unit": "%",
            "system": SYSTEMS["UCUM"],
            "code": "%",
        }
        found.append({"code": concept(_CERTAINTY), "valueQuantity": percent})
    for name, code in ((_LATERALITY, finding.laterality), (_SEVERITY, finding.severity)):
        if code is not None:
            found.append({"code": concept(name), "valueCodeableConcept": concept(code)})
    return found


def diagnostic_report(notice: Notice, study: Resource, results: list[Resource]) -> Resource:
    """The whole result; its conclusion says first what limits it."""
    procedure = notice.order.procedure if notice.order else None
    coded = procedure if procedure and procedure.value and procedure.meaning else _PROCEDURE
    found: Resource = {
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": OURS, "value": notice.uid.text}],
        "status": status(notice),
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v2-0074",
                        "code": "RAD",
                        "display": "Radiology",
                    }
                ]
            }
        ],
        "code": concept(coded),
        "subject": subject(notice),
        "issued": _instant(notice),
        "imagingStudy": [study],
        "result": results,
    }
    if notice.study.accession_number:
        number = {"system": ACCESSION, "value": notice.study.accession_number}
        found["identifier"].append(number)
    if notice.conclusion.strip():
        found["conclusion"] = notice.conclusion
    if notice.acr_category in _ACR:
        words = f"ACR Category {notice.acr_category} Actionable Finding"
        code = Coded("RADLEX", _ACR[notice.acr_category or 0], words)
        found["conclusionCode"] = [concept(code)]
    return found


def task(notice: Notice, report: Resource) -> Resource:
    """That somebody should read the study, and how soon."""
    found: Resource = {
        "resourceType": "Task",
        "identifier": [{"system": OURS, "value": f"{notice.uid}.task"}],
        "status": "requested",
        "intent": "proposal",
        "priority": PRIORITIES[notice.priority],
        "code": {"text": "Read the study"},
        "focus": report,
        "for": subject(notice),
        "authoredOn": _instant(notice),
        "requester": _device(notice),
    }
    if notice.priority_words.strip():
        found["description"] = notice.priority_words
    return found


def _category() -> Resource:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {"coding": [{"system": system, "code": "imaging", "display": "Imaging"}]}


def _device(notice: Notice) -> Resource:
    model = notice.model
    identifier = {"system": DICOM_UID, "value": f"urn:oid:{model.device_uid}"}
    display = f"{model.name} {model.version}".strip()
    return {"type": "Device", "identifier": identifier, "display": display}


def _instant(notice: Notice) -> str:
    return notice.at.isoformat(timespec="seconds")
