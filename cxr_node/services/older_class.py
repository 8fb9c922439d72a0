"""A report in a class that its destination does not take goes there in the older class."""

from __future__ import annotations

from pydicom import Dataset, dcmread
from sqlalchemy.orm import Session

from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock, Spool, SpooledFile
from cxr_node.reporting.measurement_report import predecessor_uid
from cxr_node.reporting.object_file import encode
from cxr_node.reporting.other_class import as_comprehensive
from cxr_node.services.settlement import close_revision
from cxr_node.store import outbox
from cxr_node.store.database import Database
from cxr_node.store.outbox import DueDelivery
from cxr_node.store.schema import ResultObjectRow


def replace_by_older(db: Database, clock: Clock, spool: Spool, due: DueDelivery) -> bool:
    """Put the same report in the older class in its place; False for what has none."""
    report = _older(db, due)
    if report is None:
        return False
    file = spool.write(Uid(str(report.SOPInstanceUID)), encode(report))
    with db.begin() as session:
        row = _record(session, clock, due, report, file)
        outbox.settle_replaced(session, due, row.id, clock.now())
        close_revision(session, row.revision_pk, clock.now())
    return True


def _older(db: Database, due: DueDelivery) -> Dataset | None:
    if not due.sop_class_uid:
        return None  # a message
    with db.read() as session:
        return as_comprehensive(dcmread(due.path), lambda uid: outbox.has_object(session, uid))


def _record(
    session: Session, clock: Clock, due: DueDelivery, report: Dataset, file: SpooledFile
) -> ResultObjectRow:
    first = session.get_one(ResultObjectRow, due.object_pk)
    return outbox.add_object(
        session,
        first.revision_pk,
        kind=f"{first.kind}-2d",
        sop_class_uid=str(report.SOPClassUID),
        sop_instance_uid=str(report.SOPInstanceUID),
        series_uid=str(report.SeriesInstanceUID),
        predecessor_uid=predecessor_uid(report),
        file=file,
        now=clock.now(),
    )
