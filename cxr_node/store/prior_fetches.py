"""Searches for earlier studies: one for each revision, claimed like a job, never in its way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.prior_search import FetchOutcome, FetchState
from cxr_node.store import jobs
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import InstanceRow, PriorFetchRow, RevisionRow, StudyRow
from cxr_node.store.statements import insert_once

MOST_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class PriorWanted:
    """One search that was claimed: whose earlier study is looked for."""

    fetch_pk: int
    revision_pk: int
    study: StudyFacts
    patient: PatientFacts


def ask(session: Session, revision_pk: int, now: datetime) -> None:
    """Have an earlier study searched for; once for each revision."""
    values = {"revision_pk": revision_pk, "state": FetchState.WAITING.value, "created_at": now}
    insert_once(session, PriorFetchRow, values)


def claim(session: Session, now: datetime, lease_seconds: float) -> PriorWanted | None:
    """The oldest search that nobody is at."""
    lost = and_(
        PriorFetchRow.state == FetchState.RUNNING.value,
        PriorFetchRow.lease_until < now,
        PriorFetchRow.attempts < MOST_ATTEMPTS,
    )
    picked = (
        select(PriorFetchRow.id)
        .where(or_(PriorFetchRow.state == FetchState.WAITING.value, lost))
        .order_by(PriorFetchRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    statement = (
        update(PriorFetchRow)
        .where(PriorFetchRow.id.in_(select(picked.c.id)))
        .values(
            state=FetchState.RUNNING.value,
            attempts=PriorFetchRow.attempts + 1,
            lease_until=now + timedelta(seconds=lease_seconds),
        )
        .returning(PriorFetchRow.id, PriorFetchRow.revision_pk)
        .execution_options(synchronize_session=False)
    )
    found = session.execute(statement).one_or_none()
    return _wanted(session, found.id, found.revision_pk) if found else None


def _wanted(session: Session, fetch_pk: int, revision_pk: int) -> PriorWanted:
    revision = session.get_one(RevisionRow, revision_pk)
    row = session.get_one(StudyRow, revision.study_pk)
    study = StudyFacts(Uid(row.study_uid), study_date=row.study_date, study_time=row.study_time)
    patient = PatientFacts(row.patient_id, row.issuer, row.patient_name, row.birth_date)
    return PriorWanted(fetch_pk, revision_pk, study, patient)


def expect(session: Session, fetch_pk: int, prior: Uid, source: str, source_ae: str) -> None:
    """From now on what arrives of ``prior`` was fetched."""
    session.execute(
        update(PriorFetchRow)
        .where(PriorFetchRow.id == fetch_pk)
        .values(prior_uid=prior.text, source=source, source_ae=source_ae)
    )


def is_expected(session: Session, study_uid: str, sender: str, *, ours: bool) -> bool:
    """Whether an instance of this study comes because it was fetched.

    ``ours`` says that its C-STORE names this node's C-MOVE; then it does however late. A
    sender that names none is believed only while the search is on.
    """
    statement = select(PriorFetchRow.id).where(PriorFetchRow.prior_uid == study_uid).limit(1)
    if not ours:
        statement = statement.where(
            PriorFetchRow.state == FetchState.RUNNING.value, PriorFetchRow.source_ae == sender
        )
    return session.scalar(statement) is not None


def is_known(session: Session, study_uid: Uid) -> bool:
    """Whether images of this study are here already."""
    of_study = select(StudyRow.id).filter_by(study_uid=study_uid.text).scalar_subquery()
    statement = select(InstanceRow.id).where(
        InstanceRow.study_pk == of_study, InstanceRow.is_image, InstanceRow.reason == ""
    )
    return session.scalar(statement.limit(1)) is not None


def finish(session: Session, wanted: PriorWanted, outcome: FetchOutcome, now: datetime) -> None:
    """The search is over: the full reading waits no longer."""
    session.execute(
        update(PriorFetchRow)
        .where(PriorFetchRow.id == wanted.fetch_pk)
        .values(
            state=FetchState.DONE.value,
            outcome=outcome.value,
            lease_until=None,
            finished_at=now,
        )
    )
    jobs.let_go(session, wanted.revision_pk, JobKind.READ)


def is_open(session: Session, revision_pk: int) -> bool:
    """Whether a search of this revision has not ended."""
    statement = select(PriorFetchRow.id).where(
        PriorFetchRow.revision_pk == revision_pk, PriorFetchRow.state != FetchState.DONE.value
    )
    return session.scalar(statement) is not None


def was_vain(session: Session, revision_pk: int) -> bool:
    """Whether a search was begun and gave no answer: perhaps there is an earlier study."""
    statement = select(PriorFetchRow.id).where(
        PriorFetchRow.revision_pk == revision_pk,
        or_(
            PriorFetchRow.state != FetchState.DONE.value,
            PriorFetchRow.outcome == FetchOutcome.FAILED.value,
        ),
    )
    return session.scalar(statement) is not None
