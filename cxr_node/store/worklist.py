"""The reading worklist and its counts, in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session, aliased

from cxr_node.domain.eligibility import WORDS, Reason
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, StudyFacts
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.priority import FLAG_FROM, RANK, Priority, is_flag
from cxr_node.domain.study import StudyState, VisibleState, visible_state
from cxr_node.domain.worklist import (
    Acknowledgement,
    DeliveryStatus,
    ReaderClaim,
    WorklistEntry,
)
from cxr_node.store.jobs import JobKind, JobState
from cxr_node.store.outbox import DeliveryState
from cxr_node.store.reading_order import EVERYTHING, ListView, open_studies, study_keys
from cxr_node.store.schema import (
    DeliveryRow,
    InstanceRow,
    JobRow,
    MilestoneRow,
    ReadingRow,
    ResultObjectRow,
    RevisionRow,
    StudyRow,
)
from cxr_node.store.schema_desk import CriticalResultRow, DeskRow
from cxr_node.store.statements import among

_SHOWN = (Milestone.LAST_IMAGE.value, Milestone.REPORTED.value)


@dataclass
class _Details:
    """What the entries need beyond study and revision, by study or revision key."""

    views: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    findings: dict[int, tuple[str, ...]] = field(default_factory=dict)
    review: dict[int, bool] = field(default_factory=dict)
    moments: dict[tuple[int, str], datetime] = field(default_factory=dict)
    deliveries: dict[int, list[DeliveryStatus]] = field(default_factory=lambda: defaultdict(list))
    desk: dict[int, DeskRow] = field(default_factory=dict)
    critical: dict[int, CriticalResultRow] = field(default_factory=dict)


def worklist(
    session: Session,
    view: ListView = EVERYTHING,
    *,
    limit: int = 500,
    study_uid: str | None = None,
) -> list[WorklistEntry]:
    """Studies with their newest revision, as :func:`study_keys` orders them."""
    if study_uid is None:
        keys = study_keys(session, view, limit)
    else:
        keys = list(session.scalars(select(StudyRow.id).filter_by(study_uid=study_uid)))
    rows = session.execute(_newest_revisions().where(among(StudyRow.id, keys)))
    pairs = {study.id: (study, revision) for study, revision in rows}
    details = _details(session, list(pairs), [revision.id for _, revision in pairs.values()])
    return [_entry(*pairs[key], details, view) for key in keys if key in pairs]


def _newest_revisions() -> Select[StudyRow, RevisionRow]:
    other = aliased(RevisionRow)
    newest = select(func.max(other.number)).where(other.study_pk == StudyRow.id).scalar_subquery()
    return (
        select(StudyRow, RevisionRow)
        .join(RevisionRow, RevisionRow.study_pk == StudyRow.id)
        .where(RevisionRow.number == newest)
    )


def _active() -> Select[StudyRow, RevisionRow]:
    """Every study with its newest revision, where all of them are wanted."""
    newest = (
        select(RevisionRow.study_pk, func.max(RevisionRow.number).label("number"))
        .group_by(RevisionRow.study_pk)
        .subquery()
    )
    return (
        select(StudyRow, RevisionRow)
        .join(RevisionRow, RevisionRow.study_pk == StudyRow.id)
        .join(
            newest,
            (newest.c.study_pk == RevisionRow.study_pk) & (newest.c.number == RevisionRow.number),
        )
    )


def _details(session: Session, studies: list[int], revisions: list[int]) -> _Details:
    found = _Details()
    for study_pk, view in session.execute(
        select(InstanceRow.study_pk, InstanceRow.view)
        .where(among(InstanceRow.study_pk, studies), InstanceRow.is_image, InstanceRow.reason == "")
        .order_by(InstanceRow.id)
    ):
        if view not in found.views[study_pk]:
            found.views[study_pk].append(view)
    for revision_pk, name, at in session.execute(
        select(MilestoneRow.revision_pk, MilestoneRow.name, MilestoneRow.at).where(
            among(MilestoneRow.revision_pk, revisions), MilestoneRow.name.in_(_SHOWN)
        )
    ):
        found.moments[revision_pk, name] = at
    _add_findings(session, studies, found)
    _add_deliveries(session, revisions, found)
    _add_desk(session, studies, found)
    return found


def _add_desk(session: Session, studies: list[int], found: _Details) -> None:
    rows = select(DeskRow).where(among(DeskRow.study_pk, studies))
    found.desk = {row.study_pk: row for row in session.scalars(rows)}
    flags = select(CriticalResultRow).where(among(CriticalResultRow.study_pk, studies))
    for flag in session.scalars(flags.order_by(CriticalResultRow.id)):
        found.critical[flag.study_pk] = flag


def _add_findings(session: Session, studies: list[int], found: _Details) -> None:
    """Oldest revision first and triage before the full reading, so that the newest stays."""
    full_last = case((ReadingRow.kind == ReadingKind.READ.value, 1), else_=0)
    for study_pk, present, review in session.execute(
        select(RevisionRow.study_pk, ReadingRow.present, ReadingRow.review)
        .join(RevisionRow, RevisionRow.id == ReadingRow.revision_pk)
        .where(among(RevisionRow.study_pk, studies))
        .order_by(RevisionRow.number, full_last)
    ):
        found.findings[study_pk] = tuple(present.split())
        found.review[study_pk] = review


def _add_deliveries(session: Session, revisions: list[int], found: _Details) -> None:
    row = DeliveryRow
    told = (row.destination, row.state, row.attempts, row.last_status, row.last_error)
    for revision_pk, to, state, attempts, status, error in session.execute(
        select(ResultObjectRow.revision_pk, *told)
        .join(ResultObjectRow, ResultObjectRow.id == DeliveryRow.object_pk)
        .where(among(ResultObjectRow.revision_pk, revisions))
        .order_by(DeliveryRow.id)
    ):
        found.deliveries[revision_pk].append(DeliveryStatus(to, state, attempts, status, error))


def _entry(
    study: StudyRow, revision: RevisionRow, details: _Details, view: ListView
) -> WorklistEntry:
    state, priority = StudyState(revision.state), Priority(study.priority)
    visible = visible_state(state, flagged=is_flag(priority))
    moments, key = details.moments, revision.id
    desk = details.desk.get(study.id)
    return WorklistEntry(
        study=study_facts(study),
        patient=patient_facts(study),
        revision=revision.number,
        state=state,
        visible=visible,
        words=_words(visible, revision.reason, study.priority_words),
        priority=priority,
        priority_words=study.priority_words,
        sender=study.sender,
        view=", ".join(details.views.get(study.id, ())),
        findings=_shown(state, details.findings.get(study.id, ())),
        review=state is not StudyState.NOT_ELIGIBLE and details.review.get(study.id, False),
        received_at=study.created_at,
        last_image_at=moments.get((key, Milestone.LAST_IMAGE.value), revision.last_received_at),
        flagged_at=study.flagged_at,
        reported_at=moments.get((key, Milestone.REPORTED.value)),
        deliveries=tuple(details.deliveries.get(key, ())),
        phantom=study.quality_control,
        due_at=view.order.due_at(priority, study.created_at),
        claim=_claim(desk, view.now),
        read_at=desk.read_at if desk else None,
        critical=_acknowledgement(details.critical.get(study.id)),
    )


def _claim(desk: DeskRow | None, now: datetime | None) -> ReaderClaim | None:
    if desk is None or desk.claimed_until is None or (now and desk.claimed_until <= now):
        return None
    names = (desk.reader_name, desk.reader_organisation, desk.reader_role)
    return ReaderClaim(*names, desk.claimed_until)


def _acknowledgement(row: CriticalResultRow | None) -> Acknowledgement | None:
    if row is None:
        return None
    by = f"{row.person_name}, {row.role}" if row.acknowledged_at else ""
    return Acknowledgement(row.due_at, row.level, row.acknowledged_at, by)


def _shown(state: StudyState, findings: tuple[str, ...]) -> tuple[str, ...]:
    """A quick look at a study that then proved not eligible must not pass for a reading."""
    return () if state is StudyState.NOT_ELIGIBLE else findings


def study_facts(row: StudyRow) -> StudyFacts:
    """What a study's row says of the study."""
    return StudyFacts(
        study_uid=Uid(row.study_uid),
        accession_number=row.accession_number,
        study_id=row.study_id,
        study_date=row.study_date,
        study_time=row.study_time,
        description=row.description,
        referring_physician=row.referring_physician,
    )


def patient_facts(row: StudyRow) -> PatientFacts:
    """What a study's row says of the patient."""
    return PatientFacts(
        patient_id=row.patient_id,
        issuer=row.issuer,
        name=row.patient_name,
        birth_date=row.birth_date,
        sex=row.sex,
    )


def _words(visible: VisibleState, reason: str, priority_words: str) -> str:
    if visible is VisibleState.NOT_ELIGIBLE:
        return WORDS[Reason(reason)] if reason in set(Reason) else reason
    if visible is VisibleState.FLAGGED:
        return priority_words
    return reason


def counts(session: Session, since: datetime | None = None) -> dict[str, int]:
    """Number of studies by visible state; every state is named.

    With ``since`` only of those that came since then or are still being read by the model.
    """
    chosen = _active()
    if since is not None:
        chosen = _newest_revisions().where(StudyRow.id.in_(open_studies(since)))
    active = chosen.subquery()
    flagged = active.c.priority_rank >= RANK[FLAG_FROM]
    total = {state.value: 0 for state in VisibleState}
    rows = session.execute(
        select(active.c.state, flagged, func.count()).group_by(active.c.state, flagged)
    )
    for state, is_flagged, number in rows:
        total[visible_state(StudyState(state), flagged=bool(is_flagged)).value] += number
    return total


def queue_depth(session: Session) -> dict[str, int]:
    """Number of jobs waiting by kind, and of deliveries under ``deliver``."""
    rows = session.execute(
        select(JobRow.kind, func.count())
        .where(JobRow.state == JobState.WAITING.value)
        .group_by(JobRow.kind)
    )
    waiting = {kind: number for kind, number in rows}  # noqa: C416 - dict() takes rows for a mapping
    depth = {kind.value: waiting.get(kind.value, 0) for kind in JobKind}
    open_deliveries = select(func.count()).where(DeliveryRow.state == DeliveryState.WAITING.value)
    depth["deliver"] = session.scalar(open_deliveries) or 0
    return depth
