"""``cxr-node replay``: a parked study gets another chance, by an operator's hand."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cxr_node.config import Configuration
from cxr_node.domain.errors import CxrNodeError, IllegalMove
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock
from cxr_node.domain.study import StudyState
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.store import jobs, outbox, studies
from cxr_node.store.schema import RevisionRow, StudyRow


def replay_study(config: Configuration, study_uid: str) -> str:
    """Requeue and say what was requeued. Raises :class:`CxrNodeError` if nothing is parked."""
    node = Node(config, open_bell(config))
    try:
        with node.db.begin() as session:
            revision = _parked_revision(session, Uid(study_uid))
            return _requeue(session, revision, node.clock)
    finally:
        node.close()


def _parked_revision(session: Session, study_uid: Uid) -> RevisionRow:
    study = session.scalar(select(StudyRow).where(StudyRow.study_uid == study_uid.text))
    if study is None:
        raise CxrNodeError("the node has never seen this study")
    revision = studies.current_revision(session, study.id)
    if revision is None or revision.state != StudyState.PARKED:
        state = revision.state if revision else "without images"
        raise IllegalMove(f"the study is {state}, not parked; there is nothing to replay")
    return revision


def _requeue(session: Session, revision: RevisionRow, clock: Clock) -> str:
    now = clock.now()
    if outbox.objects_of(session, revision.id):
        outbox.replay_deliveries(session, revision.id, now)
        studies.move(session, revision.id, StudyState.REPORTED, now)
        return "its deliveries will be tried again"
    jobs.replay(session, revision.id, now)
    studies.move(session, revision.id, StudyState.QUEUED, now)
    return "it will be read again"
