"""Instances and the bytes kept aside: what was received, in which revision, and its fate."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.errors import StoreUnavailable
from cxr_node.domain.instance import InstanceFacts, PatientFacts
from cxr_node.domain.ports import SpooledFile
from cxr_node.store.schema import InstanceRow, QuarantineRow, StudyRow
from cxr_node.store.statements import insert_once


def add_instance(
    session: Session,
    study: StudyRow,
    revision_number: int,
    facts: InstanceFacts,
    file: SpooledFile,
    sender: str,
    reason: str,
    now: datetime,
    *,
    as_prior: bool = False,
) -> InstanceRow:
    """File one instance; ``reason`` is empty for an eligible image.

    Raises :class:`StoreUnavailable` when the same instance is just being filed under
    another study: sent again, it will be seen as the duplicate or conflict it is.
    """
    values = {
        "study_pk": study.id,
        "revision_number": revision_number,
        "sop_instance_uid": facts.sop_instance_uid.text,
        "sop_class_uid": facts.sop_class_uid.text,
        "series_uid": facts.series_uid.text,
        "transfer_syntax": facts.transfer_syntax.text,
        "sha256": file.sha256,
        "size": file.size,
        "path": str(file.path),
        "sender": sender,
        "patient_key": patient_key(facts.patient),
        "view": facts.view.value,
        "rows": facts.pixels.rows,
        "columns": facts.pixels.columns,
        "is_image": is_image(facts),
        "reason": reason,
        "as_prior": as_prior,
        "received_at": now,
    }
    key = insert_once(session, InstanceRow, values)
    if key is None:
        raise StoreUnavailable("another association is filing this instance")
    return session.get_one(InstanceRow, key)


def replace_bytes(
    row: InstanceRow, facts: InstanceFacts, file: SpooledFile, sender: str, reason: str
) -> None:
    """Another file under the same UID is the instance from now on."""
    row.transfer_syntax = facts.transfer_syntax.text
    row.sha256, row.size, row.path = file.sha256, file.size, str(file.path)
    row.patient_key, row.view = patient_key(facts.patient), facts.view.value
    row.rows, row.columns = facts.pixels.rows, facts.pixels.columns
    row.sender, row.reason = sender, reason


def is_image(facts: InstanceFacts) -> bool:
    """Whether this instance is one of the study's images, and not a result of this node."""
    return facts.pixels.has_pixels and not facts.own_result


def patient_key(patient: PatientFacts) -> str:
    """Digest by which two patients in one study are told apart; empty without an ID."""
    if not patient.patient_id:
        return ""
    text = f"{patient.patient_id}\n{patient.issuer}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def add_quarantine(
    session: Session, *, reason: str, sha256: str, path: str, sender: str, now: datetime
) -> None:
    """Record bytes that were kept aside."""
    session.add(
        QuarantineRow(reason=reason, sha256=sha256, path=path, sender=sender, received_at=now)
    )


def find_instance(session: Session, sop_instance_uid: str) -> InstanceRow | None:
    """The instance of that UID, whatever study it came in."""
    statement = select(InstanceRow).filter_by(sop_instance_uid=sop_instance_uid)
    return session.scalars(statement).one_or_none()


def instances_of(session: Session, study_pk: int, up_to_revision: int) -> list[InstanceRow]:
    """What a revision contains: its own instances and those of earlier revisions."""
    statement = (
        select(InstanceRow)
        .where(InstanceRow.study_pk == study_pk, InstanceRow.revision_number <= up_to_revision)
        .order_by(InstanceRow.id)
    )
    return list(session.scalars(statement))
