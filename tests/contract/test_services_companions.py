"""Several objects of one result: each reaches each destination once, none holds up another."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import (
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
)
from sqlalchemy import select

from cxr_node.config import PeerSection
from cxr_node.config_series import SeriesSection
from cxr_node.dicom.archive import ReceivingAE
from cxr_node.domain.errors import LeaseLost
from cxr_node.domain.results import ResultKind
from cxr_node.domain.study import StudyState
from cxr_node.store import outbox
from cxr_node.store.schema import DeliveryRow, ResultObjectRow, RevisionRow
from tests.contract.test_services_delivery_class import BOTH, deliver, receiving
from tests.publishing import STUDY, Pictures, Station, peer

FLAG = (ResultKind.KEY_OBJECT,)
EVERYTHING = tuple(ResultKind)


def with_objects(destinations: list[PeerSection], *objects: ResultKind) -> list[PeerSection]:
    return [found.model_copy(update={"objects": objects}) for found in destinations]


def states(station: Station) -> dict[tuple[str, str], str]:
    """Kind and destination to the delivery's state."""
    with station.db.read() as session:
        rows = session.execute(
            select(ResultObjectRow.kind, DeliveryRow.destination, DeliveryRow.state).join(
                ResultObjectRow, ResultObjectRow.id == DeliveryRow.object_pk
            )
        )
        return {(kind, destination): state for kind, destination, state in rows}


def files(folder: Path) -> list[str]:
    return sorted(path.name.split("-")[0] for path in (folder / STUDY).glob("*.dcm"))


def test_each_object_reaches_each_destination_that_wants_it_once(
    station: Station, tmp_path: Path
) -> None:
    archives = ReceivingAE(tmp_path / "all"), ReceivingAE(tmp_path / "flag")
    with receiving(*archives) as (first, second):
        first = first.model_copy(update={"objects": EVERYTHING})
        second = second.model_copy(update={"objects": FLAG, "sr_profile": "none"})
        revision = station.read_study()
        station.publish([first, second]).publish(station.claim())
        deliver(station, [first, second])
        deliver(station, [first, second])
    assert station.state(revision) is StudyState.DELIVERED
    # The model gives no masks, so there is no segmentation.
    assert files(tmp_path / "all") == ["DOC", "KO", "OT", "PR", "SR"]
    assert files(tmp_path / "flag") == ["KO"]
    assert set(states(station).values()) == {"sent"}
    with station.db.read() as session:
        attempts = session.scalars(select(DeliveryRow.attempts))
        assert set(attempts) == {1}


def test_a_second_attempt_gives_the_very_same_objects(station: Station) -> None:
    station.read_study()
    stale = station.claim(lease_seconds=1)
    station.clock.advance(3_600)
    publisher = station.publish([peer("PACS", objects=EVERYTHING)])
    publisher.publish(station.claim())
    before = {p.name: p.read_bytes() for p in station.spool.root.rglob("*.dcm")}
    with pytest.raises(LeaseLost):
        publisher.publish(stale)
    assert {p.name: p.read_bytes() for p in station.spool.root.rglob("*.dcm")} == before
    assert len(station.objects()) == 5


def test_a_class_that_is_not_taken_holds_nothing_up(station: Station, tmp_path: Path) -> None:
    archive = ReceivingAE(tmp_path / "pacs", without={KeyObjectSelectionDocumentStorage})
    with receiving(archive) as destinations:
        named = with_objects(destinations, ResultKind.PAGE, ResultKind.KEY_OBJECT)
        revision = station.read_study()
        station.publish(named).publish(station.claim())
        deliver(station, named)
    assert files(tmp_path / "pacs") == ["OT", "SR"]
    assert states(station) == {
        ("sr", "PACS0"): "sent",
        ("page", "PACS0"): "sent",
        ("key-object", "PACS0"): "declined",
    }
    assert station.state(revision) is StudyState.DELIVERED


def test_a_destination_that_gets_nothing_at_all_is_no_success(
    station: Station, tmp_path: Path
) -> None:
    archive = ReceivingAE(tmp_path / "pacs", without={SecondaryCaptureImageStorage})
    with receiving(archive) as destinations:
        named = [
            found.model_copy(update={"sr_profile": "none"})
            for found in with_objects(destinations, ResultKind.PAGE)
        ]
        revision = station.read_study()
        station.publish(named).publish(station.claim())
        deliver(station, named)
    assert station.state(revision) is StudyState.PARKED
    with station.db.begin() as session:
        assert "PACS0: the destination takes no" in session.get_one(RevisionRow, revision).reason
        outbox.replay_deliveries(session, revision, station.clock.now())
    assert states(station) == {("page", "PACS0"): "waiting"}


def test_a_report_that_is_not_taken_is_no_success_although_the_page_went(
    station: Station, tmp_path: Path
) -> None:
    with receiving(ReceivingAE(tmp_path / "pacs", without=BOTH)) as destinations:
        named = with_objects(destinations, ResultKind.PAGE)
        revision = station.read_study()
        station.publish(named).publish(station.claim())
        deliver(station, named)
    assert files(tmp_path / "pacs") == ["OT"]
    assert station.state(revision) is StudyState.PARKED


def test_a_page_goes_out_although_its_picture_cannot_be_made(station: Station) -> None:
    station.images = Pictures(refused=True)
    revision = station.read_study()
    station.publish([peer("PACS", objects=(ResultKind.PAGE,))]).publish(station.claim())
    assert [made.kind for made in station.objects()] == ["sr", "page"]
    assert dcmread(station.objects()[1].path).Rows == 1754
    assert station.state(revision) is StudyState.REPORTED


def test_no_picture_is_made_for_destinations_that_want_none(station: Station) -> None:
    class Refusing(Pictures):
        def prepare(self, *args: object) -> None:  # type: ignore[override]
            raise AssertionError("a picture was asked for")

    station.images = Refusing()
    station.read_study()
    station.publish([peer("PACS", objects=FLAG)]).publish(station.claim())
    assert [made.kind for made in station.objects()] == ["sr", "key-object"]


def test_destinations_with_words_of_their_own_get_one_object_of_each_kind(station: Station) -> None:
    words = SeriesSection(flagged={"sr": "KI {priority}"})
    more = SeriesSection(flagged={"sr": "KI {priority}", "page": "KI"})
    peers = [peer("USUAL", objects=(ResultKind.PAGE,))]
    peers += [
        peer(name, objects=(ResultKind.PAGE,), series=series)
        for name, series in (("OWN", words), ("MORE", more), ("TOO", more))
    ]
    station.read_study()
    station.publish(peers).publish(station.claim())
    with station.db.read() as session:
        rows = session.execute(
            select(DeliveryRow.destination, ResultObjectRow.path).join(
                ResultObjectRow, ResultObjectRow.id == DeliveryRow.object_pk
            )
        ).all()
    got: dict[str, list[str]] = {}
    for destination, path in rows:
        got.setdefault(destination, []).append(dcmread(path).SeriesDescription)
    assert got == {
        "USUAL": ["AI TRIAGE STAT", "AI REPORT PAGE"],
        "OWN": ["KI STAT", "AI REPORT PAGE"],
        "MORE": ["KI STAT", "KI"],
        "TOO": ["KI STAT", "KI"],
    }
    assert len(station.objects()) == 6
