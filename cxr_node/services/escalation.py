"""Nobody has acknowledged a time-critical flag: who is next is told, one step after the other.

Due steps are found in the database, so that a restart forgets none and two dispatchers do
none twice. The step and what is told of it are one transaction.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.notice import NotedEscalation
from cxr_node.domain.ports import Clock, Doorbell
from cxr_node.domain.priority import Priority, PriorityDecision
from cxr_node.reporting.list_rules import CriticalPolicy, Escalation
from cxr_node.services.announce import Announced, Announcer
from cxr_node.store import critical, desk, readings
from cxr_node.store.database import Database
from cxr_node.store.schema import StudyRow
from cxr_node.store.schema_desk import CriticalResultRow


def escalate_due(
    db: Database,
    clock: Clock,
    policy: CriticalPolicy,
    announcer: Announcer | None = None,
    bell: Doorbell | None = None,
) -> int:
    """Take every step that is due; how many were taken."""
    now = clock.now()
    with db.read() as session:
        due = critical.overdue(session, now)
    taken = [_take(db, flag, policy, announcer, now) for flag in due]
    if bell is not None and announcer is not None and any(taken):
        bell.ring("deliver")
    return sum(taken)


def _take(
    db: Database,
    flag: CriticalResultRow,
    policy: CriticalPolicy,
    announcer: Announcer | None,
    now: datetime,
) -> bool:
    """One step of one flag; False where nobody is left, or another process was faster."""
    step = policy.step(flag.level)
    told = _announced(db, flag, step, announcer) if step and announcer else None
    after = policy.step(flag.level + 1) if step else None
    next_at = flag.raised_at + timedelta(minutes=after.after_minutes) if after else None
    with db.begin() as session:
        if not critical.escalated(session, flag, next_at) or step is None:
            return False
        desk.note(session, flag.study_pk, "escalated", now, words=step.to)
        if announcer is not None and told is not None and flag.revision_pk is not None:
            announcer.record(session, flag.revision_pk, told)
        uid = Uid(session.get_one(StudyRow, flag.study_pk).study_uid)
    emit(
        Event.CRITICAL_ESCALATED,
        level=logging.WARNING,
        study=uid,
        step=flag.level + 1,
        to=step.to,
        seconds=round((now - flag.raised_at).total_seconds()),
    )
    return True


def _announced(
    db: Database, flag: CriticalResultRow, step: Escalation, announcer: Announcer
) -> Announced | None:
    """The notice, durable but not yet recorded; None where no reading is left to speak of."""
    if flag.revision_pk is None:
        return None
    with db.read() as session:
        reading = readings.latest_reading(session, flag.revision_pk)
    if reading is None:
        return None
    decision = PriorityDecision(Priority(flag.priority), flag.rule, flag.words, flag.policy_version)
    noted = NotedEscalation(flag.level + 1, step.to, flag.raised_at)
    return announcer.escalate(flag.revision_pk, reading, decision, noted)
