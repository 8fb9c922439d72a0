"""Takes phantom studies out of the database, with every row that hangs on them.

Only phantoms: a study that is not marked as one of quality control images, or whose patient
ID has not the prefix that is named, is left alone whatever is asked.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sqlalchemy import Table, delete, or_, select
from sqlalchemy.orm import Session

from cxr_node.store.schema import InstanceRow, ResultObjectRow, RevisionRow, StudyRow
from cxr_node.store.schema_desk import Base


def phantom_studies(session: Session, study_uids: Collection[str], prefix: str) -> list[int]:
    """Keys of those that are phantoms with a patient ID of that ``prefix``."""
    statement = select(StudyRow.id).where(
        StudyRow.study_uid.in_(study_uids),
        StudyRow.quality_control,
        StudyRow.patient_id.startswith(prefix, autoescape=True),
    )
    return list(session.scalars(statement))


def remove_studies(session: Session, study_pks: Collection[int]) -> list[Path]:
    """Delete the studies and all that refers to them; the files that nobody names any more."""
    revisions = select(RevisionRow.id).where(RevisionRow.study_pk.in_(study_pks))
    files = [
        *session.scalars(select(InstanceRow.path).where(InstanceRow.study_pk.in_(study_pks))),
        *session.scalars(
            select(ResultObjectRow.path).where(ResultObjectRow.revision_pk.in_(revisions))
        ),
    ]
    doomed: dict[str, list[int]] = {"study": list(study_pks)}
    ordered = Base.metadata.sorted_tables
    for table in ordered:
        if table.name not in doomed:
            doomed[table.name] = _hanging(session, table, doomed)
    for table in reversed(ordered):
        if doomed[table.name]:
            session.execute(delete(table).where(table.c.id.in_(doomed[table.name])))
    return [Path(name) for name in files]


def _hanging(session: Session, table: Table, doomed: dict[str, list[int]]) -> list[int]:
    """Rows that refer to a row that goes; tables come after those that they refer to."""
    conditions = [
        key.parent.in_(doomed[key.column.table.name])
        for key in table.foreign_keys
        if doomed.get(key.column.table.name)
    ]
    if not conditions:
        return []
    return list(session.scalars(select(table.c.id).where(or_(*conditions))))
