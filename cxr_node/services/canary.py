"""The canary: a phantom of known answers is read again and again, and must be answered alike.

It is read by the same worker, decoder and model as a patient's study, whenever no study
waits: between any two of its questions the worker first looks for clinical work. Nothing of
it is a study: it is on no worklist, in no report, and is delivered to nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from cxr_node.config import CanarySection
from cxr_node.domain.errors import CxrNodeError, StoreUnavailable
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.findings import ImageReference, Reading, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock, Doorbell, ImageReader, PreparedImage, VisionModel
from cxr_node.reasoning.staged import Request, StagedReader
from cxr_node.services.canary_answers import answers_of, differences
from cxr_node.spool.files import sha256_of
from cxr_node.store import canary
from cxr_node.store.canary import Answered, CanaryState, Turn
from cxr_node.store.database import Database
from cxr_node.store.schema import CanaryRunRow

LEASE_SECONDS = 120.0
_ALARM, _CALM = logging.ERROR, logging.INFO
_EVENTS = {
    CanaryState.STORED: Event.CANARY_STORED,
    CanaryState.HELD: Event.CANARY_HELD,
    CanaryState.DRIFTED: Event.CANARY_DRIFTED,
}


@dataclass(frozen=True, slots=True)
class CanaryPicture:
    """The stored phantom: its file and what its header says."""

    path: Path
    reference: ImageReference


def _nothing() -> int:
    return 0


def _always() -> bool:
    return True


class Canary:
    """Reads the canary's picture with one model."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        model: VisionModel,
        images: ImageReader,
        picture: Callable[[], CanaryPicture],
        tolerance: float,
    ) -> None:
        self._db = db
        self._clock = clock
        self._model = model
        self._reader = StagedReader(model)
        self._images = images
        self._picture = picture
        self._tolerance = tolerance
        self._renew_at = 0.0

    def work(
        self, clinical: Callable[[], int] = _nothing, more: Callable[[], bool] = _always
    ) -> int:
        """Make the run that waits; return how many were begun.

        ``clinical`` reads all studies that wait; it is called before every question. After
        ``more`` said no the run is left to the next worker.
        """
        with self._db.read() as session:
            if not canary.awaited(session, self._clock.now()):
                return 0
        with self._db.begin() as session:
            turn = canary.claim(session, self._clock.now(), LEASE_SECONDS)
        if turn is None:
            return 0
        try:
            self._make(turn, clinical, more)
        except StoreUnavailable:
            raise
        except CxrNodeError as error:
            self._fail(turn, str(error), error)
        except Exception as error:  # noqa: BLE001 - a canary must never end the worker
            self._fail(turn, f"{type(error).__name__}: see the log (canary-unanswered)", error)
        return 1

    def _make(self, turn: Turn, clinical: Callable[[], int], more: Callable[[], bool]) -> None:
        self._renew_at = self._clock.monotonic() + LEASE_SECONDS / 4
        picture = self._picture()
        clinical()
        image = self._prepared(picture)
        began, spent = self._clock.monotonic(), 0.0
        request = Request([image], [picture.reference], ReadingKind.READ, quality_control=True)
        with self._reader.begin(request) as reading:
            spent += self._clock.monotonic() - began
            while reading.ask is not None:
                clinical()
                if not self._go_on(turn, more()):
                    return
                began = self._clock.monotonic()
                self._reader.advance([reading])
                spent += self._clock.monotonic() - began
            self._commit(turn, picture, reading.reading(), spent)

    def _prepared(self, picture: CanaryPicture) -> PreparedImage:
        instance: Uid = picture.reference.sop_instance_uid
        return self._images.prepare(picture.path, instance, self._model.image_policy)

    def _go_on(self, turn: Turn, more: bool) -> bool:
        """Whether the run is still ours to make; without ``more`` it is handed back."""
        now = self._clock.monotonic()
        if more and now < self._renew_at:
            return True
        self._renew_at = now + LEASE_SECONDS / 4
        with self._db.begin() as session:
            if more:
                return canary.renew(session, turn, self._clock.now(), LEASE_SECONDS)
            canary.hand_back(session, turn)
        return False

    def _commit(self, turn: Turn, picture: CanaryPicture, reading: Reading, seconds: float) -> None:
        answers = answers_of(reading)
        found = Answered(
            reading.model.digest, sha256_of(picture.path), answers.model_dump(), seconds
        )
        with self._db.begin() as session:
            now = self._clock.now()
            held = canary.reference(session, found.model_digest, found.picture_sha256)
            unlike = [] if held is None else differences(held, answers, self._tolerance)
            state = _outcome(first=held is None, drifted=bool(unlike))
            ours = canary.finish(session, turn, state, found, "\n".join(unlike), now)
            if ours and held is None:
                canary.store_reference(session, found, "", now)
        if ours:
            level = _ALARM if unlike else _CALM
            digest = found.model_digest[:12]
            emit(_EVENTS[state], level=level, model=digest, count=len(unlike), seconds=seconds)

    def _fail(self, turn: Turn, words: str, error: Exception) -> None:
        with self._db.begin() as session:
            canary.fail(session, turn, words, self._clock.now())
        emit_failure(Event.CANARY_UNANSWERED, error, reason="failed")


def _outcome(*, first: bool, drifted: bool) -> CanaryState:
    if first:
        return CanaryState.STORED
    return CanaryState.DRIFTED if drifted else CanaryState.HELD


def schedule(db: Database, clock: Clock, section: CanarySection, bell: Doorbell) -> None:
    """One round of the watch: queue a run that is due, give up one that nobody answered.

    Safe after any restart: what is due follows from the last run's own time. A clock that
    was set back does not silence it.
    """
    now = clock.now()
    with db.begin() as session:
        run = canary.newest(session)
        age = None if run is None else now - run.scheduled_at
        if run is not None and run.state in canary.OPEN:
            _watch(session, run, now, section.answer_minutes)
            return
        every = timedelta(hours=section.every_hours)
        if age is not None and timedelta(0) <= age < every:
            return
        canary.queue(session, now)
    bell.ring("read")


def _watch(session: Session, run: CanaryRunRow, now: datetime, minutes: float) -> None:
    late = now - run.scheduled_at >= timedelta(minutes=minutes)
    if late and canary.give_up(session, run.id, _silence(run.state, minutes), now):
        emit(Event.CANARY_UNANSWERED, level=_ALARM, reason="late")


def _silence(state: str, minutes: float) -> str:
    if state == CanaryState.WAITING:
        return (
            f"no worker had a free moment for it in {minutes:g} minutes; see /readyz (worker) "
            "and cxr_node_queue_depth"
        )
    return f"a worker began and did not finish in {minutes:g} minutes; see its log (worker-lost)"
