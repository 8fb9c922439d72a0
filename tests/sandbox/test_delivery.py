"""Sent means 0x0000: what the PACS answers decides, and a person can see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cxr_node.domain.study import StudyState
from cxr_node.web.documents import Delivery
from tests.builders import radiograph, save
from tests.nodes import Statuses
from tests.running_node import RunningNode

Reports = Callable[[str], list[Path]]


def deliveries(node: RunningNode, study_uid: str) -> list[Delivery]:
    item = node.study(study_uid)
    return item.deliveries if item else []


def test_out_of_resources_is_tried_again_until_taken(
    node: RunningNode, statuses: Statuses, reports: Reports, tmp_path: Path
) -> None:
    statuses.status = 0xA700
    image = radiograph()
    node.send(save(image, tmp_path / "in"))
    node.until(lambda: statuses.asked >= 2, 60, "tried twice")
    [waiting] = deliveries(node, image.StudyInstanceUID)
    assert waiting.state in ("waiting", "sending")
    assert "A700" in waiting.last_status.upper()
    assert not reports(image.StudyInstanceUID)
    statuses.status = 0x0000
    assert node.settled(image.StudyInstanceUID).state is StudyState.DELIVERED
    assert len(reports(image.StudyInstanceUID)) == 1


def test_cannot_understand_is_parked_shown_and_replayed_by_hand(
    node: RunningNode, statuses: Statuses, reports: Reports, tmp_path: Path
) -> None:
    statuses.status = 0xC000
    image = radiograph()
    node.send(save(image, tmp_path / "in"))
    item = node.settled(image.StudyInstanceUID)
    assert item.state is StudyState.PARKED
    assert statuses.asked == 1
    [parked] = item.deliveries
    assert parked.state == "parked"
    assert "pacs" in item.words
    statuses.status = 0x0000
    node.command("replay", image.StudyInstanceUID)
    assert node.settled(image.StudyInstanceUID).state is StudyState.DELIVERED
    assert len(reports(image.StudyInstanceUID)) == 1


def test_an_absent_pacs_delays_and_loses_nothing(
    node: RunningNode, pacs: object, reports: Reports, tmp_path: Path
) -> None:
    from cxr_node.dicom.archive import ReceivingAE

    assert isinstance(pacs, ReceivingAE)
    port = pacs.port
    pacs.stop()
    image = radiograph()
    node.send(save(image, tmp_path / "in"))
    node.until(
        lambda: any(d.attempts >= 2 for d in deliveries(node, image.StudyInstanceUID)),
        60,
        "tried twice",
    )
    back = ReceivingAE(tmp_path / "pacs")
    back.start(port)
    try:
        assert node.settled(image.StudyInstanceUID).state is StudyState.DELIVERED
    finally:
        back.stop()
    assert len(reports(image.StudyInstanceUID)) == 1
