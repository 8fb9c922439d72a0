"""Reading: claim jobs, prepare their pictures, ask the model, commit the answers.

No transaction is open while pixels are decoded or the model runs; the result is written
only under the fencing token of the claim (transactions T4 and T5).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from cxr_node.domain.errors import NotReadable
from cxr_node.domain.findings import Reading, ReadingKind
from cxr_node.domain.ports import Clock, Doorbell, ImageReader, Progress, VisionModel
from cxr_node.reasoning.staged import Request, StagedReader
from cxr_node.reporting.templates import Templates
from cxr_node.services.amended_runs import amended_request
from cxr_node.services.announce import Announcer
from cxr_node.services.claims import Claims
from cxr_node.services.frontal import first_picture
from cxr_node.services.priors import UNREADABLE, prior_picture
from cxr_node.services.read_jobs import ReadJobs, Task
from cxr_node.services.rounds import Round
from cxr_node.services.sitting import Seat, Sitting
from cxr_node.store.database import Database
from cxr_node.store.jobs import Claim, JobKind


def _always() -> bool:
    return True


class Inference:
    """Works through triage, read and amend jobs with one model, up to ``jobs.batch`` together."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        claims: Claims,
        model: VisionModel,
        images: ImageReader,
        templates: Templates,
        bell: Doorbell,
        shadow: bool = False,
        announcer: Announcer | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._claims = claims
        self._model = model
        self._policy = model.image_policy
        self._reader = StagedReader(model)
        self._images = images
        self._jobs = ReadJobs(db, clock, templates, bell, shadow=shadow, announcer=announcer)

    def work(self, more: Callable[[], bool] = _always) -> int:
        """Read until no job waits; return how many were claimed.

        ``more`` is asked between two questions; after a no nothing is claimed any more,
        and what is open is read to its end.
        """
        with self._claims.hold() as hold, Sitting(self._claims.batch) as sitting:
            return Round(hold, self, self._reader, self._clock, sitting).run(more)

    def open(self, claim: Claim, progress: Progress) -> Seat | None:
        """Prepare the pictures and open the study; None when none can be decoded."""
        task = self._jobs.begin(claim)
        if claim.kind is JobKind.AMEND:
            return self._seat(task, self._amended(claim, progress), progress)
        try:
            request = self._request(task, progress)
        except NotReadable as refusal:
            self._jobs.commit_unreadable(task, refusal)
            return None
        return self._seat(task, request, progress)

    def _amended(self, claim: Claim, progress: Progress) -> Request:
        """A picture that was read once and cannot be now fails the attempt, not the study."""
        return amended_request(self._db, claim, self._images, self._model, progress)

    def _seat(self, task: Task, request: Request, progress: Progress) -> Seat:
        began = self._clock.monotonic()
        with ExitStack() as stack:
            reading = stack.enter_context(self._reader.begin(request))
            progress()
            return Seat(task, reading, stack.pop_all(), self._clock.monotonic() - began)

    def commit(self, task: Task, reading: Reading, model_seconds: float) -> None:
        """T5; raises :class:`LeaseLost` when another worker holds the job."""
        self._jobs.commit(task, reading, model_seconds)

    def _request(self, task: Task, progress: Progress) -> Request:
        candidate, image = first_picture(
            task.candidates,
            self._images,
            self._policy,
            self._jobs.note_unreadable,
            task.unread_reason,
        )
        progress()
        request = Request(
            images=[image],
            references=[candidate.reference],
            kind=ReadingKind(task.claim.kind.value),
            quality_control=task.quality_control,
            prior_unseen=bool(task.earlier or task.prior_problem),
            prior_problem=task.prior_problem,
        )
        if not (task.earlier and self._reader.compares):
            return request
        prior = prior_picture(task.earlier, self._images, self._policy)
        progress()
        return replace(request, prior=prior, prior_problem="" if prior else UNREADABLE)
