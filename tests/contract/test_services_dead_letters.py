"""What an operator does about deliveries that were given up."""

from __future__ import annotations

import pytest

from cxr_node.domain.delivery import Outcome, Verdict
from cxr_node.domain.errors import IllegalMove
from cxr_node.domain.study import StudyState
from cxr_node.services.dead_letters import DeadLetters
from cxr_node.services.delivery import Delivery
from cxr_node.store import dead_letters, studies
from cxr_node.store.dead_letters import STOPPED, Choice
from cxr_node.store.schema import MilestoneRow
from tests.contract.test_services_delivery import Somewhere, delivery, published, rows
from tests.publishing import Station

NEVER = Outcome(Verdict.REFUSED, "refused: 0xC000", 0xC000)


@pytest.fixture
def pacs() -> Somewhere:
    return Somewhere(lambda _: NEVER)


@pytest.fixture
def outbox(station: Station, pacs: Somewhere) -> Delivery:
    return delivery(station, pacs=pacs, archive=Somewhere())


@pytest.fixture
def letters(station: Station) -> DeadLetters:
    return DeadLetters(station.db, station.clock, station.bell)


def test_what_was_given_up_is_named_in_an_alarm_and_sent_again(
    station: Station, pacs: Somewhere, outbox: Delivery, letters: DeadLetters
) -> None:
    revision = published(station, "pacs", "archive")
    outbox.work()
    assert station.state(revision) is StudyState.PARKED
    with station.db.read() as session:
        assert "1 to pacs" in dead_letters.alarm(session)
    [letter] = letters.listed(STOPPED, Choice())
    assert (letter.destination, letter.kind, letter.last_status) == ("pacs", "sr", 0xC000)
    pacs.answer = lambda _: Outcome(Verdict.DONE, status=0)
    assert letters.retry(Choice(keys=[letter.delivery_pk])) == 1
    assert station.bell.rung[-1] == "deliver"
    outbox.work()
    assert station.state(revision) is StudyState.DELIVERED
    with station.db.read() as session:
        assert dead_letters.alarm(session) == ""
    assert [parcel.attempt for parcel in pacs.parcels] == [1, 1]


def test_what_a_person_writes_off_holds_the_study_up_no_longer(
    station: Station, pacs: Somewhere, outbox: Delivery, letters: DeadLetters
) -> None:
    revision = published(station, "pacs", "archive")
    outbox.work()
    with pytest.raises(IllegalMove):
        letters.drop(Choice(destination="pacs"), " ")
    assert letters.drop(Choice(destination="archive"), "A. Operator") == 0
    assert letters.drop(Choice(destination="pacs"), "A. Operator") == 1
    assert station.state(revision) is StudyState.DELIVERED
    dropped = rows(station)[0]
    assert dropped.state == "dropped"
    assert dropped.last_error == "written off by A. Operator; before: refused: 0xC000"
    outbox.work()
    assert len(pacs.parcels) == 1


def test_a_study_whose_reading_failed_is_not_moved_by_its_messages(
    station: Station, letters: DeadLetters, outbox: Delivery
) -> None:
    """Only what was reported can be delivered again."""
    published(station, "pacs")
    other = published(station, "pacs")
    with station.db.begin() as session:
        studies.move(session, other, StudyState.PARKED, station.clock.now(), reason="x")
        session.query(MilestoneRow).filter_by(revision_pk=other, name="reported").delete()
    letters.retry(Choice())
    assert station.state(other) is StudyState.PARKED
