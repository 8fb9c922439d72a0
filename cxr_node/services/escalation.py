"""Nobody has acknowledged a time-critical flag: who is next is told, one step after the other.

Due steps are found in the database, so that a restart forgets none and two dispatchers do
none twice.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock
from cxr_node.reporting.list_rules import CriticalPolicy, Escalation
from cxr_node.store import critical, desk
from cxr_node.store.database import Database
from cxr_node.store.schema import StudyRow
from cxr_node.store.schema_desk import CriticalResultRow


def escalate_due(db: Database, clock: Clock, policy: CriticalPolicy) -> int:
    """Take every step that is due; how many were taken."""
    now = clock.now()
    with db.read() as session:
        if not critical.overdue(session, now, limit=1):
            return 0
    told: list[tuple[Uid, int, Escalation, float]] = []
    with db.begin() as session:
        for flag in critical.overdue(session, now):
            step, after = policy.step(flag.level), policy.step(flag.level + 1)
            if not critical.escalated(session, flag, _next(flag, after) if step else None):
                continue
            if step is None:
                continue
            desk.note(session, flag.study_pk, "escalated", now, words=step.to)
            study = session.get_one(StudyRow, flag.study_pk)
            waited = (now - flag.raised_at).total_seconds()
            told.append((Uid(study.study_uid), flag.level + 1, step, waited))
    for uid, level, step, waited in told:
        emit(
            Event.CRITICAL_ESCALATED,
            level=logging.WARNING,
            study=uid,
            step=level,
            to=step.to,
            seconds=round(waited),
        )
    return len(told)


def _next(flag: CriticalResultRow, step: Escalation | None) -> datetime | None:
    return flag.raised_at + timedelta(minutes=step.after_minutes) if step else None
