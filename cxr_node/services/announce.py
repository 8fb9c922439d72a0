"""Telling other systems: an event of a study becomes a notice, and the notice deliveries.

The notice is made durable outside any transaction; the transaction that makes the event
true records it, so that nothing is told that did not happen, and nothing is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from cxr_node.config_messaging import MessageDestination
from cxr_node.domain.findings import Reading
from cxr_node.domain.identifiers import result_uid
from cxr_node.domain.notice import (
    NOTICE_CLASS,
    NotedEscalation,
    NotedObject,
    Notice,
    NoticeEvent,
)
from cxr_node.domain.ports import Clock, Spool, SpooledFile
from cxr_node.domain.priority import RANK, Priority, PriorityDecision, is_flag
from cxr_node.messaging.notice_files import encode_notice
from cxr_node.reporting.templates import Templates
from cxr_node.services.noting import Standing, noted
from cxr_node.services.prioritise import PERSON_RULE
from cxr_node.store import orders, outbox
from cxr_node.store.database import Database
from cxr_node.store.schema import RevisionRow, StudyRow

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

    def escalate(
        self,
        revision_pk: int,
        reading: Reading,
        decision: PriorityDecision,
        escalation: NotedEscalation,
    ) -> Announced | None:
        """Nobody has acknowledged the flag that ``decision`` raised."""
        event = NoticeEvent.ESCALATED
        return self._prepared(event, revision_pk, reading, decision, (), escalation)

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
        escalation: NotedEscalation | None = None,
    ) -> Announced | None:
        names = tuple(told.name for told in self._told if event in told.events)
        if not names:
            return None
        notice = self._notice(event, revision_pk, reading, decision, reports, escalation)
        return Announced(notice, self._spool.write(notice.uid, encode_notice(notice)), names)

    def _notice(
        self,
        event: NoticeEvent,
        revision_pk: int,
        reading: Reading,
        decision: PriorityDecision,
        reports: Sequence[NotedObject],
        escalation: NotedEscalation | None = None,
    ) -> Notice:
        with self._db.read() as session:
            revision = session.get_one(RevisionRow, revision_pk)
            study = session.get_one(StudyRow, revision.study_pk)
            ordered = orders.order_of(session, study)
        decides = decision.rule == PERSON_RULE or RANK[decision.priority] >= study.priority_rank
        told = (escalation.step, escalation.raised_at.isoformat()) if escalation else ()
        said = (reading.model.digest, decision.priority.value, len(reports), *told)
        names = (self._site_key, study.study_uid, revision.number, event.value, *said)
        notice = noted(
            Standing(
                uid=result_uid("notice", *names),
                event=event,
                at=self._clock.now(),
                station=self._station_name,
                study=study,
                revision=revision.number,
                reading=reading,
                decision=replace(
                    decision,
                    priority=decision.priority if decides else Priority(study.priority),
                    words=decision.words if decides else study.priority_words,
                ),
                order=ordered,
                reports=tuple(reports),
            ),
            self._templates,
        )
        return replace(notice, escalation=escalation)
