"""The audit trail: records that hang on one another by digests, added one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from cxr_node.store.schema import StudyRow
from cxr_node.store.schema_audit import AuditRow, AuditSentRow

_LOCK = 0x43585241
_PAGE = 500
REPOSITORY = "syslog"


@dataclass(frozen=True, slots=True)
class Entry:
    """What shall be recorded: ``document`` is JSON, without anything that names a patient."""

    at: datetime
    event: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in the trail."""

    number: int
    at: datetime
    event: str
    document: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the trail is whole; ``broken_at`` is the first record that does not fit."""

    records: int
    head: str
    broken_at: int | None


def append(session: Session, entries: Sequence[Entry]) -> None:
    """Add the entries after the newest record; of two writers one waits for the other."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    last = session.scalar(select(AuditRow).order_by(AuditRow.id.desc()).limit(1))
    number, previous = (last.id, last.digest) if last else (0, "")
    for entry in entries:
        number += 1
        document = _canonical(entry, number)
        digest = _chained(previous, document)
        session.add(
            AuditRow(
                id=number,
                at=entry.at,
                event=entry.event,
                document=document,
                previous=previous,
                digest=digest,
            )
        )
        previous = digest


def verify(session: Session) -> Verdict:
    """Compute every digest again."""
    previous, expected = "", 0
    for row in _rows(session, 0):
        expected += 1
        whole = row.previous == previous and row.digest == _chained(previous, row.document)
        if row.id != expected or not whole or not _says_the_same(row):
            return Verdict(expected - 1, previous, expected)
        previous = row.digest
    told = sent_up_to(session)
    return Verdict(expected, previous, expected + 1 if told > expected else None)


def records(session: Session, after: int = 0) -> Iterator[Record]:
    """Every record behind number ``after``, in order."""
    for row in _rows(session, after):
        yield Record(row.id, row.at, row.event, json.loads(row.document), row.digest)


def unsent(session: Session, most: int) -> list[Record]:
    """The next records that the repository has not been told."""
    found = records(session, sent_up_to(session))
    return [record for _, record in zip(range(most), found, strict=False)]


def sent_up_to(session: Session) -> int:
    """Number of the last record that the repository was told; 0 before the first."""
    row = session.get(AuditSentRow, REPOSITORY)
    return row.record if row else 0


def mark_sent(session: Session, number: int) -> None:
    """Remember how far the repository was told."""
    session.merge(AuditSentRow(repository=REPOSITORY, record=number))


def count(session: Session) -> int:
    """How many records there are."""
    return session.scalar(select(func.count()).select_from(AuditRow)) or 0


def patients_of(session: Session, study_uids: Collection[str]) -> dict[str, str]:
    """Patient ID with its issuer, by study; studies that are not known are left out."""
    statement = select(StudyRow.study_uid, StudyRow.patient_id, StudyRow.issuer)
    found = session.execute(statement.where(StudyRow.study_uid.in_(study_uids)))
    return {uid: f"{patient}\n{issuer}" for uid, patient, issuer in found if patient}


def _rows(session: Session, after: int) -> Iterator[AuditRow]:
    while True:
        statement = select(AuditRow).where(AuditRow.id > after).order_by(AuditRow.id)
        page = list(session.scalars(statement.limit(_PAGE)))
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id
        session.expunge_all()


def _canonical(entry: Entry, number: int) -> str:
    whole = {
        **entry.document,
        "number": number,
        "at": entry.at.isoformat(timespec="microseconds"),
        "event": entry.event,
    }
    return json.dumps(whole, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def _says_the_same(row: AuditRow) -> bool:
    """Whether the columns beside the document repeat it."""
    said = json.loads(row.document)
    at = row.at.isoformat(timespec="microseconds")
    return bool((said["number"], said["event"], said["at"]) == (row.id, row.event, at))


def _chained(previous: str, document: str) -> str:
    return hashlib.sha256(f"{previous}\n{document}".encode()).hexdigest()
