"""The node's own work: each study that it will read is a work item, kept in step with the study.

Whatever moves a study marks its work items; a loop then writes them and tells those who
follow. A request by others to read a study is carried along in the same way.
"""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset
from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from cxr_node.dicom import ups_dataset, ups_reading
from cxr_node.dicom.ups_reading import ReadingView
from cxr_node.dicom.worklist_match import put
from cxr_node.domain.identifiers import Uid, result_uid
from cxr_node.domain.milestones import Milestone
from cxr_node.domain.ports import Clock
from cxr_node.domain.priority import RANK, Priority, is_flag
from cxr_node.domain.study import StudyState, visible_state
from cxr_node.domain.ups import FINAL, UpsState
from cxr_node.services.workitem_events import announce
from cxr_node.store import jobs, studies, workitems
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobState
from cxr_node.store.schema import (
    InstanceRow,
    JobRow,
    MilestoneRow,
    ResultObjectRow,
    RevisionRow,
    StudyRow,
)
from cxr_node.store.schema_ups import WorkitemRow

_BATCH = 100
_DONE = frozenset({StudyState.REPORTED, StudyState.DELIVERED})
_ENDED = frozenset({StudyState.NOT_ELIGIBLE, StudyState.SUPERSEDED, StudyState.WITHDRAWN})
_RAISE_TO = (Priority.LOW, Priority.MEDIUM, Priority.HIGH)


class ReadingItems:
    """Keeps work items in step with their studies. ``own_ae`` performs them."""

    def __init__(self, db: Database, clock: Clock, own_ae: str, station: str) -> None:
        self._db = db
        self._clock = clock
        self._performer = ups_reading.Performer(own_ae, station)

    def work(self) -> int:
        """Write the work items whose studies moved on; how many."""
        with self._db.read() as session:
            if not workitems.is_any_dirty(session):
                return 0
        now = self._clock.now()
        with self._db.begin() as session:
            rows = workitems.dirty(session, _BATCH)
            for row in rows:
                self._write(session, row, now)
        return len(rows)

    def _write(self, session: Session, row: WorkitemRow, now: datetime) -> None:
        row.dirty = False
        study = session.scalar(select(StudyRow).filter_by(study_uid=row.study_uid))
        revision = _revision(session, study, row) if study is not None else None
        if study is None or revision is None or row.state in FINAL:
            return
        if not row.document:
            self._announce_new(session, row, study, revision, now)
        elif row.created_by and not _has_been_read(session, revision):
            revision = _want_reading(session, row, study, revision, now)
        self._follow(session, row, _view(session, study, revision), now)

    def _announce_new(
        self,
        session: Session,
        row: WorkitemRow,
        study: StudyRow,
        revision: RevisionRow,
        now: datetime,
    ) -> None:
        images = studies.instances_of(session, study.id, revision.number)
        item = ups_reading.scheduled(Uid(row.uid), study, images, self._performer, row.created_at)
        row.document = ups_dataset.encoded(item)
        announce(session, row, ups_dataset.STATE_REPORT, ups_dataset.state_report(item), now)

    def _follow(self, session: Session, row: WorkitemRow, view: ReadingView, now: datetime) -> None:
        """Bring the item to where the study is, one legal move after the other."""
        item = ups_dataset.decoded(row.document)
        if ups_reading.progressed(item, view):
            report = ups_dataset.progress_report(item)
            self._keep(row, item, view, now)
            announce(session, row, ups_dataset.PROGRESS_REPORT, report, now)
        for state in _way(UpsState(row.state), view.state):
            self._enter(session, row, item, state, view, now)

    def _enter(
        self,
        session: Session,
        row: WorkitemRow,
        item: Dataset,
        state: UpsState,
        view: ReadingView,
        now: datetime,
    ) -> None:
        row.state = state.value
        put(item, "ProcedureStepState", "CS", state.value)
        if state is UpsState.IN_PROGRESS:
            row.transaction_uid = result_uid("transaction", row.uid).text
        elif state is UpsState.COMPLETED:
            ups_reading.performed(item, view, self._performer, now)
        else:
            reason = Dataset()
            put(reason, "ReasonForCancellation", "LT", view.words)
            ups_dataset.cancelled(item, reason, now)
        self._keep(row, item, view, now)
        announce(session, row, ups_dataset.STATE_REPORT, ups_dataset.state_report(item), now)

    def _keep(self, row: WorkitemRow, item: Dataset, view: ReadingView, now: datetime) -> None:
        if not row.created_by:
            put(item, "ScheduledProcedureStepPriority", "CS", view.priority)
            row.priority_rank = ups_dataset.PRIORITIES.index(view.priority)
        row.document, row.updated_at = ups_dataset.encoded(item), now


def take_back(session: Session, row: WorkitemRow, now: datetime) -> None:
    """Somebody cancelled the node's own item before the reading began: it is not read.

    A study that is still receiving is stopped when it closes.
    """
    study = session.scalar(select(StudyRow).filter_by(study_uid=row.study_uid))
    revision = _revision(session, study, row) if study is not None else None
    if row.created_by or revision is None:
        return
    session.execute(
        update(JobRow)
        .where(JobRow.revision_pk == revision.id, JobRow.state == JobState.WAITING.value)
        .values(state=JobState.PARKED.value, error="cancelled", finished_at=now)
    )
    if revision.state == StudyState.QUEUED:
        studies.move(session, revision.id, StudyState.PARKED, now, reason=workitems.TAKEN_BACK)


def _revision(session: Session, study: StudyRow, row: WorkitemRow) -> RevisionRow | None:
    """The revision that the node's own item is about; the newest for one of others."""
    if row.created_by:
        return studies.current_revision(session, study.id)
    revisions = session.scalars(select(RevisionRow).filter_by(study_pk=study.id))
    own = (r for r in revisions if workitems.own_uid(study.study_uid, r.number).text == row.uid)
    return next(own, None)


def _has_been_read(session: Session, revision: RevisionRow) -> bool:
    return bool(session.scalar(select(exists().where(ResultObjectRow.revision_pk == revision.id))))


def _want_reading(
    session: Session, row: WorkitemRow, study: StudyRow, revision: RevisionRow, now: datetime
) -> RevisionRow:
    """Others asked for it: what was only fetched is read, what waits gets their priority.

    The revision that will be read.
    """
    fetched = InstanceRow.study_pk == study.id, InstanceRow.as_prior
    if session.scalar(select(exists().where(*fetched))):
        session.execute(update(InstanceRow).where(*fetched).values(as_prior=False))
        opened = studies.open_revision(session, study, now)
        workitems.plan_own(session, study, opened, now)
        return opened
    jobs.bring_forward(session, revision.id, RANK[_RAISE_TO[row.priority_rank]])
    return revision


def _view(session: Session, study: StudyRow, revision: RevisionRow) -> ReadingView:
    state, priority = StudyState(revision.state), Priority(study.priority)
    visible = visible_state(state, flagged=is_flag(priority))
    begun = session.scalar(
        select(
            exists().where(
                MilestoneRow.revision_pk == revision.id,
                MilestoneRow.name.in_([Milestone.TRIAGE_STARTED, Milestone.READ_STARTED]),
            )
        )
    )
    objects = session.scalars(select(ResultObjectRow).filter_by(revision_pk=revision.id)).all()
    return ReadingView(
        state=_wanted(state, begun=bool(begun)),
        priority=_shown(priority),
        words=f"{visible.value}: {revision.reason or study.priority_words}".rstrip(": "),
        percent=_percent(state, begun=bool(begun)),
        study_uid=study.study_uid,
        started_at=revision.first_received_at,
        outputs=tuple((o.series_uid, o.sop_class_uid, o.sop_instance_uid) for o in objects),
    )


def _shown(priority: Priority) -> str:
    """STAT and HIGH are HIGH; ROUTINE is MEDIUM (Scheduled Procedure Step Priority has three)."""
    if is_flag(priority):
        return "HIGH"
    return "LOW" if priority is Priority.LOW else "MEDIUM"


def _percent(state: StudyState, *, begun: bool) -> int:
    if state in _DONE:
        return 100
    return 50 if state is StudyState.REASONING else 25 * begun


def _wanted(state: StudyState, *, begun: bool) -> UpsState:
    """A failed reading stays in progress: an operator may have it done again."""
    if state in _DONE:
        return UpsState.COMPLETED
    if state in _ENDED:
        return UpsState.CANCELED
    at_work = begun or state in (StudyState.REASONING, StudyState.PARKED)
    return UpsState.IN_PROGRESS if at_work else UpsState.SCHEDULED


def _way(current: UpsState, target: UpsState) -> list[UpsState]:
    """The legal moves from one state to the other; none back."""
    if current is target or current in FINAL or target is UpsState.SCHEDULED:
        return []
    way = [] if current is UpsState.IN_PROGRESS else [UpsState.IN_PROGRESS]
    return way if target is UpsState.IN_PROGRESS else [*way, target]
