"""Shadow mode: a second model reads what was read, silently; both answers are compared.

Nothing of it reaches a report, a priority, a worklist or a list of studies, and no failure
of it stops a study: the job alone is parked.
"""

from __future__ import annotations

from cxr_node.domain.errors import IllegalMove
from cxr_node.domain.events import Event, emit
from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.domain.ports import Clock, ImageReader, Progress, VisionModel
from cxr_node.reasoning.staged import StagedReader
from cxr_node.services.agreement import agreement
from cxr_node.services.claims import Claims
from cxr_node.services.stored_runs import StoredRun, stored_run
from cxr_node.store import jobs, shadows
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind
from cxr_node.store.schema import RevisionRow


class Shadow:
    """Works through shadow jobs with one model."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        claims: Claims,
        model: VisionModel,
        images: ImageReader,
    ) -> None:
        self._db = db
        self._clock = clock
        self._claims = claims
        self._model = model
        self._reader = StagedReader(model)
        self._images = images

    def work(self) -> int:
        """Claim and settle one batch; return how many jobs were claimed."""
        return self._claims.work((JobKind.SHADOW,), self._run)

    def _run(self, claim: Claim, progress: Progress) -> None:
        run = self._gather(claim)
        request = run.request(self._images, self._model.image_policy, progress)
        began = self._clock.monotonic()
        reading = self._reader.read(request, progress)
        self._commit(claim, run, reading, self._clock.monotonic() - began)

    def _gather(self, claim: Claim) -> StoredRun:
        with self._db.read() as session:
            revision = session.get_one(RevisionRow, claim.revision_pk)
            run = stored_run(session, revision, ReadingKind.READ)
        if run is None:
            raise IllegalMove("only what was read can be read a second time")
        return run

    def _commit(self, claim: Claim, run: StoredRun, reading: Reading, seconds: float) -> None:
        """Only under the claim's token. Raises :class:`LeaseLost`."""
        compared, now = agreement(run.reading, reading), self._clock.now()
        with self._db.begin() as session:
            jobs.finish(session, claim, now)
            shadows.save_shadow(
                session, claim.revision_pk, reading, compared, model_seconds=seconds, now=now
            )
        emit(Event.JOB_FINISHED, job=claim.job_pk, kind=claim.kind, seconds=seconds)
