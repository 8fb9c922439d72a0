"""Intake of one received instance (transaction T1): bytes durable, row durable, then success.

Returning normally is what lets the listener answer 0x0000: "your bytes are safe here".
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from cxr_node.dicom.headers import check_command, read_facts
from cxr_node.domain.eligibility import EligibilityPolicy, NotEligible, Reason, assess
from cxr_node.domain.errors import (
    CxrNodeError,
    MalformedUid,
    NotConformant,
    NotReadable,
    StoreUnavailable,
)
from cxr_node.domain.events import Event, emit, emit_failure
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.instance import InstanceFacts, Received
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.ports import Clock, Doorbell, ImageReader, Spool, SpooledFile
from cxr_node.spool.files import sha256_of
from cxr_node.store import jobs, orders, prior_fetches, studies, workitems
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import InstanceRow, RevisionRow, StudyRow

_CONFLICT = Reason.CONFLICTING_INSTANCE.value


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One instance whose bytes are durable; ``reason`` is empty for an eligible image."""

    facts: InstanceFacts
    file: SpooledFile
    sender: str
    reason: str
    as_prior: bool = False
    from_move: bool | None = None
    """Whether its C-STORE belongs to a C-MOVE of this node; None where it does not say."""

    @property
    def is_image(self) -> bool:
        return studies.is_image(self.facts)

    @property
    def starts_triage(self) -> bool:
        return self._may_be_read and not self.as_prior

    @property
    def _may_be_read(self) -> bool:
        return self.is_image and not self.reason and self.facts.view.may_be_frontal


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the transaction did; ``queued`` when it added a job."""

    event: Event
    revision: int | None = None
    queued: bool = False


class Intake:
    """Takes responsibility for received instances, from any number of threads."""

    def __init__(
        self,
        db: Database,
        spool: Spool,
        clock: Clock,
        policy: EligibilityPolicy,
        images: ImageReader,
        own_device_uids: Callable[[], Collection[str]],
        ring: Doorbell,
        own_ae: str = "",
        *,
        wants_priors: bool = False,
    ) -> None:
        self._db = db
        self._spool = spool
        self._clock = clock
        self._policy = policy
        self._images = images
        self._own_device_uids = own_device_uids
        self._bell = ring
        self._own_ae = own_ae
        self._wants_priors = wants_priors

    def receive(self, received: Received) -> None:
        """Keep one instance and queue what it makes possible.

        ``received.partial`` is gone afterwards, also after an error: bytes are then either
        in quarantine or still the sender's. Raises :class:`NotConformant` (kept aside),
        :class:`SpoolFull` or :class:`StoreUnavailable` (nothing promised, send again).
        """
        try:
            facts = self._facts(received)
            digest = sha256_of(received.partial)
            file = self._spool.file(received.partial, facts.sop_instance_uid, digest)
        finally:
            received.partial.unlink(missing_ok=True)
        arrival = _Arrival(
            facts,
            file,
            received.calling_ae,
            self._reason(facts, file),
            received.as_prior,
            received.move_originator == self._own_ae if received.move_originator else None,
        )
        with self._db.begin() as session:
            outcome = self._commit(session, arrival, self._clock.now())
        self._announce(arrival, outcome)

    def progress(self, study_uid: Uid) -> None:
        """Bytes of this study are still arriving: its quiet clock starts again."""
        with self._db.begin() as session:
            studies.touch(session, study_uid.text, self._clock.now())

    def _facts(self, received: Received) -> InstanceFacts:
        try:
            facts = read_facts(received.partial, own_device_uids=self._own_device_uids())
            check_command(facts, received)
        except MalformedUid as error:
            # Nothing is kept under an identifier that is none.
            emit(Event.INSTANCE_REFUSED, peer=received.calling_ae, reason=error.code)
            raise
        except NotConformant as error:
            self._refuse(received, error.code)
            raise
        return facts

    def _refuse(self, received: Received, code: str) -> None:
        digest = sha256_of(received.partial)
        path = self._spool.quarantine(received.partial, code)
        with self._db.begin() as session:
            studies.add_quarantine(
                session,
                reason=code,
                sha256=digest,
                path=str(path),
                sender=received.calling_ae,
                now=self._clock.now(),
            )
        emit(Event.INSTANCE_REFUSED, peer=received.calling_ae, reason=code)

    def _reason(self, facts: InstanceFacts, file: SpooledFile) -> str:
        """Why the instance is not read: from the header, then from a look at the pixels."""
        verdict = assess(facts, self._policy)
        if isinstance(verdict, NotEligible):
            return verdict.reason.value
        try:
            self._images.inspect(file.path, facts.pixels)
        except NotReadable as error:
            return Reason(error.reason).value
        except NotConformant:
            return Reason.DECODE.value
        except CxrNodeError as error:
            # The look itself failed, which says nothing of the image: the worker will see.
            emit_failure(Event.WORKER_LOST, error, worker="inspection")
        return ""

    def _commit(self, session: Session, arrival: _Arrival, now: datetime) -> _Outcome:
        """T1: file the instance, or note that it came again."""
        uid = arrival.facts.sop_instance_uid.text
        if self._wants_priors and not arrival.as_prior:
            arrival = replace(arrival, as_prior=_was_fetched(session, arrival))
        known = studies.find_instance(session, uid)
        if known is None:
            study = studies.upsert_study(session, arrival.facts, arrival.sender, now)
            # Asked again under the study's lock: another association may have filed it.
            known = studies.find_instance(session, uid)
            if known is None:
                return _file(session, study, arrival, now, search=self._wants_priors)
        if known.as_prior and not arrival.as_prior:
            study = studies.upsert_study(session, arrival.facts, arrival.sender, now)
            self._prefer(session, known, arrival, now)
            return _sent_to_be_read(session, study, known, arrival, now)
        if known.sha256 == arrival.file.sha256:
            _note_again(session, known, arrival)
            return _Outcome(Event.INSTANCE_DUPLICATE)
        self._set_aside(session, arrival, now)
        known.conflicts = InstanceRow.conflicts + 1
        return _Outcome(Event.INSTANCE_CONFLICT)

    def _prefer(
        self, session: Session, known: InstanceRow, arrival: _Arrival, now: datetime
    ) -> None:
        """What somebody sends to be read stands in for what an archive gave to compare with."""
        if known.sha256 == arrival.file.sha256:
            return
        path = self._spool.quarantine(Path(known.path), _CONFLICT)
        studies.add_quarantine(
            session,
            reason=_CONFLICT,
            sha256=known.sha256,
            path=str(path),
            sender=known.sender,
            now=now,
        )
        studies.replace_bytes(known, arrival.facts, arrival.file, arrival.sender, arrival.reason)

    def _set_aside(self, session: Session, arrival: _Arrival, now: datetime) -> None:
        """Other bytes under a known UID never replace the first; they are kept, not read."""
        path = self._spool.quarantine(arrival.file.path, _CONFLICT)
        studies.add_quarantine(
            session,
            reason=_CONFLICT,
            sha256=arrival.file.sha256,
            path=str(path),
            sender=arrival.sender,
            now=now,
        )

    def _announce(self, arrival: _Arrival, outcome: _Outcome) -> None:
        """Say what is committed; nothing here can take it back."""
        emit(
            outcome.event,
            peer=arrival.sender,
            instance=arrival.facts.sop_instance_uid,
            study=arrival.facts.study.study_uid,
            revision=outcome.revision,
            reason=arrival.reason,
        )
        if outcome.queued:
            self._bell.ring("read")


def _was_fetched(session: Session, arrival: _Arrival) -> bool:
    """Whether the instance comes by a C-MOVE for an earlier study to compare with."""
    if arrival.from_move is False:
        return False
    uid = arrival.facts.study.study_uid.text
    ours = arrival.from_move is True
    return prior_fetches.is_expected(session, uid, arrival.sender, ours=ours)


def _sent_to_be_read(
    session: Session, study: StudyRow, known: InstanceRow, arrival: _Arrival, now: datetime
) -> _Outcome:
    """What was fetched to compare with is now sent by somebody who wants it read."""
    known.as_prior = False
    known.duplicates = InstanceRow.duplicates + 1
    revision = _revision_for(session, study, arrival, now)
    revision.last_received_at = now
    queued = arrival.starts_triage and _plan(session, study, revision, now)
    return _Outcome(Event.INSTANCE_DUPLICATE, revision.number, queued)


def _note_again(session: Session, known: InstanceRow, arrival: _Arrival) -> None:
    """The same bytes came again: what retention took away is here once more.

    Raises :class:`StoreUnavailable` where retention was just about to: send them again.
    """
    known.duplicates = InstanceRow.duplicates + 1
    known.removed_at = None
    session.flush()  # from here on retention waits for this row
    if not arrival.file.path.exists():
        raise StoreUnavailable("the bytes were just being removed")


def _file(
    session: Session, study: StudyRow, arrival: _Arrival, now: datetime, *, search: bool
) -> _Outcome:
    revision = _revision_for(session, study, arrival, now)
    if search and arrival.starts_triage:
        prior_fetches.ask(session, revision.id, now)
    studies.add_instance(
        session,
        study,
        revision.number,
        arrival.facts,
        arrival.file,
        arrival.sender,
        arrival.reason,
        now,
        as_prior=arrival.as_prior,
    )
    if arrival.is_image:
        revision.last_received_at = now
        studies.mark(session, revision.id, Milestone.FIRST_IMAGE, now)
        studies.mark(session, revision.id, Milestone.LAST_IMAGE, now)
    own = arrival.facts.own_result
    return _Outcome(
        Event.OWN_RESULT_RETURNED if own else Event.INSTANCE_STORED,
        revision.number,
        arrival.starts_triage and _plan(session, study, revision, now),
    )


def _plan(session: Session, study: StudyRow, revision: RevisionRow, now: datetime) -> bool:
    """Queue the quick look and have a work item for the reading; False if both are there."""
    workitems.plan_own(session, study, revision, now)
    workitems.touch(session, study.study_uid)
    return jobs.add_job(
        session, revision.id, JobKind.TRIAGE, orders.queue_rank(session, study), now
    )


def _revision_for(
    session: Session, study: StudyRow, arrival: _Arrival, now: datetime
) -> RevisionRow:
    """Images open a revision; own results and other objects join the one that is there."""
    current = studies.current_revision(session, study.id)
    if current is not None and not arrival.is_image:
        return current
    return studies.open_revision(session, study, now)
