"""Work items for everybody: create, read, change, cancel, search and follow them.

DIMSE and HTTP both come here. Each call is one transaction; what its events say is written
in that same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from pydicom.dataset import Dataset
from sqlalchemy.orm import Session

from cxr_node.dicom import ups_dataset, values
from cxr_node.dicom.ups_scp import Answer
from cxr_node.dicom.worklist_match import matches, projected, put
from cxr_node.domain.errors import MalformedUid, NotConformant
from cxr_node.domain.events import Event, emit
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock
from cxr_node.domain.ups import REQUEST_FOR, Outcome, Request, UpsState, UpsStatus, outcome
from cxr_node.services.workitem_events import announce, announce_to
from cxr_node.store import ups_subscriptions, workitems
from cxr_node.store.database import Database
from cxr_node.store.schema_ups import WorkitemRow
from cxr_node.store.ups_subscriptions import ALL, Follower

AI_CODES = frozenset({("110003", "DCM"), ("110004", "DCM")})
"""Computer Aided Diagnosis and Detection (CID 9231): what this node performs."""


class Workitems:
    """All requests about work items. ``reachable`` says whether an AE can be told of events."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        own_ae: str,
        reachable: Callable[[str], bool],
        take_back: Callable[[Session, WorkitemRow, datetime], None],
    ) -> None:
        self._db = db
        self._clock = clock
        self._own_ae = own_ae
        self._reachable = reachable
        self._take_back = take_back

    def create(self, uid: Uid, ds: Dataset, caller: str) -> Answer:
        """N-CREATE (PS3.4 CC.2.5)."""
        status, item = ups_dataset.created(ds, uid)
        if status.is_failure:
            return Answer(status)
        now = self._clock.now()
        try:
            document = ups_dataset.encoded(item)
            facts = ups_dataset.facts(ups_dataset.decoded(document))
        except (NotConformant, MalformedUid):
            return Answer(UpsStatus.INVALID_VALUE)
        with self._db.begin() as session:
            mine = self._is_for_this_node(item)
            if not workitems.add(
                session, facts, document, now, created_by=caller, performed_here=mine
            ):
                return Answer(UpsStatus.DUPLICATE_INSTANCE)
            row = workitems.find(session, uid.text)
            assert row is not None
            report = ups_dataset.state_report(item)
            announce(session, row, ups_dataset.STATE_REPORT, report, now)
        emit(Event.WORKITEM_CREATED, peer=caller, item=uid, performed_here=mine)
        return Answer(UpsStatus.SUCCESS)

    def get(self, uid: str, keywords: tuple[int, ...] = ()) -> Answer:
        """N-GET: the attributes asked for, or all; never the Transaction UID."""
        with self._db.read() as session:
            row = workitems.find(session, uid)
            if row is None:
                return Answer(UpsStatus.UNKNOWN_INSTANCE)
            item = ups_dataset.decoded(row.document)
        item.pop("TransactionUID", None)
        if keywords:
            for element in list(item):
                if element.tag not in keywords:
                    del item[element.tag]
        return Answer(UpsStatus.SUCCESS, item)

    def update(self, uid: str, changes: Dataset, caller: str) -> Answer:
        """N-SET (PS3.4 CC.2.6)."""
        given, now = values.text(changes, "TransactionUID"), self._clock.now()
        with self._db.begin() as session:
            row = workitems.find(session, uid, lock=True)
            found = _asked(Request.UPDATE, row, given)
            if row is None or found.status.is_failure:
                return Answer(found.status)
            if row.performed_here and row.created_by != caller:
                return Answer(UpsStatus.NOT_AUTHORISED)
            item = ups_dataset.decoded(row.document)
            status = ups_dataset.updated(item, changes)
            if status.is_failure:
                return Answer(status)
            try:
                _keep(row, item, now)
            except NotConformant:
                return Answer(UpsStatus.INVALID_VALUE)
            for kind, report in _told_by(item, changes):
                announce(session, row, kind, report, now)
        return Answer(UpsStatus.SUCCESS)

    def change_state(self, uid: str, wanted: str, given: str, caller: str) -> Answer:
        """N-ACTION, Change UPS State (PS3.4 CC.2.1)."""
        if wanted not in set(UpsState):
            return Answer(UpsStatus.INVALID_ARGUMENT)
        target, now = UpsState(wanted), self._clock.now()
        with self._db.begin() as session:
            row = workitems.find(session, uid, lock=True)
            item = ups_dataset.decoded(row.document) if row else Dataset()
            met = target is not UpsState.COMPLETED or ups_dataset.may_complete(item)
            found = _asked(REQUEST_FOR[target], row, given, final_met=met)
            if row is None or found.state is None:
                return Answer(found.status)
            if row.performed_here:
                return Answer(UpsStatus.NOT_APPROPRIATE)
            if found.state is UpsState.IN_PROGRESS:
                row.transaction_uid = given
            if found.state is UpsState.CANCELED:
                ups_dataset.cancelled(item, Dataset(), now)
            self._enter(session, row, item, found.state, now)
        emit(Event.WORKITEM_MOVED, peer=caller, state=found.state)
        return Answer(found.status)

    def request_cancel(self, uid: str, asked: Dataset, caller: str) -> Answer:
        """N-ACTION, Request UPS Cancel (PS3.4 CC.2.2)."""
        now = self._clock.now()
        with self._db.begin() as session:
            row = workitems.find(session, uid, lock=True)
            found = _asked(Request.ASK_TO_CANCEL, row, "")
            if row is None or found.status is not UpsStatus.SUCCESS:
                return Answer(found.status)
            item = ups_dataset.decoded(row.document)
            if found.state is None:
                return self._ask_performer(session, row, asked, caller, now)
            ups_dataset.cancelled(item, asked, now)
            self._enter(session, row, item, found.state, now)
            if row.performed_here:
                self._take_back(session, row, now)
        emit(Event.WORKITEM_MOVED, peer=caller, state=found.state)
        return Answer(found.status)

    def _ask_performer(
        self, session: Session, row: WorkitemRow, asked: Dataset, caller: str, now: datetime
    ) -> Answer:
        """A reading that has begun is not stopped; other performers hear of the wish."""
        if row.performed_here:
            return Answer(UpsStatus.WILL_NOT_CANCEL)
        report = ups_dataset.cancel_report(asked, caller)
        told = announce(session, row, ups_dataset.CANCEL_REQUESTED, report, now)
        return Answer(UpsStatus.SUCCESS if told else UpsStatus.NO_PERFORMER)

    def find(self, keys: Dataset) -> Iterator[Dataset]:
        """C-FIND (PS3.4 CC.2.8): answers with what was asked for, the urgent first."""
        with self._db.read() as session:
            for row in workitems.matching(session, ups_dataset.query_of(keys)):
                item = ups_dataset.decoded(row.document)
                item.pop("TransactionUID", None)
                if matches(item, keys):
                    yield projected(item, keys)

    def subscribe(
        self,
        uid: str,
        receiver: str,
        *,
        locks: bool = False,
        keys: Dataset | None = None,
        by_web: bool = False,
    ) -> Answer:
        """N-ACTION, Subscribe (PS3.4 CC.2.3): one item, all of them, or those that fit keys."""
        if not receiver or not (by_web or self._reachable(receiver)):
            return Answer(UpsStatus.UNKNOWN_RECEIVER)
        now = self._clock.now()
        with self._db.begin() as session:
            row = None
            if uid not in _MANY and (row := workitems.find(session, uid)) is None:
                return Answer(UpsStatus.UNKNOWN_INSTANCE)
            ups_subscriptions.subscribe(
                session,
                receiver,
                _MANY.get(uid, uid),
                now,
                locks=locks,
                by_web=by_web,
                keys=ups_dataset.encoded(keys) if keys else None,
            )
            if row is not None:
                report = ups_dataset.state_report(ups_dataset.decoded(row.document))
                follower = Follower(receiver, by_web, None)
                announce_to(session, row, follower, ups_dataset.STATE_REPORT, report, now)
        return Answer(UpsStatus.SUCCESS)

    def unsubscribe(self, uid: str, receiver: str) -> Answer:
        """N-ACTION, Unsubscribe."""
        with self._db.begin() as session:
            if uid not in _MANY and workitems.find(session, uid) is None:
                return Answer(UpsStatus.UNKNOWN_INSTANCE)
            ups_subscriptions.unsubscribe(session, receiver, _MANY.get(uid, uid), self._clock.now())
        return Answer(UpsStatus.SUCCESS)

    def suspend(self, uid: str, receiver: str) -> Answer:
        """N-ACTION, Suspend Global Subscription."""
        if uid not in _MANY:
            return Answer(UpsStatus.NOT_APPROPRIATE)
        with self._db.begin() as session:
            ups_subscriptions.suspend(session, receiver, self._clock.now())
        return Answer(UpsStatus.SUCCESS)

    def _enter(
        self, session: Session, row: WorkitemRow, item: Dataset, state: UpsState, now: datetime
    ) -> None:
        put(item, "ProcedureStepState", "CS", state.value)
        row.state = state.value
        _keep(row, item, now)
        report = ups_dataset.state_report(item)
        announce(session, row, ups_dataset.STATE_REPORT, report, now)

    def _is_for_this_node(self, item: Dataset) -> bool:
        """A reading by AI of a named study, for this station or for any."""
        if not ups_dataset.study_of(item):
            return False
        wanted = {
            (values.text(code, "CodeValue"), values.text(code, "CodingSchemeDesignator"))
            for code in values.items(item, "ScheduledWorkitemCodeSequence")
        }
        stations = {
            values.text(code, "CodeValue")
            for code in values.items(item, "ScheduledStationNameCodeSequence")
        }
        return bool(wanted & AI_CODES) and (not stations or self._own_ae in stations)


_MANY = {ups_dataset.GLOBAL: ALL, ups_dataset.FILTERED: ALL}


def _asked(
    request: Request, row: WorkitemRow | None, given: str, *, final_met: bool = True
) -> Outcome:
    """Look it up; until one is kept any proper Transaction UID will do, then only that one."""
    if row is None:
        return outcome(request, None, holds=False)
    holds = bool(given) and given == row.transaction_uid
    if not row.transaction_uid:
        holds = _is_uid(given)
    return outcome(request, UpsState(row.state), holds=holds, final_met=final_met)


def _is_uid(text: str) -> bool:
    try:
        return bool(Uid(text))
    except MalformedUid:
        return False


def _keep(row: WorkitemRow, item: Dataset, now: datetime) -> None:
    row.document = ups_dataset.encoded(item)
    kept = ups_dataset.facts(ups_dataset.decoded(row.document))
    row.priority_rank, row.study_uid = kept.priority_rank, kept.study_uid
    row.patient_id, row.updated_at = kept.patient_id, now


def _told_by(item: Dataset, changes: Dataset) -> Iterator[tuple[int, Dataset]]:
    """Events that an update brings with it (PS3.4 CC.2.4)."""
    if "InputReadinessState" in changes:
        yield ups_dataset.STATE_REPORT, ups_dataset.state_report(item)
    if "ProcedureStepProgressInformationSequence" in changes:
        yield ups_dataset.PROGRESS_REPORT, ups_dataset.progress_report(item)
    if "ScheduledStationNameCodeSequence" in changes:
        assigned = Dataset()
        assigned.add(changes["ScheduledStationNameCodeSequence"])
        yield ups_dataset.ASSIGNED, assigned
