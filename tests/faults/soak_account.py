"""The account at the end of a soak run: what was promised, and what is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cxr_node.domain.study import StudyState
from cxr_node.spool.files import sha256_of
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobState
from cxr_node.store.outbox import DeliveryState
from cxr_node.store.schema import (
    DeliveryRow,
    InstanceRow,
    JobRow,
    ResultObjectRow,
    RevisionRow,
    StudyRow,
)

ENDED = (StudyState.DELIVERED, StudyState.SUPERSEDED)
_AT_WORK = (JobState.WAITING.value, JobState.RUNNING.value)
_ON_THE_WAY = (DeliveryState.WAITING.value, DeliveryState.SENDING.value)


@dataclass
class Account:
    """Counts of a run; ``faults`` is empty when every promise was kept."""

    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def text(self) -> str:
        """As it is printed: counts in columns, then the faults."""
        lines = [f"  {count:>7}  {words}" for words, count in self.counts.items()]
        told = [f"  FAULT  {fault}" for fault in self.faults[:40]]
        return "\n".join([*lines, *told, f"  {len(self.faults):>7}  faults"])


def unsettled(database: Database) -> int:
    """Revisions, jobs and deliveries that are still on their way."""
    ended = (*ENDED, StudyState.NOT_ELIGIBLE, StudyState.PARKED)
    running = [state.value for state in StudyState if state not in ended]
    with database.read() as session:
        return sum(
            session.scalar(select(func.count()).select_from(table).where(column.in_(states))) or 0
            for table, column, states in (
                (RevisionRow, RevisionRow.state, running),
                (JobRow, JobRow.state, _AT_WORK),
                (DeliveryRow, DeliveryRow.state, _ON_THE_WAY),
            )
        )


def account(database: Database, acknowledged: Mapping[str, str], archive: Path) -> Account:
    """Compare what was answered 0x0000 (instance to study UID) with database, spool and PACS."""
    found = Account()
    with database.read() as session:
        _received(session, acknowledged, found)
        _ended(session, acknowledged, found)
        _reported(session, archive, found)
    return found


def _received(session: Session, acknowledged: Mapping[str, str], found: Account) -> None:
    rows = {row.sop_instance_uid: row for row in session.scalars(select(InstanceRow))}
    found.counts["instances answered 0x0000"] = len(acknowledged)
    found.counts["instances in the database"] = len(rows)
    found.counts["sent more than once"] = sum(row.duplicates > 0 for row in rows.values())
    for uid in acknowledged:
        row = rows.get(uid)
        if row is None:
            found.faults.append(f"answered 0x0000 and not in the database: {uid}")
        elif not Path(row.path).exists():
            found.faults.append(f"answered 0x0000 and not on disk: {uid}")
        elif sha256_of(Path(row.path)) != row.sha256:
            found.faults.append(f"answered 0x0000 and changed on disk: {uid}")


def _ended(session: Session, acknowledged: Mapping[str, str], found: Account) -> None:
    statement = select(StudyRow.study_uid, RevisionRow).join(
        RevisionRow, RevisionRow.study_pk == StudyRow.id
    )
    states: Counter[str] = Counter()
    seen = set()
    for study_uid, revision in session.execute(statement):
        seen.add(study_uid)
        states[revision.state] += 1
        if revision.state not in set(ENDED):
            found.faults.append(f"{revision.state}: {study_uid} ({revision.reason})")
    found.counts["studies"] = len(seen)
    found.counts |= {f"revisions {state}": count for state, count in sorted(states.items())}
    for lost in set(acknowledged.values()) - seen:
        found.faults.append(f"no study for an answered instance: {lost}")
    for table, column, states_open in (
        (JobRow, JobRow.state, (*_AT_WORK, JobState.PARKED.value)),
        (DeliveryRow, DeliveryRow.state, (*_ON_THE_WAY, DeliveryState.PARKED.value)),
    ):
        count = session.scalar(
            select(func.count()).select_from(table).where(column.in_(states_open))
        )
        if count:
            found.faults.append(f"{count} rows of {table.__tablename__} are stuck")
    taken_over = select(func.count()).where(JobRow.attempt > 1)
    found.counts["jobs that took more than one attempt"] = session.scalar(taken_over) or 0


def _reported(session: Session, archive: Path, found: Account) -> None:
    """One report for each revision; at the PACS each that was to be delivered, once."""
    at_pacs = Counter(path.stem.partition("-")[2] for path in archive.glob("*/SR-*.dcm"))
    made: Counter[int] = Counter()
    wanted = {}
    for row in session.scalars(select(ResultObjectRow)):
        made[row.revision_pk] += 1
        sent = select(DeliveryRow.state).filter_by(object_pk=row.id)
        if session.scalars(sent).all():
            wanted[row.sop_instance_uid] = row
    revisions = set(session.scalars(select(RevisionRow.id)))
    found.counts["reports at the PACS"] = at_pacs.total()
    for revision in revisions:
        if made[revision] != 1:
            found.faults.append(f"revision {revision} has {made[revision]} reports")
    for uid in set(wanted) - set(at_pacs):
        found.faults.append(f"not at the PACS: report {uid}")
    for uid in set(at_pacs) - set(wanted):
        found.faults.append(f"at the PACS and of no revision: report {uid}")
