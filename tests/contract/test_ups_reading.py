"""The node's own work items: each reading is one, and others may ask for a reading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from cxr_node.dicom import ups_dataset
from cxr_node.domain.identifiers import Uid
from cxr_node.entry.workitem_wiring import WorkitemParts
from cxr_node.services.assembly import close_due
from cxr_node.store.schema import JobRow, RevisionRow
from cxr_node.store.schema_ups import UpsEventRow, WorkitemRow
from tests.builders import radiograph
from tests.whole_node import WholeNode, configuration, script
from tests.work_items import for_the_node

SICK = {"overall": "abnormal", "presence/pneumothorax": 0.97, "side": "left"}


class Room(WholeNode):
    """A node whose work items are watched."""

    def __init__(self, folder: Path) -> None:
        model = script(folder / "model.script.json", answers=SICK)
        super().__init__(configuration(folder / "data", model))
        self.parts = WorkitemParts(self.node.config, self.node.db, self.clock)
        told = self.parts.workitems.subscribe(ups_dataset.GLOBAL, "WATCHER", by_web=True)
        assert not told.status.is_failure

    def close_studies(self) -> None:
        self.clock.advance(11)
        node = self.node
        close_due(
            *(node.db, self.clock, node.config.assembly),
            *(node.identity.digest, node.templates.version, self.bell),
        )

    def items(self) -> list[Dataset]:
        """All work items as they are answered."""
        self.parts.readings.work()
        keys = Dataset()
        keys.SOPInstanceUID = keys.ProcedureStepState = keys.ScheduledProcedureStepPriority = ""
        return list(self.parts.workitems.find(keys))

    def states(self) -> list[str]:
        return [str(item.ProcedureStepState) for item in self.items()]

    def get(self, uid: str) -> Dataset:
        found = self.parts.workitems.get(uid).data_set
        assert found is not None
        return found

    def told(self) -> list[tuple[int, str]]:
        """Event types with the state, or the progress, that each tells."""
        found = []
        for row in self.rows(UpsEventRow):
            report = ups_dataset.decoded(row["document"])
            words = report.get("ProcedureStepState", "")
            for progress in report.get("ProcedureStepProgressInformationSequence", ()):
                words = progress.get("ProcedureStepProgressDescription", "")
            found.append((row["kind"], str(words)))
        return found


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    yield found
    found.stop()


def test_a_reading_is_a_work_item_from_the_first_image_to_the_report(room: Room) -> None:
    image = radiograph()
    room.receive(image)
    assert room.states() == ["SCHEDULED"]
    room.stations.read()
    [item] = room.items()
    assert (item.ProcedureStepState, item.ScheduledProcedureStepPriority) == ("IN PROGRESS", "HIGH")
    room.close_studies()
    room.stations.read()
    room.publish()
    assert room.states() == ["COMPLETED"]
    found = room.get(str(item.SOPInstanceUID))
    [source] = found.InputInformationSequence
    assert source.StudyInstanceUID == image.StudyInstanceUID
    [reference] = source.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == image.SOPInstanceUID
    [done] = found.UnifiedProcedureStepPerformedProcedureSequence
    written = [r for o in done.OutputInformationSequence for r in o.ReferencedSOPSequence]
    assert written
    assert ups_dataset.may_complete(found)
    told = room.told()
    assert [words for kind, words in told if kind == 1] == ["SCHEDULED", "IN PROGRESS", "COMPLETED"]
    assert any("flagged: pneumothorax" in words for kind, words in told if kind == 3)


def test_cancelled_before_it_began_it_is_not_read(room: Room) -> None:
    room.receive(radiograph())
    [item] = room.items()
    uid = str(item.SOPInstanceUID)
    assert room.parts.workitems.request_cancel(uid, Dataset(), "RIS").status == 0
    room.close_studies()
    assert [row["state"] for row in room.rows(RevisionRow)] == ["parked"]
    assert [(row["kind"], row["state"]) for row in room.rows(JobRow)] == [("triage", "parked")]
    assert room.states() == ["CANCELED"]


def test_what_has_begun_is_not_cancelled(room: Room) -> None:
    room.receive(radiograph())
    room.stations.read()
    [item] = room.items()
    status = room.parts.workitems.request_cancel(str(item.SOPInstanceUID), Dataset(), "RIS").status
    assert status == 0xC313


def test_nobody_else_may_take_over_the_nodes_own_work(room: Room) -> None:
    room.receive(radiograph())
    [item] = room.items()
    uid = str(item.SOPInstanceUID)
    ask = room.parts.workitems
    assert ask.change_state(uid, "IN PROGRESS", "1.2.3", "RIS").status == 0xC314
    assert ask.update(uid, Dataset(), "RIS").status == 0x0124


def test_others_ask_for_a_reading_of_a_study_that_is_still_to_come(room: Room) -> None:
    image = radiograph()
    wish = for_the_node(str(image.StudyInstanceUID), ScheduledProcedureStepPriority="HIGH")
    assert room.parts.workitems.create(Uid("1.2.3.77"), wish, "RIS").status == 0
    assert room.states() == ["SCHEDULED"]
    room.receive(image)
    room.parts.readings.work()
    [triage] = room.rows(JobRow)
    assert triage["priority_rank"] == 3
    room.stations.read()
    room.close_studies()
    room.stations.read()
    room.publish()
    assert room.states() == ["COMPLETED", "COMPLETED"]
    assert room.get("1.2.3.77").ProcedureStepLabel == "Read this"


def test_others_ask_for_a_study_that_was_read_already(room: Room) -> None:
    uid = room.read(radiograph())
    room.publish()
    room.parts.readings.work()
    assert room.parts.workitems.create(Uid("1.2.3.77"), for_the_node(uid), "RIS").status == 0
    assert room.states() == ["COMPLETED", "COMPLETED"]
    assert room.get("1.2.3.77").UnifiedProcedureStepPerformedProcedureSequence


@pytest.mark.parametrize("elsewhere", ["another station", "another kind of work"])
def test_work_for_others_is_left_to_them(room: Room, elsewhere: str) -> None:
    uid = room.read(radiograph())
    wish = for_the_node(uid)
    if elsewhere == "another station":
        wish.ScheduledStationNameCodeSequence = wish.ScheduledWorkitemCodeSequence
    else:
        wish.ScheduledWorkitemCodeSequence[0].CodeValue = "110005"
    assert room.parts.workitems.create(Uid("1.2.3.77"), wish, "RIS").status == 0
    room.publish()
    room.parts.readings.work()
    assert room.get("1.2.3.77").ProcedureStepState == "SCHEDULED"


def test_what_was_only_fetched_to_compare_is_read_when_asked_for(room: Room) -> None:
    image = radiograph()
    room.receive(image, as_prior=True)
    room.close_studies()
    assert [row["reason"] for row in room.rows(RevisionRow)] == ["prior"]
    assert room.rows(WorkitemRow) == []
    wish = for_the_node(str(image.StudyInstanceUID))
    assert room.parts.workitems.create(Uid("1.2.3.77"), wish, "RIS").status == 0
    room.parts.readings.work()
    room.close_studies()
    room.stations.read()
    room.publish()
    assert room.states() == ["COMPLETED", "COMPLETED"]
