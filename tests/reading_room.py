"""A node's reading side in one process: rows, pictures without files, a model that is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select

from cxr_node.config import JobsSection
from cxr_node.domain.errors import NotReadable
from cxr_node.domain.findings import ModelIdentity, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PatientFacts, PixelFacts, StudyFacts
from cxr_node.domain.ports import (
    Ask,
    Clock,
    Conversation,
    ImagePolicy,
    PreparedImage,
    Reply,
    SystemClock,
    VisionModel,
)
from cxr_node.domain.study import StudyState
from cxr_node.reasoning.profiles import Profile, ProfiledModel
from cxr_node.reasoning.scripted import ScriptedModel
from cxr_node.services.claims import Claims
from cxr_node.services.inference import Inference
from cxr_node.store import jobs, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import InstanceRow, JobRow, RevisionRow, StudyRow
from tests.instances import NOW, facts, spooled
from tests.models import picture
from tests.reports import templates

ROUTINE, STAT = 1, 4
LIMITS = JobsSection(
    retry_seconds=0.0,
    lease_seconds=1.5,
    beat_seconds=0.3,
    stall_seconds=60.0,
    max_attempts=3,
    batch=4,
)


@dataclass
class Bell:
    rung: list[str] = field(default_factory=list)

    def ring(self, queue: str) -> None:
        self.rung.append(queue)


class Pictures:
    """Implements ImageReader: every instance has a picture of its own, but for the broken ones."""

    def __init__(self) -> None:
        self.broken: dict[str, Exception] = {}
        self.ready: dict[int, PreparedImage] = {}
        """Pictures to be shown of some studies, by number."""
        self.asked: list[str] = []

    def inspect(self, path: Path, pixels: PixelFacts) -> None:
        """Nothing is wrong."""

    def prepare(self, path: Path, instance: Uid, policy: ImagePolicy) -> PreparedImage:
        self.asked.append(instance.text)
        if instance.text in self.broken:
            raise self.broken[instance.text]
        number = int(instance.text.split(".")[3])
        made = self.ready.get(number) or picture(number)
        return replace(made, sop_instance_uid=instance)


def unreadable() -> NotReadable:
    return NotReadable("decode", "as the test wants it")


class WatchedModel:
    """A model whose calls are seen: ``calls`` holds the numbers of the studies of each."""

    def __init__(self, model: VisionModel) -> None:
        self._model = model
        self._numbers: dict[int, int] = {}
        self.instead: dict[int, VisionModel] = {}
        """Who answers for a study, by its number; tells studies of one script apart."""
        self.calls: list[list[int]] = []
        self.shown: dict[int, list[str]] = {}
        self.before: Callable[[list[int]], None] = lambda numbers: None
        """Called with the numbers of the studies before each call."""

    @property
    def identity(self) -> ModelIdentity:
        return self._model.identity

    @property
    def image_policy(self) -> ImagePolicy:
        return self._model.image_policy

    @property
    def profile(self) -> Profile:
        return self._model.profile if isinstance(self._model, ProfiledModel) else Profile()

    @contextmanager
    def begin(self, images: Sequence[PreparedImage]) -> Iterator[Conversation]:
        number = int(images[0].sop_instance_uid.text.split(".")[3])
        self.shown[number] = [image.sop_instance_uid.text for image in images]
        with self.instead.get(number, self._model).begin(images) as conversation:
            self._numbers[id(conversation)] = number
            yield conversation

    def answer(self, asked: Sequence[tuple[Conversation, Ask]]) -> list[Reply]:
        numbers = [self._numbers[id(conversation)] for conversation, _ in asked]
        self.calls.append(numbers)
        self.before(numbers)
        if not self.instead:
            return self._model.answer(asked)
        models = [self.instead.get(number, self._model) for number in numbers]
        return [m.answer([pair])[0] for m, pair in zip(models, asked, strict=True)]


class ReadingRoom:
    """Studies, jobs and one worker. Studies are numbered; so are the UIDs made of them."""

    def __init__(
        self,
        database: Database,
        model: VisionModel | None = None,
        *,
        limits: JobsSection = LIMITS,
        clock: Clock | None = None,
    ) -> None:
        self.db = database
        self.clock = clock or SystemClock()
        self.limits = limits
        self.model = WatchedModel(model or ScriptedModel())
        self.pictures = Pictures()
        self.bell = Bell()
        self.inference = self.worker("me")

    def worker(self, owner: str) -> Inference:
        return Inference(
            db=self.db,
            clock=self.clock,
            claims=Claims(self.db, self.clock, self.limits, owner),
            model=self.model,
            images=self.pictures,
            templates=templates(),
            bell=self.bell,
        )

    def add(
        self,
        number: int,
        kind: JobKind | None = JobKind.READ,
        rank: int = ROUTINE,
        *,
        date: str = "",
        time: str = "",
        patient: PatientFacts | None = None,
        quality_control: bool = False,
        reason: str = "",
    ) -> int:
        """A closed study of one image, with a job unless ``kind`` is None; its revision's key."""
        described = replace(
            facts(number, quality_control=quality_control),
            study=StudyFacts(Uid(f"1.2.3.{number}"), study_date=date, study_time=time),
            patient=patient or PatientFacts(patient_id=f"P{number}"),
        )
        with self.db.begin() as session:
            study = studies.upsert_study(session, described, "MODALITY", NOW)
            revision = studies.open_revision(session, study, NOW)
            file = spooled(described.sop_instance_uid.text)
            studies.add_instance(
                session, study, revision.number, described, file, "MODALITY", reason, NOW
            )
            for state in (StudyState.ASSEMBLED, StudyState.QUEUED):
                studies.move(session, revision.id, state, NOW)
            pk = revision.id
        if kind is not None:
            self.queue(pk, kind, rank)
        return pk

    def queue(self, revision_pk: int, kind: JobKind, rank: int = ROUTINE) -> None:
        with self.db.begin() as session:
            jobs.add_job(session, revision_pk, kind, rank, self.clock.now())

    def job(self, revision_pk: int, kind: JobKind = JobKind.READ) -> JobRow:
        with self.db.read() as session:
            rows = select(JobRow).filter_by(revision_pk=revision_pk, kind=kind.value)
            return session.scalars(rows).one()

    def state(self, revision_pk: int) -> str:
        with self.db.read() as session:
            return session.get_one(RevisionRow, revision_pk).state

    def reading(self, revision_pk: int, kind: ReadingKind = ReadingKind.READ) -> Reading | None:
        with self.db.read() as session:
            return readings.load_reading(session, revision_pk, kind)

    def finished(self) -> list[int]:
        """Numbers of the studies whose read or triage job is done, in the order of the commits."""
        with self.db.read() as session:
            rows = session.execute(
                select(StudyRow.study_uid)
                .join(RevisionRow, RevisionRow.study_pk == StudyRow.id)
                .join(JobRow, JobRow.revision_pk == RevisionRow.id)
                .where(JobRow.finished_at.is_not(None), JobRow.kind != JobKind.PUBLISH.value)
                .order_by(JobRow.finished_at, JobRow.id)
            )
            return [int(row.study_uid.split(".")[3]) for row in rows]

    def instance(self, study_number: int) -> InstanceRow:
        with self.db.read() as session:
            uid = f"1.2.3.{study_number}.1.1"
            return session.scalars(select(InstanceRow).filter_by(sop_instance_uid=uid)).one()
