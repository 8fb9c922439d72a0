"""A destination that takes only the older Structured Report, or none at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage

from cxr_node.config import DeliverySection, PeerSection
from cxr_node.dicom.archive import Answer, ReceivingAE
from cxr_node.dicom.destination import DimseDestination
from cxr_node.dicom.store_scu import DimseSender
from cxr_node.domain.study import StudyState
from cxr_node.services.delivery import Delivery
from cxr_node.store.schema import RevisionRow
from tests.publishing import STUDY, Station, peer

BOTH = {Comprehensive3DSRStorage, ComprehensiveSRStorage}


@contextmanager
def receiving(*archives: ReceivingAE) -> Iterator[list[PeerSection]]:
    """The archives as destinations, while they listen."""
    try:
        yield [peer(f"PACS{n}", ae_title="PACS", port=a.start()) for n, a in enumerate(archives)]
    finally:
        for archive in archives:
            archive.stop()


def deliver(station: Station, destinations: list[PeerSection]) -> None:
    """Work until nothing is due."""
    sender = DimseSender("CXRNODE", destinations, timeout_seconds=60.0)
    delivery = Delivery(
        db=station.db,
        clock=station.clock,
        destinations={peer.name: DimseDestination(sender) for peer in destinations},
        spool=station.spool,
        limits=DeliverySection(),
    )
    delivery.work()
    assert not delivery.work(), "deliveries never settle"


def received(folder: Path) -> list[Dataset]:
    return [dcmread(path) for path in (folder / STUDY).glob("SR-*.dcm")]


def test_the_older_class_goes_where_the_newer_is_not_taken(
    station: Station, tmp_path: Path
) -> None:
    older = ReceivingAE(tmp_path / "older", without={Comprehensive3DSRStorage})
    newer = ReceivingAE(tmp_path / "newer")
    with receiving(older, newer) as destinations:
        revision = station.read_study()
        station.publish(destinations).publish(station.claim())
        deliver(station, destinations)
    assert station.state(revision) is StudyState.DELIVERED
    assert [state for _, _, state in station.deliveries()] == ["sent", "sent"]
    assert [made.kind for made in station.objects()] == ["sr", "sr-2d"]
    [whole], [other] = received(tmp_path / "newer"), received(tmp_path / "older")
    assert whole.SOPClassUID == Comprehensive3DSRStorage
    assert other.SOPClassUID == ComprehensiveSRStorage
    assert whole.SOPInstanceUID != other.SOPInstanceUID
    assert whole.SeriesInstanceUID != other.SeriesInstanceUID
    assert whole.ContentSequence == other.ContentSequence
    assert other.file_meta.MediaStorageSOPInstanceUID == other.SOPInstanceUID


def test_a_correction_names_the_form_that_was_sent_there(station: Station, tmp_path: Path) -> None:
    older = ReceivingAE(tmp_path / "older", without={Comprehensive3DSRStorage})
    with receiving(older) as destinations:
        for _ in range(2):
            station.read_study()
            station.publish(destinations).publish(station.claim())
            deliver(station, destinations)
    first, second = sorted(received(tmp_path / "older"), key=lambda report: report.SeriesNumber)
    (study,) = second.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (earlier,) = series.ReferencedSOPSequence
    assert earlier.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert earlier.ReferencedSOPClassUID == ComprehensiveSRStorage
    assert series.SeriesInstanceUID == first.SeriesInstanceUID


def test_a_refusal_of_the_class_by_status_counts_too(station: Station, tmp_path: Path) -> None:
    """Some peers accept every context and look at the object only afterwards."""
    refuses: Answer = lambda ds: 0x0122 if ds.SOPClassUID == Comprehensive3DSRStorage else 0x0000  # noqa: E731
    with receiving(ReceivingAE(tmp_path / "late", answer=refuses)) as destinations:
        revision = station.read_study()
        station.publish(destinations).publish(station.claim())
        deliver(station, destinations)
    assert station.state(revision) is StudyState.DELIVERED
    assert [r.SOPClassUID for r in received(tmp_path / "late")] == [ComprehensiveSRStorage]


def test_a_receiver_that_takes_no_report_is_shown_as_that(station: Station, tmp_path: Path) -> None:
    with receiving(ReceivingAE(tmp_path / "deaf", without=BOTH)) as destinations:
        revision = station.read_study()
        station.publish(destinations).publish(station.claim())
        deliver(station, destinations)
    assert station.state(revision) is StudyState.PARKED
    with station.db.read() as session:
        reason = session.get_one(RevisionRow, revision).reason
    assert "PACS0: the destination takes no Comprehensive SR Storage" in reason
    assert [state for _, _, state in station.deliveries()] == ["parked"]


def test_a_destination_of_no_reports_gets_none(station: Station) -> None:
    revision = station.read_study()
    station.publish([peer("IMAGES", sr_profile="none")]).publish(station.claim())
    assert [made.kind for made in station.objects()] == ["sr"], "kept for the record"
    assert station.deliveries() == []
    assert station.state(revision) is StudyState.DELIVERED


def test_each_destination_gets_the_shape_it_can_show(station: Station) -> None:
    shapes = ("air", "viewer", "ohif-native", "air")
    named = [peer(f"P{n}", sr_profile=shape) for n, shape in enumerate(shapes)]
    station.read_study()
    station.publish(named).publish(station.claim())
    kinds = {made.id: made.kind for made in station.objects()}
    sent = {(kinds[pk], destination) for pk, destination, _ in station.deliveries()}
    assert sent == {("sr-air", "P0"), ("sr", "P1"), ("sr-ohif", "P2"), ("sr-air", "P3")}
    assert len({made.sop_instance_uid for made in station.objects()}) == 3
