"""``cxr-node replay``: a parked study gets another chance, by an operator's hand.

With ``--verify`` nothing is changed: the stored readings are rebuilt and compared.
"""

from __future__ import annotations

from rich.console import Console
from sqlalchemy.orm import Session

from cxr_node.config import Configuration
from cxr_node.domain.errors import IllegalMove
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Clock
from cxr_node.domain.study import StudyState
from cxr_node.entry.options import with_model
from cxr_node.entry.wiring import Node, open_bell
from cxr_node.reasoning.open_model import read_facts
from cxr_node.services.dead_letters import reopen
from cxr_node.services.stored_runs import current_revision
from cxr_node.services.verification import verify_study
from cxr_node.store import jobs, outbox, studies
from cxr_node.store.schema import RevisionRow


def replay_study(config: Configuration, study_uid: str) -> str:
    """Requeue and say what was requeued. Raises :class:`CxrNodeError` if nothing is parked."""
    node = Node(config, open_bell(config))
    try:
        with node.db.begin() as session:
            revision = _parked_revision(session, Uid(study_uid))
            return _requeue(session, revision, node.clock)
    finally:
        node.close()


def verify_stored(config: Configuration, study_uid: str, model: str, console: Console) -> bool:
    """Print a verdict on every stored reading; whether all are rebuilt identically.

    Needs no weights. ``model`` names the one that read the study; empty is the configured
    one. Raises :class:`CxrNodeError` when there is nothing to verify.
    """
    chosen = with_model(config, model)
    node = Node(chosen, open_bell(chosen))
    try:
        facts = read_facts(chosen.model.path, cache=chosen.models_dir)
        verdicts = verify_study(node.db, node.images, facts, Uid(study_uid))
    finally:
        node.close()
    for verdict in verdicts:
        console.print(str(verdict), markup=False, highlight=False, soft_wrap=True)
    return all(verdict.identical for verdict in verdicts)


def _parked_revision(session: Session, study_uid: Uid) -> RevisionRow:
    revision = current_revision(session, study_uid.text)
    if revision.state != StudyState.PARKED:
        raise IllegalMove(
            f"the study is {revision.state}, not parked; there is nothing to try again "
            "(to rebuild its readings and compare, add --verify)"
        )
    return revision


def _requeue(session: Session, revision: RevisionRow, clock: Clock) -> str:
    now = clock.now()
    if reopen(session, revision.id, now):
        outbox.replay_deliveries(session, revision.id, now)
        return "its deliveries will be tried again"
    jobs.replay(session, revision.id, now)
    studies.move(session, revision.id, StudyState.QUEUED, now)
    return "it will be read again"
