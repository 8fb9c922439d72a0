"""The outbox at work: lanes, pauses, dead letters; destinations of no particular kind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from sqlalchemy import select

from cxr_node.config import DeliverySection
from cxr_node.domain.delivery import Outcome, Parcel, Verdict
from cxr_node.domain.study import StudyState
from cxr_node.services.delivery import Delivery
from cxr_node.services.pauses import pause_seconds
from cxr_node.store.schema import DeliveryRow, RevisionRow
from tests.publishing import Station

DONE = Outcome(Verdict.DONE, status=0)
AWAY = Outcome(Verdict.RETRY, "no association")
FULL = Outcome(Verdict.RETRY, "refused for now: 0xA700", 0xA700)


@dataclass
class Somewhere:
    """Answers what the test says, and keeps what it was asked."""

    answer: Callable[[Parcel], Outcome] = lambda _: DONE
    parcels: list[Parcel] = field(default_factory=list)

    def send(self, parcel: Parcel) -> Outcome:
        self.parcels.append(parcel)
        return self.answer(parcel)


def delivery(
    station: Station, limits: DeliverySection | None = None, **where: Somewhere
) -> Delivery:
    return Delivery(
        db=station.db,
        clock=station.clock,
        destinations=where,
        spool=station.spool,
        limits=limits or DeliverySection(),
    )


def published(station: Station, *destinations: str) -> int:
    revision = station.read_study()
    station.publish(destinations).publish(station.claim())
    return revision


def rows(station: Station) -> list[DeliveryRow]:
    with station.db.read() as session:
        return list(session.scalars(select(DeliveryRow).order_by(DeliveryRow.id)))


def test_a_slow_destination_delays_no_other(station: Station) -> None:
    """The slow one answers only after the quick one has got everything."""
    quick_got_all, waited = threading.Event(), []

    def slowly(_: Parcel) -> Outcome:
        waited.append(quick_got_all.wait(30))
        return DONE

    def at_once(_: Parcel) -> Outcome:
        if len(quick.parcels) == 2:
            quick_got_all.set()
        return DONE

    slow, quick = Somewhere(slowly), Somewhere(at_once)
    published(station, "slow", "quick")
    published(station, "quick")
    assert delivery(station, slow=slow, quick=quick).work() == 3
    assert waited == [True]
    assert {row.state for row in rows(station)} == {"sent"}


def test_pauses_grow_to_a_ceiling_and_differ() -> None:
    limits = DeliverySection()
    first = [pause_seconds(1, number, limits) for number in range(100)]
    assert all(3.75 <= pause <= 5.0 for pause in first)
    assert len({round(pause, 3) for pause in first}) > 50
    grown = [pause_seconds(number, 7, limits) for number in range(1, 40)]
    assert all(later > 1.4 * earlier for earlier, later in pairwise(grown[:9]))
    assert max(grown) <= limits.longest_retry_seconds


def test_a_destination_away_for_a_day_is_tried_at_most_forty_times(station: Station) -> None:
    """F8; and when it is back nothing is lost."""
    away = Somewhere(lambda _: AWAY)
    revision = published(station, "pacs")
    outbox = delivery(station, pacs=away)
    for _ in range(24 * 12):
        outbox.work()
        station.clock.advance(300)
    assert 10 < len(away.parcels) <= 40
    assert station.state(revision) is StudyState.REPORTED
    away.answer = lambda _: DONE
    station.clock.advance(3600)
    outbox.work()
    assert station.state(revision) is StudyState.DELIVERED
    assert len({parcel.uid for parcel in away.parcels}) == 1
    assert [parcel.attempt for parcel in away.parcels] == list(range(1, len(away.parcels) + 1))


def test_one_success_brings_what_waited_for_the_destination_forward(station: Station) -> None:
    pacs = Somewhere(lambda _: AWAY)
    published(station, "pacs")
    outbox = delivery(station, pacs=pacs)
    for _ in range(8):
        outbox.work()
        station.clock.advance(1000)
    pacs.answer = lambda _: DONE
    outbox.work()
    published(station, "pacs")
    outbox.work()
    assert [row.state for row in rows(station)] == ["sent", "sent"]


def test_after_the_time_or_the_attempts_it_is_a_dead_letter(station: Station) -> None:
    pacs = Somewhere(lambda _: FULL)
    revision = published(station, "pacs")
    outbox = delivery(station, DeliverySection(max_attempts=3), pacs=pacs)
    for _ in range(6):
        outbox.work()
        station.clock.advance(3600)
    assert len(pacs.parcels) == 3
    assert station.state(revision) is StudyState.PARKED
    [row] = rows(station)
    assert (row.state, row.last_status) == ("parked", 0xA700)
    with station.db.read() as session:
        assert "pacs: refused for now" in session.get_one(RevisionRow, revision).reason


def test_a_receiver_that_asks_to_be_left_alone_is(station: Station) -> None:
    busy = Outcome(Verdict.RETRY, "503", 503, after_seconds=600.0)
    hook = Somewhere(lambda _: busy)
    published(station, "hook")
    outbox = delivery(station, hook=hook)
    outbox.work()
    station.clock.advance(599)
    outbox.work()
    assert len(hook.parcels) == 1
    station.clock.advance(2)
    outbox.work()
    assert len(hook.parcels) == 2


def test_a_destination_that_is_no_longer_configured_is_shown(station: Station) -> None:
    revision = published(station, "gone")
    delivery(station).work()
    assert station.state(revision) is StudyState.PARKED
    assert rows(station)[0].last_error == "the destination is not configured"


def test_a_lane_that_breaks_breaks_no_other(station: Station) -> None:
    def broken(_: Parcel) -> Outcome:
        raise RuntimeError("a fault of ours")

    published(station, "bad", "good")
    good = Somewhere()
    outbox = delivery(station, bad=Somewhere(broken), good=good)
    outbox.work()
    assert len(good.parcels) == 1
    assert sorted(row.state for row in rows(station)) == ["sending", "sent"]
