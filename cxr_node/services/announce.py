"""Telling other systems: an event of a study becomes a notice, and the notice deliveries.

The notice is made durable outside any transaction; the transaction that makes the event
true records it, so that nothing is told that did not happen, and nothing is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from cxr_node.config_messaging import MessageDestination
from cxr_node.domain.findings import Finding, Presence, Reading
from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.notice import (
    NOTICE_CLASS,
    Coded,
    NotedFinding,
    NotedModel,
    NotedObject,
    NotedOrder,
    NotedPerson,
    Notice,
    NoticeEvent,
)
from cxr_node.domain.ports import Clock, Spool, SpooledFile
from cxr_node.domain.priority import RANK, Priority, PriorityDecision, is_flag
from cxr_node.messaging.notice_files import encode_notice
from cxr_node.reporting.codes import CodeEntry
from cxr_node.reporting.narrative import conclusion, phrase
from cxr_node.reporting.templates import Templates
from cxr_node.services.prioritise import PERSON_RULE
from cxr_node.store import orders, outbox
from cxr_node.store.database import Database
from cxr_node.store.schema import RevisionRow, StudyRow
from cxr_node.store.schema_orders import OrderRow
from cxr_node.store.worklist import patient_facts, study_facts

KIND = "notice-"
"""How the kind of every notice begins among the result objects."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A notice that is durable but not yet recorded, and who is told."""

    notice: Notice
    file: SpooledFile
    destinations: tuple[str, ...]


class Announcer:
    """Makes notices for the destinations that asked for their event."""

    def __init__(
        self,
        *,
        db: Database,
        spool: Spool,
        clock: Clock,
        templates: Templates,
        station_name: str,
        site_key: str,
        told: Sequence[MessageDestination],
    ) -> None:
        self._db = db
        self._spool = spool
        self._clock = clock
        self._templates = templates
        self._station_name = station_name
        self._site_key = site_key
        self._told = tuple(told)

    def flag(
        self, revision_pk: int, reading: Reading, decision: PriorityDecision
    ) -> Announced | None:
        """The quick look asks for a flag; None where the study is as high already."""
        if not is_flag(decision.priority):
            return None
        with self._db.read() as session:
            revision = session.get_one(RevisionRow, revision_pk)
            rank = session.get_one(StudyRow, revision.study_pk).priority_rank
        if rank >= RANK[decision.priority]:
            return None
        return self._prepared(NoticeEvent.FLAGGED, revision_pk, reading, decision, ())

    def report(
        self,
        revision_pk: int,
        reading: Reading,
        decision: PriorityDecision,
        reports: Sequence[NotedObject],
    ) -> Announced | None:
        """A full reading is about to be reported."""
        event = NoticeEvent.CORRECTED if reading.amendment else NoticeEvent.REPORTED
        return self._prepared(event, revision_pk, reading, decision, reports)

    def record(self, session: Session, revision_pk: int, announced: Announced) -> None:
        """In the transaction that makes the event true: the notice and its deliveries."""
        notice, now = announced.notice, self._clock.now()
        row = outbox.add_object(
            session,
            revision_pk,
            kind=f"{KIND}{notice.event}",
            sop_class_uid=NOTICE_CLASS.text,
            sop_instance_uid=notice.uid.text,
            series_uid="",
            predecessor_uid="",
            file=announced.file,
            now=now,
        )
        for destination in announced.destinations:
            outbox.add_delivery(session, row.id, destination, now)

    def _prepared(
        self,
        event: NoticeEvent,
        revision_pk: int,
        reading: Reading,
        decision: PriorityDecision,
        reports: Sequence[NotedObject],
    ) -> Announced | None:
        names = tuple(told.name for told in self._told if event in told.events)
        if not names:
            return None
        notice = self._notice(event, revision_pk, reading, decision, reports)
        return Announced(notice, self._spool.write(notice.uid, encode_notice(notice)), names)

    def _notice(
        self,
        event: NoticeEvent,
        revision_pk: int,
        reading: Reading,
        decision: PriorityDecision,
        reports: Sequence[NotedObject],
    ) -> Notice:
        with self._db.read() as session:
            revision = session.get_one(RevisionRow, revision_pk)
            study = session.get_one(StudyRow, revision.study_pk)
            ordered = orders.order_of(session, study)
        decides = decision.rule == PERSON_RULE or RANK[decision.priority] >= study.priority_rank
        said = (reading.model.digest, decision.priority.value, len(reports))
        names = (self._site_key, study.study_uid, revision.number, event.value, *said)
        return Notice(
            uid=result_uid("notice", *names),
            event=event,
            at=self._clock.now(),
            station=self._station_name,
            study=study_facts(study),
            patient=patient_facts(study),
            revision=revision.number,
            priority=decision.priority if decides else Priority(study.priority),
            priority_words=decision.words if decides else study.priority_words,
            rule=decision.rule,
            policy_version=decision.policy_version,
            conclusion=conclusion(reading, decision, self._templates.wording),
            model=_model(reading),
            findings=tuple(_findings(reading, self._templates)),
            images=tuple(
                NotedObject(i.sop_class_uid, i.sop_instance_uid, i.series_uid)
                for i in reading.images
            ),
            reports=tuple(reports),
            acr_category=reading.advice.acr_category if reading.advice else None,
            person=_person(reading),
            order=_order(ordered),
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
