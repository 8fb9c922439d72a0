"""A question after a full reading: the stored dialogue is laid before the model and continued.

Question and answer are kept beside the reading. They change nothing in it, and are delivered
nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from cxr_node.domain.errors import QuestionRefused
from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.follow_up import FollowUp
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock, ImageReader
from cxr_node.reasoning.follow_up import put
from cxr_node.reasoning.profiles import ProfiledModel
from cxr_node.reasoning.recorded import verifiable
from cxr_node.services.stored_runs import StoredRun, current_revision, stored_run
from cxr_node.store import follow_ups
from cxr_node.store.database import Database


@dataclass(frozen=True, slots=True)
class Answered:
    """A follow-up with the reading it belongs to."""

    run: StoredRun
    asked: FollowUp
    truncated: bool


class FollowUps:
    """Puts questions about stored studies to the model that read them."""

    def __init__(
        self, *, db: Database, clock: Clock, images: ImageReader, model: ProfiledModel
    ) -> None:
        self._db = db
        self._clock = clock
        self._images = images
        self._model = model

    def ask(self, study_uid: Uid, words: str, asked_by: str) -> Answered:
        """Put ``words`` as the next turn, after the reading and all earlier follow-ups.

        Raises :class:`QuestionRefused` when there is no dialogue to continue,
        :class:`AnswerRefused` when the answer is of no use, and :class:`NotReadable`.
        """
        model = self._model
        with self._db.read() as session:
            revision = current_revision(session, study_uid.text)
            run = stored_run(session, revision, ReadingKind.READ)
            earlier = follow_ups.follow_ups(session, revision.id, model.identity.digest)
        if run is None:
            raise QuestionRefused("the study has no full reading to ask about")
        self._check(run)
        turns = run.reading.turns
        said = [(t.prompt, t.settled) for t in turns] + [(e.prompt, e.settled) for e in earlier]
        request = run.request(self._images, model.image_policy)
        written = put(model, model.profile, request, said, words, turns[0].context_sha256)
        asked = FollowUp(
            turn=len(said) + 1,
            prompt=written.prompt,
            prompt_sha256=written.prompt_sha256,
            context_sha256=written.context_sha256,
            answer=written.answer,
            settled=written.settled,
            model_digest=model.identity.digest,
            asked_by=asked_by,
        )
        self._keep(run, asked)
        return Answered(run, asked, written.truncated)

    def _check(self, run: StoredRun) -> None:
        reader, mine = run.reading.model, self._model.identity
        if not verifiable(run.reading):
            raise QuestionRefused("the reading was stored before turns were kept whole")
        if reader.digest != mine.digest:
            raise QuestionRefused(
                f"the study was read by {reader.name} {reader.version} ({reader.digest[:12]}), "
                f"not by {mine.name} {mine.version} ({mine.digest[:12]}); name that model "
                "with --model"
            )

    def _keep(self, run: StoredRun, asked: FollowUp) -> None:
        with self._db.begin() as session:
            kept = follow_ups.save_follow_up(session, run.revision_pk, asked, self._clock.now())
        if not kept:
            raise QuestionRefused("another question was put meanwhile; ask again")
