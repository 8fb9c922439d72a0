"""The pages' source over the database and the spool."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.domain.errors import NotConformant, NotReadable, StoreUnavailable
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.study import VisibleState
from cxr_node.domain.worklist import WorklistEntry
from cxr_node.store import canary, dead_letters, orders, studies, switches, worklist
from cxr_node.store.database import Database
from cxr_node.store.reading_order import EVERYTHING, ListView, list_state
from cxr_node.store.schema import InstanceRow, StudyRow
from cxr_node.web import study_rows
from cxr_node.web.metrics import exposition
from cxr_node.web.source import Address, Component, Counts, StudyPage

Render = Callable[[Path, Uid], bytes]
"""Draws the stored file as PNG; raises :class:`NotReadable` or
:class:`NotConformant`."""

_KEPT_PICTURES = 16
_RENDERINGS_AT_ONCE = 2


class StorePages:
    """Reads the database once per call, in a transaction that holds up no writer.

    Rendered pictures are kept by content, a few at a time; of two requests for one
    picture the second waits a moment rather than decoding it again.
    """

    def __init__(
        self,
        database: Database,
        *,
        render: Render,
        health: Callable[[], Mapping[str, Component]],
        address: Address,
        view: Callable[[], ListView] = lambda: EVERYTHING,
    ) -> None:
        self._database = database
        self._view = view
        self._render = render
        self._health = health
        self._address = address
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._pictures_lock = threading.Lock()
        self._rendering = threading.BoundedSemaphore(_RENDERINGS_AT_ONCE)

    @property
    def address(self) -> Address:
        return self._address

    def worklist(self) -> Sequence[WorklistEntry]:
        with self._database.read() as session:
            return worklist.worklist(session, self._view())

    def list_state(self) -> tuple[object, ...]:
        with self._database.read() as session:
            return list_state(session)

    def counts(self) -> Counts:
        with self._database.read() as session:
            by_state = worklist.counts(session, self._view().since)
            queue = worklist.queue_depth(session)
        return Counts({VisibleState(name): n for name, n in by_state.items()}, queue)

    def health(self) -> Mapping[str, Component]:
        return self._health()

    def alarms(self) -> Sequence[str]:
        try:
            with self._database.read() as session:
                words = [canary.alarm(session), dead_letters.alarm(session)]
                words += [found.words for found in switches.suspensions(session)]
        except StoreUnavailable:
            return []  # the health of the parts says that already
        return [word for word in words if word]

    def metrics(self) -> bytes:
        with self._database.read() as session:
            return exposition(session)

    def study(self, study_uid: Uid) -> StudyPage | None:
        with self._database.read() as session:
            return _study_page(session, study_uid, self._view())

    def picture(self, study_uid: Uid, sop_instance_uid: Uid) -> bytes | None:
        with self._database.read() as session:
            row = _instance(session, study_uid, sop_instance_uid)
        if row is None or not row.is_image:
            return None
        with self._rendering:
            return self._kept(row.sha256) or self._rendered(row, sop_instance_uid)

    def _kept(self, digest: str) -> bytes | None:
        with self._pictures_lock:
            if digest not in self._pictures:
                return None
            self._pictures.move_to_end(digest)
            return self._pictures[digest]

    def _rendered(self, row: InstanceRow, instance: Uid) -> bytes | None:
        try:
            png = self._render(Path(row.path), instance)
        except (NotReadable, NotConformant):
            return None
        with self._pictures_lock:
            self._pictures[row.sha256] = png
            while len(self._pictures) > _KEPT_PICTURES:
                self._pictures.popitem(last=False)
        return png


def _instance(session: Session, study_uid: Uid, instance: Uid) -> InstanceRow | None:
    statement = (
        select(InstanceRow)
        .join(StudyRow, StudyRow.id == InstanceRow.study_pk)
        .where(StudyRow.study_uid == study_uid.text, InstanceRow.sop_instance_uid == instance.text)
    )
    return session.scalars(statement).one_or_none()


def _study_page(session: Session, study_uid: Uid, view: ListView) -> StudyPage | None:
    entries = worklist.worklist(session, view, study_uid=study_uid.text)
    if not entries:
        return None
    study = session.scalars(select(StudyRow).filter_by(study_uid=study_uid.text)).one()
    study_pk = study.id
    revision = studies.current_revision(session, study_pk)
    reading = study_rows.newest_reading(session, study_pk)
    return StudyPage(
        entry=entries[0],
        images=study_rows.images(session, study_pk),
        reading=reading[0] if reading else None,
        reading_revision=reading[1] if reading else None,
        milestones=studies.milestones(session, revision.id) if revision else {},
        revisions=study_rows.revisions(session, study_pk),
        objects=study_rows.objects(session, study_pk),
        priority_steps=study_rows.priority_steps(session, study_pk),
        notes=orders.notes_of(session, study),
    )
