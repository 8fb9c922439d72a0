"""A person corrects a reading, or says what they think of its findings.

A correction opens a new revision with a job of its own; the reading, the objects and the rows
of the corrected revision are never touched. Of two persons who correct the same revision the
second is told to look again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.amendment import (
    LONGEST_REASON,
    MOST_CORRECTIONS,
    Amendment,
    Correction,
    Person,
    in_force,
    plain_text,
)
from cxr_node.domain.assessment import Opinion
from cxr_node.domain.errors import AmendmentConflict, AmendmentRefused, UnknownStudy
from cxr_node.domain.events import Event, emit
from cxr_node.domain.findings import ModelIdentity, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock, Doorbell
from cxr_node.domain.priority import RANK, Priority
from cxr_node.domain.study import StudyState
from cxr_node.reasoning.recorded import verifiable
from cxr_node.reporting.templates import Templates
from cxr_node.services.amended_runs import first_changed, other_model
from cxr_node.services.opinions import check_assessable, implied
from cxr_node.services.prioritise import person_decision
from cxr_node.store import amendments, assessments, jobs, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.priorities import set_priority
from cxr_node.store.schema import RevisionRow, StudyRow
from cxr_node.store.statements import locked

_AMENDABLE = (StudyState.REPORTED, StudyState.DELIVERED, StudyState.PARKED)
_LEAST_RANK = RANK[Priority.HIGH]
"""A person waits for it: routine studies do not go first."""


@dataclass(frozen=True, slots=True)
class AmendmentWish:
    """What a person asks for. Raises :class:`AmendmentRefused` for what makes no sense."""

    person: Person
    reason: str
    corrections: tuple[Correction, ...] = ()
    verified: bool = False
    priority: Priority | None = None
    revision: int | None = None
    """The revision that the person looked at; None takes the newest, whatever it says."""

    def __post_init__(self) -> None:
        reason = plain_text("reason", self.reason, LONGEST_REASON)
        object.__setattr__(self, "reason", reason)
        if not reason:
            raise AmendmentRefused("reason: say why")
        if not (self.corrections or self.verified or self.priority):
            raise AmendmentRefused("nothing is corrected, verified or given another priority")
        if len(self.corrections) > MOST_CORRECTIONS:
            raise AmendmentRefused(f"more than {MOST_CORRECTIONS} corrections at once")
        if len({c.key for c in self.corrections}) < len(self.corrections):
            raise AmendmentRefused("one question is corrected twice")
        if self.verified and not self.person.role.may_verify:
            raise AmendmentRefused(f"a {self.person.role} may correct, but not verify")


class Amendments:
    """Takes what persons say of readings. Names no study in the log but by its digest."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        bell: Doorbell,
        templates: Templates,
        model: Callable[[], ModelIdentity],
    ) -> None:
        self._db = db
        self._clock = clock
        self._bell = bell
        self._templates = templates
        self._model = model

    def amend(self, study_uid: Uid, wish: AmendmentWish) -> int:
        """Queue what follows the corrections to be read again; the number of the new revision.

        A priority that the person sets holds at once. Raises :class:`UnknownStudy`,
        :class:`AmendmentRefused`, and :class:`AmendmentConflict` where the study is not in a
        state to be corrected, or is no longer what the person looked at.
        """
        model = self._model()
        with self._db.begin() as session:
            study, base = _locked(session, study_uid)
            if wish.revision not in (None, base.number):
                raise _stale(wish.revision, base.number)
            reading = _amendable(session, base, model)
            _check_used(reading, wish.corrections)
            number = self._open(session, study, base, reading, wish)
        emit(
            Event.AMENDMENT_REQUESTED,
            study=study_uid,
            revision=number,
            corrections=len(wish.corrections),
            verified=wish.verified,
        )
        self._bell.ring("read")
        return number

    def _open(
        self,
        session: Session,
        study: StudyRow,
        base: RevisionRow,
        reading: Reading,
        wish: AmendmentWish,
    ) -> int:
        now = self._clock.now()
        amendment = Amendment(
            base_revision=base.number,
            corrections=wish.corrections,
            person=wish.person,
            reason=wish.reason,
            at=now,
            verified=wish.verified,
            priority=wish.priority,
            carried=_carried(reading, wish.corrections),
        )
        opinions = tuple(implied(reading, wish.corrections))
        assessments.add_assessments(session, base.id, opinions, wish.person, now)
        revision = amendments.add_amended_revision(session, base, amendment, now)
        if wish.priority is not None:
            decision = person_decision(amendment, self._templates)
            set_priority(session, study.id, revision.id, decision, wish.person.role.value, now)
        rank = max(study.priority_rank, _LEAST_RANK)
        jobs.add_job(session, revision.id, JobKind.AMEND, rank, now)
        return revision.number

    def assess(
        self,
        study_uid: Uid,
        opinions: Sequence[Opinion],
        person: Person,
        revision: int | None = None,
    ) -> int:
        """Record verdicts on the findings of the newest full reading; its revision's number.

        Raises as :meth:`amend`.
        """
        if not opinions or len({o.finding for o in opinions}) < len(opinions):
            raise AmendmentRefused("give one verdict for each of one or more findings")
        with self._db.begin() as session:
            study, _ = _locked(session, study_uid)
            found = readings.newest_full_reading(session, study.id)
            if found is None:
                raise AmendmentConflict("the study has no full reading yet")
            row, reading = found
            if revision not in (None, row.number):
                raise _stale(revision, row.number)
            for opinion in opinions:
                check_assessable(reading, opinion)
            assessments.add_assessments(session, row.id, opinions, person, self._clock.now())
            number = row.number
        emit(Event.ASSESSMENT_RECORDED, study=study_uid, revision=number, findings=len(opinions))
        return number


def _locked(session: Session, study_uid: Uid) -> tuple[StudyRow, RevisionRow]:
    """The study, locked until the transaction ends, and its newest revision."""
    statement = locked(select(StudyRow).filter_by(study_uid=study_uid.text))
    study = session.scalars(statement).one_or_none()
    base = studies.current_revision(session, study.id) if study else None
    if study is None or base is None:
        raise UnknownStudy("the node has never seen this study")
    return study, base


def _stale(seen: int | None, newest: int) -> AmendmentConflict:
    return AmendmentConflict(
        f"revision {seen} is not the newest reading any more; look at revision {newest} first"
    )


def _amendable(session: Session, base: RevisionRow, model: ModelIdentity) -> Reading:
    """The reading to be corrected. Raises :class:`AmendmentConflict` saying what to do."""
    state = StudyState(base.state)
    if state not in _AMENDABLE:
        raise AmendmentConflict(f"the study is {state}; it can be corrected once it is reported")
    reading = readings.load_reading(session, base.id, ReadingKind.READ)
    if reading is None:
        raise AmendmentConflict("the newest revision was not read; run cxr-node replay first")
    if not verifiable(reading):
        raise AmendmentConflict("the reading was stored before turns were kept whole")
    if problem := other_model(reading.model, model):
        raise AmendmentConflict(problem)
    return reading


def _check_used(reading: Reading, corrections: Sequence[Correction]) -> None:
    if not corrections or first_changed(reading.turns, corrections) is not None:
        return
    asked = {turn.key for turn in reading.turns}
    if any(correction.key in asked for correction in corrections):
        raise AmendmentRefused("a person has given these very answers already")
    raise AmendmentRefused("the reading did not come to any of these questions")


def _carried(reading: Reading, corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """What earlier amendments gave, less what is given anew."""
    earlier = reading.amendment
    if earlier is None:
        return ()
    anew = {correction.key for correction in corrections}
    kept = in_force((*earlier.carried, *earlier.corrections))
    return tuple(correction for correction in kept if correction.key not in anew)
