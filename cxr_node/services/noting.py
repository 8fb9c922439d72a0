"""What stands of a study, as the one value that every kind of message is made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cxr_node.domain.findings import Finding, Presence, Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.notice import (
    Coded,
    NotedFinding,
    NotedModel,
    NotedObject,
    NotedOrder,
    NotedPerson,
    Notice,
    NoticeEvent,
)
from cxr_node.domain.priority import PriorityDecision
from cxr_node.reporting.codes import CodeEntry
from cxr_node.reporting.narrative import conclusion, phrase
from cxr_node.reporting.templates import Templates
from cxr_node.store.schema import StudyRow
from cxr_node.store.schema_orders import OrderRow
from cxr_node.store.worklist import patient_facts, study_facts


@dataclass(frozen=True, slots=True)
class Standing:
    """A reading of a study with all that is told beside it."""

    uid: Uid
    event: NoticeEvent
    at: datetime
    station: str
    study: StudyRow
    revision: int
    reading: Reading
    decision: PriorityDecision
    """As it stands: a study that was higher before stays as high."""
    order: OrderRow | None
    reports: tuple[NotedObject, ...] = ()


def noted(standing: Standing, templates: Templates) -> Notice:
    """The notice; the same standing gives the same one."""
    reading, decision, study = standing.reading, standing.decision, standing.study
    return Notice(
        uid=standing.uid,
        event=standing.event,
        at=standing.at,
        station=standing.station,
        study=study_facts(study),
        patient=patient_facts(study),
        revision=standing.revision,
        priority=decision.priority,
        priority_words=decision.words,
        rule=decision.rule,
        policy_version=decision.policy_version,
        conclusion=conclusion(reading, decision, templates.wording),
        model=_model(reading),
        findings=tuple(_findings(reading, templates)),
        images=tuple(
            NotedObject(i.sop_class_uid, i.sop_instance_uid, i.series_uid) for i in reading.images
        ),
        reports=standing.reports,
        acr_category=reading.advice.acr_category if reading.advice else None,
        person=_person(reading),
        order=_order(standing.order),
        phantom=study.quality_control,
    )


def _model(reading: Reading) -> NotedModel:
    model = reading.model
    return NotedModel(
        name=model.name,
        version=model.version,
        manufacturer=model.manufacturer,
        device_uid=model.device_uid,
        outside_intended_use=reading.outside_intended_use,
    )


def _order(row: OrderRow | None) -> NotedOrder | None:
    if row is None:
        return None
    named = row.procedure_code or row.procedure_text
    return NotedOrder(
        placer_number=row.placer_number,
        filler_number=row.filler_number,
        procedure=Coded(row.procedure_scheme, row.procedure_code, row.procedure_text)
        if named
        else None,
        patient_class=row.patient_class,
        priority=row.priority,
    )


def _person(reading: Reading) -> NotedPerson | None:
    if reading.amendment is None:
        return None
    person = reading.amendment.person
    return NotedPerson(
        person.name, person.organisation, person.role.value, reading.amendment.verified
    )


def _findings(reading: Reading, templates: Templates) -> list[NotedFinding]:
    """What was assessed, what is present first; what was not assessed is not spoken of."""
    order = (Presence.PRESENT, Presence.UNCERTAIN, Presence.ABSENT)
    return [
        _finding(finding, templates)
        for presence in order
        for finding in reading.findings
        if finding.presence is presence
    ]


def _finding(finding: Finding, templates: Templates) -> NotedFinding:
    codes = templates.codes
    known = codes.findings[finding.kind]
    site = codes.zones[finding.zone] if finding.zone else codes.sites[known.site]
    return NotedFinding(
        key=finding.kind.value,
        code=_coded(known),
        presence=finding.presence.value,
        presence_code=_coded(codes.presence[finding.presence]),
        probability=None if finding.by_person else finding.probability,
        threshold=finding.threshold,
        calibrated=finding.calibrated,
        site=_coded(site),
        laterality=_coded(codes.laterality[finding.laterality]) if finding.laterality else None,
        severity=_coded(codes.severity[finding.severity]) if finding.severity else None,
        words=phrase(finding, templates.wording),
        by_person=finding.by_person,
    )


def _coded(entry: CodeEntry) -> Coded:
    return Coded(entry.scheme, entry.value, entry.meaning)
