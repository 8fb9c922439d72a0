"""Archives that hang, refuse or send the wrong thing cost a bounded time and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr_node.domain.findings import Reading
from cxr_node.domain.stages import StageKey
from cxr_node.domain.study import StudyState
from cxr_node.services.priors import NOT_FETCHED
from cxr_node.store.jobs import JobKind, JobState
from cxr_node.store.schema import InstanceRow, JobRow, PriorFetchRow, RevisionRow
from tests.archives import BEFORE, TODAY, FetchingNode, Misbehaving, deaf
from tests.builders import radiograph

Outcome = Callable[..., str]
_GRACE_SECONDS = 3.0
GET = "way = 'c-get'\npeer = 'archive'"


@pytest.fixture
def peer() -> Iterator[Misbehaving]:
    found = Misbehaving(radiograph(**BEFORE, ModalitiesInStudy="DX"))
    yield found
    found.stop()


@pytest.fixture
def outcome(empty_database: Path, tmp_path: Path) -> Outcome:
    """How a search at a port ends; fails where it takes longer than it may."""

    def of(port: int, seconds: float = 1.0) -> str:
        node = FetchingNode(tmp_path, empty_database, GET, port, seconds)
        try:
            found = node.search()
            assert len(node.rows(InstanceRow)) == 1
        finally:
            node.stop()
        assert node.search_seconds < seconds + _GRACE_SECONDS
        return found

    return of


def why_not_compared(said: Reading) -> str:
    return {skip.stage: skip.reason for skip in said.skipped}.get(StageKey.COMPARISON, "")


def test_what_is_asked_for_is_fetched_and_compared(
    peer: Misbehaving, empty_database: Path, tmp_path: Path
) -> None:
    node = FetchingNode(tmp_path, empty_database, GET, peer.port)
    try:
        said = node.read_today()
        marks = {row["sop_instance_uid"]: row["as_prior"] for row in node.rows(InstanceRow)}
    finally:
        node.stop()
    assert said.prior is not None
    assert said.prior.study_uid.text == peer.image.StudyInstanceUID
    assert marks.pop(str(peer.image.SOPInstanceUID)) is True
    assert list(marks.values()) == [False]


def test_nobody_listens(empty_database: Path, tmp_path: Path) -> None:
    with deaf() as port:
        pass
    node = FetchingNode(tmp_path, empty_database, GET, port, 1.0)
    try:
        assert why_not_compared(node.read_today()) == NOT_FETCHED
        assert [row["outcome"] for row in node.rows(PriorFetchRow)] == ["failed"]
    finally:
        node.stop()


def test_somebody_listens_and_never_answers(outcome: Outcome) -> None:
    with deaf() as port:
        assert outcome(port) == "failed"


def test_the_query_hangs(peer: Misbehaving, outcome: Outcome) -> None:
    peer.hang_seconds = 60.0
    assert outcome(peer.port) == "failed"


@pytest.mark.parametrize("status", [0xA700, 0xC000])
def test_the_query_is_refused(peer: Misbehaving, outcome: Outcome, status: int) -> None:
    peer.find_status = status
    assert outcome(peer.port) == "failed"


def test_the_retrieval_is_refused(peer: Misbehaving, outcome: Outcome) -> None:
    peer.get_status = 0xA702
    assert outcome(peer.port, 5.0) == "failed"


@pytest.mark.parametrize("wrong", [{"patient_id": "PAT2"}, {"patient_name": "ROE^RICHARD"}])
def test_another_patient_is_sent(outcome: Outcome, wrong: dict[str, str]) -> None:
    offered = radiograph(**BEFORE, ModalitiesInStudy="DX")
    uids = {
        "study_uid": str(offered.StudyInstanceUID),
        "series_uid": str(offered.SeriesInstanceUID),
        "instance_uid": str(offered.SOPInstanceUID),
    }
    peer = Misbehaving(offered, radiograph(**BEFORE, **uids, **wrong))
    try:
        assert outcome(peer.port, 5.0) == "failed"
    finally:
        peer.stop()


def test_an_archive_that_failed_is_left_alone_for_a_while(
    empty_database: Path, tmp_path: Path
) -> None:
    with deaf() as port:
        node = FetchingNode(tmp_path, empty_database, GET, port, 1.0)
        try:
            assert node.search() == "failed"
            assert node.search() == "failed"
            assert node.search_seconds < 0.9
        finally:
            node.stop()


def test_a_search_that_never_ends_holds_the_reading_only_so_long(
    empty_database: Path, tmp_path: Path
) -> None:
    node = FetchingNode(tmp_path, empty_database, GET, seconds=5.0)
    try:
        image = radiograph(**TODAY)
        node.receive(image)
        node.stations.read()
        states = {row["kind"]: row["state"] for row in node.rows(JobRow)}
        assert states == {JobKind.TRIAGE: JobState.DONE}
        node.close_studies()
        node.stations.read()
        states = {row["kind"]: row["state"] for row in node.rows(JobRow)}
        assert states[JobKind.READ] == JobState.WAITING
        node.clock.advance(5.0)
        node.stations.read()
        said = node.reading(str(image.StudyInstanceUID))
        assert said is not None
        assert why_not_compared(said) == NOT_FETCHED
    finally:
        node.stop()


def test_the_fetched_study_is_not_read_until_somebody_sends_it(
    peer: Misbehaving, empty_database: Path, tmp_path: Path
) -> None:
    node = FetchingNode(tmp_path, empty_database, GET, peer.port)
    try:
        node.read_today()
        kinds = [row["kind"] for row in node.rows(JobRow)]
        assert kinds == [JobKind.TRIAGE, JobKind.READ, JobKind.PUBLISH]
        node.close_studies()
        states = {(row["state"], row["reason"]) for row in node.rows(RevisionRow)}
        assert (StudyState.NOT_ELIGIBLE, "prior") in states
        node.receive(peer.image)
        node.stations.read()
        node.close_studies()
        node.stations.read()
        assert node.reading(str(peer.image.StudyInstanceUID)) is not None
    finally:
        node.stop()
