"""The second schema: an older database keeps all it holds; the new tables keep their promises."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, Table, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cxr_node.domain.findings import ReadingKind
from cxr_node.domain.follow_up import FollowUp
from cxr_node.domain.stages import StageKey
from cxr_node.store import follow_ups, jobs, readings, shadows
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import JobRow, StudyRow
from tests.instances import NOW, add_study
from tests.readings import MODEL, sample_reading, turn


def move_schema(database: Database, revision: str) -> None:
    """Bring the database to a named version of the schema, up or down."""
    config = Config()
    config.set_main_option("script_location", "cxr_node:store/migrations")
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        there = "alembic_version" in inspect(connection).get_table_names()
        (command.downgrade if there else command.upgrade)(config, revision)


def save_old(session: Session, table_name: str, **row: Any) -> int:
    """A row as the first schema kept it; its key."""
    table = Table(table_name, MetaData(), autoload_with=session.connection())
    text_columns = (c.name for c in table.columns if c.type.python_type is str)
    found = session.execute(
        table.insert().values({**dict.fromkeys(text_columns, ""), **row}).returning(table.c.id)
    )
    return int(found.scalar_one())


def save_old_study(session: Session) -> int:
    """A study with one revision that waits to be read; the revision's key."""
    study = save_old(
        session,
        "study",
        study_uid="1.2.3.1",
        quality_control=False,
        priority="ROUTINE",
        priority_rank=1,
        created_at=NOW,
    )
    times = {"first_received_at": NOW, "last_received_at": NOW, "state_at": NOW}
    return save_old(session, "revision", study_pk=study, number=1, state="queued", **times)


def save_old_reading(session: Session, revision_pk: int) -> None:
    """The sample reading as the first schema kept it."""
    row = {
        "revision_pk": revision_pk,
        "kind": "read",
        "model_digest": MODEL.digest,
        "model_seconds": 1.0,
        "document": readings.to_document(sample_reading()),
        "created_at": NOW,
    }
    save_old(session, "reading", **row)


def test_an_older_database_is_brought_up_and_keeps_what_it_holds(empty_url: str) -> None:
    database = Database(empty_url)
    move_schema(database, "0001")
    with database.begin() as session:
        key = save_old_study(session)
        save_old_reading(session, key)
        counted = {"priority_rank": 1, "attempt": 0, "token": 0, "created_at": NOW}
        save_old(session, "job", revision_pk=key, kind="read", state="waiting", **counted)
    database.migrate()
    with database.begin() as session:
        assert session.scalars(select(StudyRow.study_uid)).all() == ["1.2.3.1"]
        assert readings.load_reading(session, key, ReadingKind.READ) == sample_reading()
        assert jobs.add_job(session, key, JobKind.SHADOW, 0, NOW)
        save_shadow(session, key)
    database.dispose()


def test_the_second_schema_can_be_taken_back(database: Database) -> None:
    with database.begin() as session:
        _, revision = add_study(session)
        jobs.add_job(session, revision.id, JobKind.READ, 1, NOW)
        jobs.add_job(session, revision.id, JobKind.SHADOW, 0, NOW)
    move_schema(database, "0001")
    with database.read() as session:
        assert session.scalars(select(JobRow.kind)).all() == ["read"]
    assert "shadow_reading" not in inspect(database.engine).get_table_names()


def save_shadow(session: Session, revision_pk: int, *, seen: int = 1, day: int = 0) -> None:
    """A second reading of ``revision_pk``, ``day`` days later."""
    now = NOW + timedelta(days=day)
    shadows.save_shadow(
        session, revision_pk, sample_reading(), {"seen": seen}, model_seconds=0.5, now=now
    )


def test_a_second_reading_again_takes_its_own_place(database: Database) -> None:
    with database.begin() as session:
        _, revision = add_study(session)
        save_shadow(session, revision.id, seen=1)
        save_shadow(session, revision.id, seen=2, day=3)
    with database.read() as session:
        (found,) = shadows.compared_since(session, None)
        assert (found.study_uid, found.revision, found.agreement) == ("1.2.3.1", 1, {"seen": 2})
        assert shadows.compared_since(session, NOW + timedelta(days=3))
        assert not shadows.compared_since(session, NOW + timedelta(days=4))
        # It is no reading of the node's own.
        assert readings.latest_reading(session, revision.id) is None


ASKED = FollowUp(
    turn=41,
    prompt="Why?",
    prompt_sha256="a" * 64,
    context_sha256="b" * 64,
    answer="Because.",
    settled="Because.",
    model_digest=MODEL.digest,
    asked_by="reader",
)


def test_follow_ups_come_back_in_order_and_a_place_is_taken_once(database: Database) -> None:
    with database.begin() as session:
        _, revision = add_study(session)
        for number in (42, 41):
            asked = replace(ASKED, turn=number)
            assert follow_ups.save_follow_up(session, revision.id, asked, NOW)
        assert not follow_ups.save_follow_up(session, revision.id, ASKED, NOW)
    with database.read() as session:
        found = follow_ups.follow_ups(session, revision.id, MODEL.digest)
        assert found == [ASKED, replace(ASKED, turn=42)]
        assert follow_ups.follow_ups(session, revision.id, "0") == []


def test_nothing_hangs_on_a_revision_that_is_not_there(database: Database) -> None:
    with pytest.raises(IntegrityError), database.begin() as session:
        save_shadow(session, 99)


def test_scores_that_are_no_numbers_are_kept(database: Database) -> None:
    odd = {"present": math.nan, "absent": -math.inf, "uncertain": math.inf}
    refused = turn(StageKey.FINDINGS, "overall", "not assessed", accepted=False, scores=odd)
    reading = replace(sample_reading(), turns=(refused,))
    json.dumps(readings.to_document(reading), allow_nan=False)
    with database.begin() as session:
        _, revision = add_study(session)
        readings.save_reading(session, revision.id, reading, model_seconds=1.0, now=NOW)
    with database.read() as session:
        found = readings.load_reading(session, revision.id, ReadingKind.READ)
        assert session.execute(text("SELECT count(*) FROM reading")).scalar_one() == 1
    assert found is not None
    back = found.turns[0].scores
    assert math.isnan(back["present"])
    assert (back["absent"], back["uncertain"]) == (-math.inf, math.inf)
