"""What readers do with a study: take it, give it back, read it, acknowledge its flag."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.amendment import Person
from cxr_node.domain.errors import (
    AmendmentRefused,
    NothingToAcknowledge,
    StudyTaken,
    UnknownStudy,
)
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock
from cxr_node.reporting.list_rules import CriticalPolicy
from cxr_node.store import critical, desk
from cxr_node.store.database import Database
from cxr_node.store.schema import StudyRow
from cxr_node.store.schema_desk import DeskRow


class ReadingDesk:
    """Each call is one transaction; who loses a race is told who won."""

    def __init__(
        self, db: Database, clock: Clock, *, claim_minutes: float, policy: CriticalPolicy
    ) -> None:
        self._db = db
        self._clock = clock
        self._minutes = claim_minutes
        self._policy = policy

    def claim(self, study_uid: Uid, person: Person) -> datetime:
        """Take a study, or hold it longer; until when. Raises :class:`StudyTaken` when another
        reader holds it, :class:`UnknownStudy`."""
        now = self._clock.now()
        with self._db.begin() as session:
            study = _study(session, study_uid)
            _check(desk.claim(session, study.id, person, now, self._minutes))
            row = session.scalars(select(DeskRow).filter_by(study_pk=study.id)).one()
            until = row.claimed_until
        emit(Event.STUDY_CLAIMED, study=study_uid, role=person.role)
        assert until is not None
        return until

    def release(self, study_uid: Uid, person: Person, *, read: bool) -> None:
        """Give it back; ``read`` takes it off the list. Raises as :meth:`claim`."""
        with self._db.begin() as session:
            study = _study(session, study_uid)
            now = self._clock.now()
            _check(desk.release(session, study.id, person, now, read=read))
        emit(Event.STUDY_RELEASED, study=study_uid, role=person.role, read=read)

    def acknowledge(self, study_uid: Uid, person: Person) -> None:
        """Answer for the flag. Raises :class:`AmendmentRefused` for a role that may not,
        :class:`NothingToAcknowledge` where nothing waits, also when somebody was faster."""
        if person.role not in self._policy.roles:
            raise AmendmentRefused(f"the policy takes it from {', '.join(self._policy.roles)}")
        now = self._clock.now()
        with self._db.begin() as session:
            study = _study(session, study_uid)
            flag = critical.open_of(session, study.id)
            if flag is None or not critical.acknowledge(session, flag.id, person, now):
                raise NothingToAcknowledge("no flag of this study waits for an acknowledgement")
            desk.note(session, study.id, "acknowledged", now, person, flag.words)
            seconds, late = (now - flag.raised_at).total_seconds(), now > flag.due_at
        emit(
            Event.CRITICAL_ACKNOWLEDGED,
            study=study_uid,
            role=person.role,
            seconds=round(seconds),
            late=late,
        )


def _study(session: Session, study_uid: Uid) -> StudyRow:
    found = session.scalars(select(StudyRow).filter_by(study_uid=study_uid.text)).one_or_none()
    if found is None:
        raise UnknownStudy("the node has never seen this study")
    return found


def _check(holder: DeskRow | None) -> None:
    if holder is not None:
        until = f"{holder.claimed_until:%H:%M} UTC" if holder.claimed_until else "later"
        raise StudyTaken(f"{holder.reader_name}, {holder.reader_role}, reads it until {until}")
