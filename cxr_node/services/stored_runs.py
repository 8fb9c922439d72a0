"""A stored reading with all that was in front of the model, so that it can be shown again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.errors import CxrNodeError, UnknownStudy
from cxr_node.domain.findings import ImageReference, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import ImagePolicy, ImageReader, PreparedImage, Progress
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.staged import PriorPicture, Request
from cxr_node.reasoning.walk import NO_PRIOR, NOT_IN_TRIAGE, UNTAUGHT
from cxr_node.spool.files import sha256_of
from cxr_node.store import readings, studies
from cxr_node.store.schema import RevisionRow, StudyRow


@dataclass(frozen=True, slots=True)
class KeptFile:
    """An image in the spool, and the digest of the bytes that were received."""

    instance: Uid
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One pass over one revision, and the files it looked at."""

    revision_pk: int
    revision: int
    study_uid: str
    reading: Reading
    files: tuple[KeptFile, ...]
    """In the order of ``reading.images``."""
    prior: KeptFile | None
    quality_control: bool

    def altered(self) -> Iterator[Uid]:
        """Images whose file is not, or no longer, what was received."""
        for file in (*self.files, *((self.prior,) if self.prior else ())):
            if not file.path.is_file() or sha256_of(file.path) != file.sha256:
                yield file.instance

    def request(
        self, images: ImageReader, policy: ImagePolicy, progress: Progress = lambda: None
    ) -> Request:
        """Prepare the same pictures for a model again.

        Raises :class:`NotReadable`, or another :class:`CxrNodeError` where the file is gone.
        """

        def prepared(file: KeptFile) -> PreparedImage:
            picture = images.prepare(file.path, file.instance, policy)
            progress()
            return picture

        reading, prior = self.reading, None
        unseen = _why_no_prior_was_shown(reading)
        current = [prepared(file) for file in self.files]
        if self.prior is not None and reading.prior is not None:
            prior = PriorPicture(reading.prior, prepared(self.prior))
        return Request(
            images=current,
            references=reading.images,
            kind=reading.kind,
            quality_control=self.quality_control,
            prior=prior,
            prior_unseen=bool(unseen),
            prior_problem=unseen,
        )


def _why_no_prior_was_shown(reading: Reading) -> str:
    """The recorded reason where an earlier study was known; empty where none was."""
    reasons = {skipped.stage: skipped.reason for skipped in reading.skipped}
    found = reasons.get(StageKey.COMPARISON, "")
    return "" if found in (NO_PRIOR, NOT_IN_TRIAGE, UNTAUGHT) else found


def current_revision(session: Session, study_uid: str) -> RevisionRow:
    """The newest revision of a study. Raises :class:`CxrNodeError` when there is none."""
    study = session.scalar(select(StudyRow).where(StudyRow.study_uid == study_uid))
    if study is None:
        raise UnknownStudy("the node has never seen this study")
    revision = studies.current_revision(session, study.id)
    if revision is None:
        raise CxrNodeError("the study has no images")
    return revision


def stored_run(session: Session, revision: RevisionRow, kind: ReadingKind) -> StoredRun | None:
    """The reading of that kind, if there is one."""
    reading = readings.load_reading(session, revision.id, kind)
    if reading is None:
        return None
    study = session.get_one(StudyRow, revision.study_pk)
    prior = reading.prior
    return StoredRun(
        revision_pk=revision.id,
        revision=revision.number,
        study_uid=study.study_uid,
        reading=reading,
        files=tuple(_file(session, image) for image in reading.images),
        prior=_file(session, prior.image) if prior else None,
        quality_control=study.quality_control,
    )


def _file(session: Session, image: ImageReference) -> KeptFile:
    row = studies.find_instance(session, image.sop_instance_uid.text)
    if row is None:
        raise CxrNodeError(f"the node holds no image {image.sop_instance_uid.text}")
    return KeptFile(image.sop_instance_uid, Path(row.path), row.sha256)
