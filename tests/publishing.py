"""The publishing side of a node with one study in it, and its destinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cxr_node.config import PeerSection
from cxr_node.domain.errors import NotReadable
from cxr_node.domain.findings import Reading
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import PixelFacts, StudyFacts
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.ports import FakeClock, ImagePolicy, ImageReader, PreparedImage
from cxr_node.domain.study import StudyState
from cxr_node.services.prioritise import decide
from cxr_node.services.publish import Publish
from cxr_node.spool.files import FileSpool
from cxr_node.store import jobs, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind
from cxr_node.store.schema import DeliveryRow, ResultObjectRow, RevisionRow
from tests.instances import facts
from tests.page_examples import picture_of
from tests.readings import IMAGE, SERIES, sample_image, sample_reading
from tests.reports import source_file, templates

STUDY = "1.2.3.4.5"


def peer(name: str, **changes: Any) -> PeerSection:
    """A destination that is never called here."""
    usual = {
        "ae_title": name,
        "host": "127.0.0.1",
        "port": 1,
        "receives_results": True,
        "objects": (),
    }
    return PeerSection(name=name, **{**usual, **changes})


@dataclass
class Bell:
    rung: list[str] = field(default_factory=list)

    def ring(self, queue: str) -> None:
        self.rung.append(queue)


@dataclass
class Pictures:
    """Pictures without a decoder; ``refused`` says that none can be made."""

    refused: bool = False

    def inspect(self, path: Path, pixels: PixelFacts) -> None:
        raise AssertionError("nobody inspects an image in order to publish")

    def prepare(self, path: Path, instance: Uid, policy: ImagePolicy) -> PreparedImage:
        if self.refused:
            raise NotReadable("decode")
        return picture_of(sample_image(sop_instance_uid=instance))


@dataclass
class Station:
    """A node's publishing side with one study in it."""

    db: Database
    spool: FileSpool
    clock: FakeClock
    bell: Bell
    folder: Path
    images: ImageReader = field(default_factory=lambda: Pictures())

    def publish(self, destinations: Sequence[str | PeerSection] = ("PACS",)) -> Publish:
        return Publish(
            db=self.db,
            spool=self.spool,
            clock=self.clock,
            images=self.images,
            templates=templates(),
            sr_class="comprehensive-3d",
            station_name="CXR-NODE",
            site_key="test site",
            destinations=[peer(d) if isinstance(d, str) else d for d in destinations],
            ring=self.bell,
        )

    def read_study(self, reading: Reading | None = None, *, raised: bool = True) -> int:
        """A revision whose reading is done and whose publish job waits."""
        said, now = reading or sample_reading(), self.clock.now()
        path = source_file(self.folder)
        image = self.spool.write(IMAGE, path.read_bytes())
        uid = Uid(f"{IMAGE}.{len(self.objects())}") if self.has(IMAGE) else IMAGE
        described = replace(
            facts(), sop_instance_uid=uid, series_uid=SERIES, study=StudyFacts(Uid(STUDY))
        )
        with self.db.begin() as session:
            study = studies.upsert_study(session, described, "MODALITY", now)
            revision = studies.open_revision(session, study, now)
            studies.add_instance(
                session, study, revision.number, described, image, "MODALITY", "", now
            )
            for state in (StudyState.ASSEMBLED, StudyState.QUEUED, StudyState.REASONING):
                studies.move(session, revision.id, state, now)
            readings.save_reading(session, revision.id, said, model_seconds=1.0, now=now)
            studies.mark(session, revision.id, Milestone.READ_DONE, now)
            if raised:
                decision = decide(said, templates())
                studies.raise_priority(session, study.id, revision.id, decision, "read", now)
            jobs.add_job(session, revision.id, JobKind.PUBLISH, 1, now)
            return revision.id

    def has(self, instance: Uid) -> bool:
        with self.db.begin() as session:
            return studies.find_instance(session, instance.text) is not None

    def claim(self, lease_seconds: float = 10.0) -> Claim:
        with self.db.begin() as session:
            (found,) = jobs.claim(
                session,
                (JobKind.PUBLISH,),
                owner="test",
                now=self.clock.now(),
                lease_seconds=lease_seconds,
            )
        return found

    def state(self, revision_pk: int) -> StudyState:
        with self.db.begin() as session:
            return StudyState(session.get_one(RevisionRow, revision_pk).state)

    def objects(self) -> list[ResultObjectRow]:
        with self.db.begin() as session:
            return list(session.scalars(select(ResultObjectRow).order_by(ResultObjectRow.id)))

    def deliveries(self) -> list[tuple[int, str, str]]:
        with self.db.begin() as session:
            rows = session.scalars(select(DeliveryRow).order_by(DeliveryRow.id))
            return [(row.object_pk, row.destination, row.state) for row in rows]


@pytest.fixture
def station(sqlite_database: Database, tmp_path: Path) -> Station:
    spool = FileSpool(tmp_path / "spool", reserve_bytes=0)
    folder = tmp_path / "sources"
    folder.mkdir()
    return Station(sqlite_database, spool, FakeClock(), Bell(), folder)
