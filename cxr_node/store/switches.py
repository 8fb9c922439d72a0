"""The switches in the database, so that a suspension survives a restart and binds every process."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.switches import Part, Suspension
from cxr_node.store.schema_audit import SwitchRow


def suspensions(session: Session) -> tuple[Suspension, ...]:
    """Every part that is suspended now."""
    known = SwitchRow.part.in_([part.value for part in Part])
    statement = select(SwitchRow).where(SwitchRow.suspended, known).order_by(SwitchRow.at)
    rows = session.scalars(statement)
    return tuple(Suspension(Part(row.part), row.by, row.reason, row.at) for row in rows)


def turn(
    session: Session, part: Part, *, suspended: bool, by: str, reason: str, now: datetime
) -> bool:
    """Set a switch; whether that changed anything."""
    row = session.get(SwitchRow, part.value)
    if (row is not None and row.suspended) is suspended:
        return False
    session.merge(SwitchRow(part=part.value, suspended=suspended, by=by, reason=reason, at=now))
    return True
