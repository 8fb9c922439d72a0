"""Enumerations may be handed to the store as they are: their text is what is kept."""

from __future__ import annotations

from sqlalchemy import select

from cxr_node.domain.eligibility import Reason
from cxr_node.domain.study import StudyState
from cxr_node.store.database import Database
from cxr_node.store.schema import InstanceRow, RevisionRow
from tests.instances import add_study


def test_an_enumeration_is_kept_as_its_text(database: Database) -> None:
    with database.begin() as session:
        _, revision = add_study(session)
        revision.state = StudyState.NOT_ELIGIBLE
        revision.reason = Reason.BODY_PART
    with database.read() as session:
        found = session.execute(
            select(RevisionRow.reason, InstanceRow.id).where(
                RevisionRow.state == StudyState.NOT_ELIGIBLE
            )
        ).one()
        assert found.reason == "body-part"
        assert type(found.reason) is str
