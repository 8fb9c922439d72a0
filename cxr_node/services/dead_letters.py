"""What an operator may do about deliveries: try them again, or write them off by name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from cxr_node.domain.errors import IllegalMove
from cxr_node.domain.events import Event, emit
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.ports import Clock, Doorbell
from cxr_node.domain.study import StudyState
from cxr_node.services.settlement import close_revision
from cxr_node.store import dead_letters, studies
from cxr_node.store.database import Database
from cxr_node.store.dead_letters import STOPPED, Choice, Letter
from cxr_node.store.outbox import DeliveryState
from cxr_node.store.schema import RevisionRow

_HASTENED = (*STOPPED, DeliveryState.WAITING, DeliveryState.DROPPED)
_MOST = 10_000


class DeadLetters:
    """Acts on chosen deliveries, each change in one transaction with its study."""

    def __init__(self, db: Database, clock: Clock, bell: Doorbell) -> None:
        self._db = db
        self._clock = clock
        self._bell = bell

    def retry(self, choice: Choice) -> int:
        """Send again at once what waits, was given up or written off; how many."""
        now = self._clock.now()
        with self._db.begin() as session:
            found = dead_letters.letters(session, _HASTENED, choice, _MOST)
            for letter in found:
                dead_letters.start_anew(session, letter, now)
            session.flush()
            for revision_pk in {letter.revision_pk for letter in found}:
                reopen(session, revision_pk, now)
        for letter in found:
            emit(Event.DELIVERY_REPLAYED, peer=letter.destination, kind=letter.kind)
        if found:
            self._bell.ring("deliver")
        return len(found)

    def drop(self, choice: Choice, by: str) -> int:
        """Write off what was given up; how many. Raises :class:`IllegalMove` without a name."""
        if not by.strip():
            raise IllegalMove("whoever writes a delivery off must be named")
        now = self._clock.now()
        with self._db.begin() as session:
            found = dead_letters.letters(session, STOPPED, choice, _MOST)
            for letter in found:
                dead_letters.write_off(session, letter, by)
            session.flush()
            for revision_pk in {letter.revision_pk for letter in found}:
                if reopen(session, revision_pk, now):
                    close_revision(session, revision_pk, now)
        for letter in found:
            emit(Event.DELIVERY_DROPPED, peer=letter.destination, kind=letter.kind)
        return len(found)

    def listed(self, states: tuple[DeliveryState, ...], choice: Choice) -> list[Letter]:
        """The chosen deliveries in one of ``states``."""
        with self._db.read() as session:
            return dead_letters.letters(session, states, choice)


def reopen(session: Session, revision_pk: int, now: datetime) -> bool:
    """A study that failed in delivery is on its way again; False for any other."""
    revision = session.get_one(RevisionRow, revision_pk)
    reported = Milestone.REPORTED in studies.milestones(session, revision_pk)
    if revision.state != StudyState.PARKED or not reported:
        return False
    studies.move(session, revision_pk, StudyState.REPORTED, now)
    session.expire(revision)
    return True
