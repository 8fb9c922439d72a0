"""Shadow mode: a second model reads, is compared, and changes nothing that anyone is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_node.domain.study import StudyState
from cxr_node.entry.health import Health
from cxr_node.entry.shadow_tables import comparisons
from cxr_node.services.dispatch import sweep
from cxr_node.store.jobs import JobKind, JobState
from cxr_node.store.schema import (
    DeliveryRow,
    InstanceRow,
    JobRow,
    MilestoneRow,
    PriorityEventRow,
    ReadingRow,
    ResultObjectRow,
    RevisionRow,
    ShadowReadingRow,
    StudyRow,
)
from cxr_node.store.shadows import compared_since
from tests.builders import radiograph
from tests.whole_node import WholeNode, configuration, script

CALM = {"answers": {"overall": "abnormal", "presence/pleural_effusion": 0.8}}
SCREAMING = {
    "name": "screaming",
    "answers": {"overall": "abnormal", "presence": 0.99, "category": "1"},
}
TOLD = (StudyRow, RevisionRow, InstanceRow, DeliveryRow, PriorityEventRow, MilestoneRow, ReadingRow)
STUDY, SERIES, IMAGE = ("1.2.826.0.1.3680043.8.498.9" + end for end in ("", ".1", ".1.1"))

Start = Callable[..., WholeNode]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts nodes; each has a folder of its own and, unless told otherwise, a shadow."""
    made: list[WholeNode] = []

    def begin(second: dict[str, Any] | None = SCREAMING) -> WholeNode:
        folder = tmp_path / f"node{len(made)}"
        model = script(tmp_path / "model.script.json", **CALM)
        shadow = None
        if second is not None:
            shadow = script(tmp_path / f"shadow{len(made)}.script.json", **second)
        made.append(WholeNode(configuration(folder, model, shadow)))
        return made[-1]

    yield begin
    for node in made:
        node.stop()


def image() -> Any:
    return radiograph(study_uid=STUDY, series_uid=SERIES, instance_uid=IMAGE)


def told(node: WholeNode) -> dict[str, Any]:
    """All that reaches a person or a system: rows, worklist, and the objects' bytes."""
    data = str(node.node.config.node.data_dir)
    found: dict[str, Any] = {
        table.__tablename__: str(node.rows(table)).replace(data, "") for table in TOLD
    }
    objects = node.rows(ResultObjectRow)
    found["objects"] = [Path(row["path"]).read_bytes() for row in objects]
    found["uids"] = [row["sop_instance_uid"] for row in objects]
    found["worklist"] = node.node.worklist()
    return found


def test_a_screaming_shadow_changes_nothing_that_anyone_is_told(start: Start) -> None:
    alone, shadowed = start(None), start()
    for node in (alone, shadowed):
        node.read(image())
    assert shadowed.stations.shadow() == 1  # before anything is published
    for node in (alone, shadowed):
        node.publish()
    assert [row["state"] for row in alone.rows(JobRow)] == [JobState.DONE] * 3
    assert told(shadowed) == told(alone)
    assert len(told(alone)["objects"]) == 1
    (second,) = shadowed.rows(ShadowReadingRow)
    assert second["agreement"]["disagreed"] == 17
    assert shadowed.bell.rings == [*alone.bell.rings[:-1], "shadow", alone.bell.rings[-1]]


def test_a_node_without_a_shadow_queues_no_second_reading(start: Start) -> None:
    node = start(None)
    node.read(image())
    assert {row["kind"] for row in node.rows(JobRow)} == {"triage", "read", "publish"}
    assert "shadow" not in node.bell.rings


def test_both_answers_of_every_finding_are_kept(start: Start) -> None:
    node = start()
    node.read(image())
    node.stations.shadow()
    with node.node.db.read() as session:
        (comparison,) = comparisons(compared_since(session, None))
    assert (comparison.first["name"], comparison.second["name"]) == ("scripted", "screaming")
    cells = {table.finding.value: table.counts for table in comparison.tables}
    assert cells["pleural_effusion"]["both present"] == 1
    assert cells["pneumothorax"]["only second"] == 1
    (different,) = comparison.most_different
    assert different.study_uid == STUDY
    one = different.agreement["findings"]["pneumothorax"]
    assert (one["first"], one["second"]) == ("absent", "present")
    assert one["first_probability"] < 0.1 < 0.9 < one["second_probability"]


def test_a_failing_shadow_parks_its_job_and_nothing_else(start: Start) -> None:
    node, alone = start({**SCREAMING, "fails_at": "findings"}), start(None)
    for each in (node, alone):
        each.read(image())
    for _ in range(3):
        assert node.stations.shadow_batch() == 1
        assert told(node) == told(alone)
    for each in (node, alone):
        each.publish()
    states = {row["kind"]: row["state"] for row in node.rows(JobRow)}
    assert states == {"triage": "done", "read": "done", "publish": "done", "shadow": "parked"}
    assert node.rows(ShadowReadingRow) == []
    assert told(node) == told(alone)
    assert node.rows(RevisionRow)[0]["state"] == StudyState.REPORTED


def test_a_shadow_that_dies_parks_its_job_and_nothing_else(start: Start) -> None:
    node = start()
    node.read(image())
    limits, clock = node.node.config.jobs, node.clock
    for _ in range(limits.max_attempts):
        with node.node.claims.hold() as hold:
            assert hold.take((JobKind.SHADOW,))
        clock.advance(limits.lease_seconds + 1)
    sweep(node.node.db, clock, limits, node.bell)
    states = {row["kind"]: row["state"] for row in node.rows(JobRow)}
    assert states["shadow"] == JobState.PARKED
    assert node.rows(RevisionRow)[0]["state"] == StudyState.REASONING


def test_waiting_second_readings_are_rung_and_break_no_health(start: Start) -> None:
    node = start()
    node.read(image())
    node.publish()
    node.clock.advance(3600)
    node.bell.rings.clear()
    sweep(node.node.db, node.clock, node.node.config.jobs, node.bell)
    assert "shadow" in node.bell.rings
    assert Health(node.node, [], []).components(1)["worker"].working
