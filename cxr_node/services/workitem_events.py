"""Writes what followers of a work item are to be told, in the transaction that changes it."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset
from sqlalchemy.orm import Session

from cxr_node.dicom import ups_dataset
from cxr_node.dicom.worklist_match import matches
from cxr_node.store import ups_subscriptions
from cxr_node.store.schema_ups import WorkitemRow
from cxr_node.store.ups_subscriptions import Follower


def announce(session: Session, row: WorkitemRow, kind: int, report: Dataset, now: datetime) -> int:
    """Tell everybody who follows the work item; how many that are."""
    told = 0
    for follower in ups_subscriptions.followers(session, row):
        if follower.keys is None or _fits(row, follower.keys):
            announce_to(session, row, follower, kind, report, now)
            told += 1
    return told


def announce_to(
    session: Session,
    row: WorkitemRow,
    follower: Follower,
    kind: int,
    report: Dataset,
    now: datetime,
) -> None:
    """Tell one follower."""
    ups_subscriptions.post(session, row, follower, kind, ups_dataset.encoded(report), now)


def _fits(row: WorkitemRow, keys: bytes) -> bool:
    return matches(ups_dataset.decoded(row.document), ups_dataset.decoded(keys))
