"""What stored readings give the priority rules, without reading whole documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cxr_node.domain.findings import (
    DevicePosition,
    Finding,
    FindingKind,
    Presence,
    ReadingKind,
    Severity,
)
from cxr_node.domain.policy import PatientClass, PolicyInputs, policy_inputs
from cxr_node.store.schema import PriorityEventRow, ReadingRow, RevisionRow, StudyRow
from cxr_node.store.schema_desk import DeskRow, PriorityInputsRow


@dataclass(frozen=True, slots=True)
class StoredInputs:
    """One study's newest full reading as the rules see it."""

    study_uid: str
    inputs: PolicyInputs
    department: str
    """Tells the patient's class where nothing was known when it was decided."""
    by_person: bool
    """Whether a person has set the priority, so that no rule decides."""


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """One decision as it was made."""

    at: datetime
    source: str
    before: str
    after: str
    proposed: str
    rule: str
    words: str
    policy_version: str
    inputs: Mapping[str, Any]
    """Empty where a person decided, or where it was made before inputs were kept."""


def readings_since(session: Session, since: datetime | None) -> int:
    """Number of studies that :func:`stored_inputs` will give."""
    newest = _newest(since).subquery()
    return session.scalar(select(func.count()).select_from(newest)) or 0


def stored_inputs(session: Session, since: datetime | None) -> Iterator[StoredInputs]:
    """The newest full reading of each study that came since then, in the order of arrival."""
    newest = _newest(since).subquery()
    document = ReadingRow.document
    event = (
        select(func.max(PriorityEventRow.id))
        .join(PriorityInputsRow, PriorityInputsRow.event_pk == PriorityEventRow.id)
        .where(PriorityEventRow.study_pk == StudyRow.id)
        .scalar_subquery()
    )
    statement = (
        select(
            StudyRow.study_uid,
            document["findings"].label("findings"),
            document["changes"].label("changes"),
            document["advice"].label("advice"),
            document["outside_intended_use"].label("outside"),
            document["amendment"].label("amendment"),
            DeskRow.department,
            PriorityInputsRow.document.label("decided_on"),
        )
        .join(newest, newest.c.study_pk == StudyRow.id)
        .join(ReadingRow, ReadingRow.revision_pk == newest.c.revision_pk)
        .outerjoin(DeskRow, DeskRow.study_pk == StudyRow.id)
        .outerjoin(PriorityInputsRow, PriorityInputsRow.event_pk == event)
        .where(ReadingRow.kind == ReadingKind.READ.value)
        .order_by(StudyRow.id)
        .execution_options(yield_per=200)
    )
    for row in session.execute(statement):
        yield StoredInputs(
            row.study_uid,
            _inputs(row),
            row.department or "",
            bool((row.amendment or {}).get("priority")),
        )


def _newest(since: datetime | None) -> Any:
    statement = (
        select(RevisionRow.study_pk, func.max(RevisionRow.id).label("revision_pk"))
        .join(ReadingRow, ReadingRow.revision_pk == RevisionRow.id)
        .where(ReadingRow.kind == ReadingKind.READ.value)
        .group_by(RevisionRow.study_pk)
    )
    if since is not None:
        recent = select(StudyRow.id).where(StudyRow.created_at >= since)
        statement = statement.where(RevisionRow.study_pk.in_(recent))
    return statement


def _inputs(row: Any) -> PolicyInputs:
    told = (row.decided_on or {}).get("patient_class", PatientClass.UNKNOWN)
    return policy_inputs(
        [_finding(said) for said in row.findings],
        row.changes or (),
        advice=(row.advice or {}).get("acr_category"),
        outside=bool(row.outside),
        patient_class=PatientClass(told),
    )


def _finding(said: Mapping[str, Any]) -> Finding:
    severity, position = said.get("severity"), said.get("position")
    return Finding(
        kind=FindingKind(said["kind"]),
        presence=Presence(said["presence"]),
        probability=said.get("probability"),
        threshold=said["threshold"],
        severity=Severity(severity) if severity else None,
        position=DevicePosition(position) if position else None,
        by_person=said.get("by_person", False),
    )


def decisions_of(session: Session, study_pk: int) -> list[StoredDecision]:
    """Every decision about a study's priority, oldest first."""
    statement = (
        select(PriorityEventRow, PriorityInputsRow.document)
        .outerjoin(PriorityInputsRow, PriorityInputsRow.event_pk == PriorityEventRow.id)
        .where(PriorityEventRow.study_pk == study_pk)
        .order_by(PriorityEventRow.id)
    )
    return [
        StoredDecision(
            at=row.at,
            source=row.source,
            before=row.before,
            after=row.after,
            proposed=row.proposed,
            rule=row.rule,
            words=row.words,
            policy_version=row.policy_version,
            inputs=inputs or {},
        )
        for row, inputs in session.execute(statement)
    ]
