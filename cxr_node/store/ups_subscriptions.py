"""Who follows work items, and the events that they are to be told (PS3.4 CC.2.3 and CC.2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from cxr_node.store.schema_ups import UpsEventRow, UpsSubscriptionRow, WorkitemRow
from cxr_node.store.statements import insert_or_update

ALL = ""
MOST_WAITING = 20_000
"""Events that one receiver may have waiting; older ones go when it stays away."""


@dataclass(frozen=True, slots=True)
class Follower:
    """Somebody to be told of an event."""

    receiver: str
    by_web: bool
    keys: bytes | None


def subscribe(
    session: Session,
    receiver: str,
    uid: str,
    now: datetime,
    *,
    locks: bool,
    by_web: bool,
    keys: bytes | None = None,
) -> None:
    """Follow one work item, or all of them; a subscription to all takes single refusals back."""
    if uid == ALL:
        session.execute(
            delete(UpsSubscriptionRow).where(
                UpsSubscriptionRow.receiver == receiver, ~UpsSubscriptionRow.subscribed
            )
        )
    values = {
        "receiver": receiver,
        "uid": uid,
        "subscribed": True,
        "locks": locks,
        "by_web": by_web,
        "keys": keys,
        "suspended_at": None,
        "created_at": now,
    }
    insert_or_update(session, UpsSubscriptionRow, values, ("receiver", "uid"))


def unsubscribe(session: Session, receiver: str, uid: str, now: datetime) -> None:
    """Follow it no more; of all work items, every subscription of the receiver ends."""
    mine = UpsSubscriptionRow.receiver == receiver
    if uid == ALL:
        session.execute(delete(UpsSubscriptionRow).where(mine))
        return
    values = {
        "receiver": receiver,
        "uid": uid,
        "subscribed": False,
        "locks": False,
        "by_web": False,
        "keys": None,
        "suspended_at": None,
        "created_at": now,
    }
    insert_or_update(session, UpsSubscriptionRow, values, ("receiver", "uid"))


def suspend(session: Session, receiver: str, now: datetime) -> None:
    """Work items created from now on are not followed; those of before still are."""
    session.execute(
        update(UpsSubscriptionRow)
        .where(UpsSubscriptionRow.receiver == receiver, UpsSubscriptionRow.uid == ALL)
        .values(suspended_at=now)
    )


def followers(session: Session, item: WorkitemRow) -> list[Follower]:
    """Who is told of events of this work item."""
    rows = session.scalars(
        select(UpsSubscriptionRow).where(UpsSubscriptionRow.uid.in_([ALL, item.uid]))
    ).all()
    single = {row.receiver: row for row in rows if row.uid == item.uid}
    chosen = [row for row in single.values() if row.subscribed]
    chosen += [
        row
        for row in rows
        if row.uid == ALL
        and row.receiver not in single
        and (row.suspended_at is None or item.created_at <= row.suspended_at)
    ]
    return [Follower(row.receiver, row.by_web, row.keys) for row in chosen]


def post(
    session: Session,
    item: WorkitemRow,
    receiver: Follower,
    kind: int,
    document: bytes,
    now: datetime,
) -> None:
    """Keep an event for a receiver."""
    session.add(
        UpsEventRow(
            receiver=receiver.receiver,
            workitem_pk=item.id,
            uid=item.uid,
            by_web=receiver.by_web,
            kind=kind,
            document=document,
            next_attempt_at=now,
            created_at=now,
        )
    )


def due_receivers(session: Session, now: datetime) -> list[str]:
    """AE titles that are to be told something by DIMSE now."""
    statement = (
        select(UpsEventRow.receiver)
        .where(~UpsEventRow.by_web, UpsEventRow.next_attempt_at <= now)
        .distinct()
    )
    return sorted(session.scalars(statement))


def due_events(
    session: Session, receiver: str, now: datetime, *, by_web: bool, limit: int = 200
) -> Sequence[UpsEventRow]:
    """What a receiver is to be told, in the order in which it happened."""
    statement = (
        select(UpsEventRow)
        .where(
            UpsEventRow.receiver == receiver,
            UpsEventRow.by_web == by_web,
            UpsEventRow.next_attempt_at <= now,
        )
        .order_by(UpsEventRow.id)
        .limit(limit)
    )
    return list(session.scalars(statement))


def told(session: Session, event_pks: Sequence[int]) -> None:
    """These events arrived."""
    session.execute(delete(UpsEventRow).where(UpsEventRow.id.in_(event_pks)))


def put_off(session: Session, receiver: str, now: datetime, wait: timedelta) -> None:
    """The receiver is away: all that it is to be told waits."""
    session.execute(
        update(UpsEventRow)
        .where(UpsEventRow.receiver == receiver, ~UpsEventRow.by_web)
        .values(attempts=UpsEventRow.attempts + 1, next_attempt_at=now + wait)
    )


def drop_old(session: Session, before: datetime) -> int:
    """Forget events nobody took in time, and the oldest where a receiver has too many waiting."""
    gone = list(
        session.scalars(
            delete(UpsEventRow).where(UpsEventRow.created_at < before).returning(UpsEventRow.id)
        )
    )
    for receiver in session.scalars(select(UpsEventRow.receiver).distinct()).all():
        statement = select(UpsEventRow.id).where(UpsEventRow.receiver == receiver)
        oldest_kept = session.scalar(
            statement.order_by(UpsEventRow.id.desc()).offset(MOST_WAITING - 1).limit(1)
        )
        if oldest_kept is not None:
            gone += session.scalars(
                delete(UpsEventRow)
                .where(UpsEventRow.receiver == receiver, UpsEventRow.id < oldest_kept)
                .returning(UpsEventRow.id)
            )
    return len(gone)
