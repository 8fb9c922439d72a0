"""F4: a reading worker killed in mid-study or mid-batch; another finishes, with one report each."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from cxr_node.dicom.archive import ReceivingAE
from cxr_node.domain.stages import StageKey
from cxr_node.domain.study import StudyState
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import JobRow
from tests.builders import radiograph, save
from tests.nodes import destination, script
from tests.running_node import RunningNode

LEASE_SECONDS = 3.0

# Every stage that this reading walks: one finding, no prior.
WALKED = [
    StageKey.QUALITY_VIEW,
    StageKey.FINDINGS,
    StageKey.ATTRIBUTES_GROUNDING,
    StageKey.FUTURE_TREND,
    StageKey.ADVICE,
    StageKey.REPORT,
]


@pytest.mark.parametrize("stage", WALKED)
def test_killed_at_a_stage_another_finishes_within_the_lease_and_five_seconds(
    stage: StageKey, tmp_path: Path, pacs: ReceivingAE, reports: Callable[[str], list[Path]]
) -> None:
    died = tmp_path / "died"
    model = script(tmp_path, fails_at=stage, failure="kill", once=str(died))
    node = RunningNode(
        tmp_path / "node",
        destinations=(destination(pacs),),
        model=model,
        sections={
            "jobs": {"lease_seconds": LEASE_SECONDS, "beat_seconds": 1.0, "workers": 2},
            "assembly": {"quiet_seconds": 0.5},
        },
    )
    image = radiograph()
    with node:
        node.send(save(image, tmp_path / "in"))
        node.until(died.exists, 30, "killed")
        began = time.monotonic()
        item = node.settled(image.StudyInstanceUID)
        took = time.monotonic() - began
    assert item.state is StudyState.DELIVERED
    assert len(reports(image.StudyInstanceUID)) == 1
    assert took <= LEASE_SECONDS + 5.0


def test_killed_in_mid_batch_another_finishes_every_study_of_it(
    tmp_path: Path, pacs: ReceivingAE, reports: Callable[[str], list[Path]]
) -> None:
    """Slow enough that all are open when the first comes to its last stage; none is flagged."""
    died = tmp_path / "died"
    dies = {"fails_at": StageKey.REPORT, "failure": "kill", "once": str(died)}
    model = script(tmp_path, answers={}, seconds_per_turn=0.05, **dies)
    node = RunningNode(
        tmp_path / "node",
        destinations=(destination(pacs),),
        model=model,
        sections={
            "jobs": {
                **{"lease_seconds": LEASE_SECONDS, "beat_seconds": 1.0},
                **{"workers": 1, "batch": 4},
            },
            "assembly": {"quiet_seconds": 0.5},
        },
    )
    images = [radiograph(patient_id=f"PAT{number}") for number in range(4)]
    with node:
        node.send(*(save(image, tmp_path) for image in images))
        node.until(died.exists, 60, "killed")
        items = [node.settled(image.StudyInstanceUID) for image in images]
    assert [item.state for item in items] == [StudyState.DELIVERED] * 4
    assert [len(reports(image.StudyInstanceUID)) for image in images] == [1] * 4
    attempts = read_attempts(node)
    assert set(attempts) <= {1, 2}
    assert attempts.count(2) >= 2, "the worker held one study only when it was killed"


def read_attempts(node: RunningNode) -> list[int]:
    """Of every full reading, from the stopped node's database."""
    database = Database(f"sqlite:///{node.folder / 'data' / 'cxr-node.sqlite3'}")
    with database.read() as session:
        found = list(session.scalars(select(JobRow.attempt).filter_by(kind=JobKind.READ.value)))
    database.dispose()
    return found


def test_a_study_that_kills_every_worker_is_parked_and_others_flow(
    tmp_path: Path, pacs: ReceivingAE, reports: Callable[[str], list[Path]]
) -> None:
    model = script(tmp_path, fails_at=StageKey.REPORT, failure="error")
    node = RunningNode(tmp_path / "node", destinations=(destination(pacs),), model=model)
    image = radiograph()
    with node:
        node.send(save(image, tmp_path / "in"))
        item = node.settled(image.StudyInstanceUID)
        assert item.state is StudyState.PARKED
        assert "replay" in item.words
        assert not reports(image.StudyInstanceUID)
        log = node.log.read_text()
    assert log.count('"job-failed"') == 3
