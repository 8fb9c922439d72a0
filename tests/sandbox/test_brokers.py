"""The scaled layout: Celery workers rung over a real broker, PostgreSQL as the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cxr_node.dicom.archive import ReceivingAE
from cxr_node.domain.study import StudyState
from tests.builders import radiograph, save
from tests.nodes import destination, script
from tests.running_node import RunningNode

pytestmark = pytest.mark.peers

STUDIES = 6


@contextmanager
def celery_worker(config: Path, name: str, queues: str) -> Iterator[subprocess.Popen[bytes]]:
    """One ``celery -A workers.app worker``, as the README starts it."""
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker"]
    options = ["-Q", queues, "-P", "solo", "-n", f"{name}@localhost", "--without-gossip"]
    log = config.parent / f"{name}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, *options],
            env={**os.environ, "CXR_NODE_CONFIG": str(config)},
            stdout=stream,
            stderr=stream,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def scaled(tmp_path: Path, pacs: ReceivingAE, broker_url: str, new_postgresql: str) -> RunningNode:
    return RunningNode(
        tmp_path / "node",
        destinations=(destination(pacs),),
        model=script(tmp_path, seconds_per_turn=0.005),
        sections={
            "database": {"url": new_postgresql},
            "doorbell": {"kind": "celery", "broker_url": broker_url},
            "jobs": {"lease_seconds": 3.0, "beat_seconds": 1.0},
        },
    )


def test_two_workers_share_the_studies_and_a_killed_one_loses_none(
    scaled: RunningNode, reports: Callable[[str], list[Path]], tmp_path: Path
) -> None:
    images = [radiograph(patient_id=f"P{number}") for number in range(STUDIES)]
    with ExitStack() as stack:
        stack.enter_context(scaled)
        stack.enter_context(celery_worker(scaled.config, "publisher", "publish,deliver"))
        first = stack.enter_context(celery_worker(scaled.config, "reader1", "read"))
        stack.enter_context(celery_worker(scaled.config, "reader2", "read"))
        for number, image in enumerate(images):
            scaled.send(save(image, tmp_path / f"in{number}"))
        for image in images[: STUDIES // 2]:
            assert scaled.settled(image.StudyInstanceUID).state is StudyState.DELIVERED
        first.kill()
        late = radiograph(patient_id="LATE")
        scaled.send(save(late, tmp_path / "late"))
        for image in [*images, late]:
            assert scaled.settled(image.StudyInstanceUID).state is StudyState.DELIVERED
            assert len(reports(image.StudyInstanceUID)) == 1
    readers = [(scaled.folder / f"reader{n}.log").read_text() for n in (1, 2)]
    assert all('"job-finished"' in log for log in readers)


def test_without_a_broker_intake_goes_on_and_the_backlog_is_read_later(
    scaled: RunningNode, reports: Callable[[str], list[Path]], tmp_path: Path, broker_url: str
) -> None:
    image = radiograph()
    text = scaled.config.read_text()
    scaled.config.write_text(text.replace(broker_url, "redis://127.0.0.1:1/0"))
    with scaled:
        scaled.send(save(image, tmp_path / "in"))
    scaled.config.write_text(text)
    with ExitStack() as stack:
        stack.enter_context(scaled)
        stack.enter_context(celery_worker(scaled.config, "all", "read,publish,deliver"))
        assert scaled.settled(image.StudyInstanceUID).state is StudyState.DELIVERED
    assert len(reports(image.StudyInstanceUID)) == 1


def test_a_second_model_reads_in_a_worker_of_its_own(scaled: RunningNode, tmp_path: Path) -> None:
    shadow = script(tmp_path / "shadow", name="second")
    with scaled.config.open("a") as stream:
        stream.write(f'[shadow]\npath = "{shadow}"\n')
    image, written = radiograph(), tmp_path / "shadow.json"

    def compared() -> bool:
        scaled.command("audit", "shadow", "--json", str(written))
        found = json.loads(written.read_text())["comparisons"]
        return bool(found) and found[0]["second"]["name"] == "second"

    with ExitStack() as stack:
        stack.enter_context(scaled)
        stack.enter_context(celery_worker(scaled.config, "all", "read,publish,deliver"))
        scaled.send(save(image, tmp_path / "in"))
        assert scaled.settled(image.StudyInstanceUID).state is StudyState.DELIVERED
        assert not compared()
        stack.enter_context(celery_worker(scaled.config, "shadow", "shadow"))
        scaled.until(compared, 90, "read a second time")
