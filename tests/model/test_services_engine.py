"""A study outlives its server: handed back, read when the server is back, or parked with words."""

from __future__ import annotations

from cxr_node.config import JobsSection
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.study import StudyState
from cxr_node.reasoning.staged import Request, StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel
from cxr_node.services.frontal import candidates
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind, JobState
from cxr_node.store.schema import RevisionRow
from tests.engine_server import EngineServer, Trouble
from tests.engines import Open
from tests.reading_room import ReadingRoom

LIMITS = JobsSection(
    lease_seconds=60.0, beat_seconds=5.0, max_attempts=2, batch=2, retry_seconds=0.0
)


def test_studies_are_handed_back_and_read_when_the_server_is_back(
    sqlite_database: Database,
    open_served: Open,
    engine_server: EngineServer,
    untrained: TransformersModel,
) -> None:
    room = ReadingRoom(sqlite_database, open_served(retries=0), limits=LIMITS)
    revisions = [room.add(number, JobKind.TRIAGE) for number in (1, 2)]

    def falls_over(numbers: list[int]) -> None:
        if len(room.model.calls) == 5:
            engine_server.troubles = [Trouble.GATEWAY] * 2

    room.model.before = falls_over
    work_through(room)
    jobs = [room.job(revision, JobKind.TRIAGE) for revision in revisions]
    assert [(job.state, job.attempt) for job in jobs] == [(JobState.DONE, 2)] * 2
    assert sorted(room.finished()) == [1, 2]
    for number, revision in zip((1, 2), revisions, strict=True):
        found = room.reading(revision, ReadingKind.TRIAGE)
        assert found is not None
        assert [turn.answer for turn in found.turns] == alone(room, untrained, number)


def work_through(room: ReadingRoom) -> None:
    """Work until nothing waits."""
    while room.inference.work():
        pass


def alone(room: ReadingRoom, model: TransformersModel, number: int) -> list[str]:
    """What the model itself answers to the study's questions."""
    [candidate] = candidates([room.instance(number)])
    uid = candidate.reference.sop_instance_uid
    image = room.pictures.prepare(candidate.path, uid, model.image_policy)
    request = Request([image], [candidate.reference], ReadingKind.TRIAGE, quality_control=False)
    return [turn.answer for turn in StagedReader(model).read(request).turns]


def test_after_the_last_attempt_the_study_says_what_to_do(
    sqlite_database: Database, open_served: Open, engine_server: EngineServer
) -> None:
    room = ReadingRoom(sqlite_database, open_served(retries=0), limits=LIMITS)
    for number, trouble, words in (
        (1, Trouble.INTERNAL, "the inference server cannot be used; run cxr-node check"),
        (2, Trouble.OTHER_MODEL, "another model answers than the configured one"),
    ):
        revision = room.add(number)
        engine_server.always = trouble
        work_through(room)
        assert room.job(revision).attempt == LIMITS.max_attempts
        assert room.state(revision) == StudyState.PARKED
        with room.db.read() as session:
            reason = session.get_one(RevisionRow, revision).reason
        assert words in reason and reason.endswith("then run cxr-node replay")
        assert room.reading(revision) is None
