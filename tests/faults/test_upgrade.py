"""F37: an upgrade while work is in flight, and older processes on the newer database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import MetaData, Table, select, update

from cxr_node.store import jobs, outbox
from cxr_node.store.database import Database
from cxr_node.store.jobs import JobKind
from cxr_node.store.schema import InstanceRow, JobRow
from tests.contract.test_store_second_schema import move_schema
from tests.instances import NOW

BEFORE = "0006"
"""The schema of the last version without commitment, retention, priors and desk."""
SR = "1.2.840.10008.5.1.4.1.1.88.34"
STUDY = {
    "study_uid": "1.2.3",
    **dict.fromkeys(("patient_id", "issuer", "patient_name", "birth_date", "sex"), ""),
    **dict.fromkeys(("accession_number", "study_id", "study_date", "study_time"), ""),
    **dict.fromkeys(("description", "referring_physician", "priority_words"), ""),
    "quality_control": False,
    "sender": "MODALITY",
    "priority": "ROUTINE",
    "priority_rank": 1,
    "created_at": NOW,
}
REVISION = {
    **{"study_pk": 1, "number": 1, "state": "reported", "reason": "", "work_key": ""},
    **dict.fromkeys(("first_received_at", "last_received_at", "state_at"), NOW),
}
INSTANCE = {
    **{"study_pk": 1, "revision_number": 1, "sop_instance_uid": "1.2.3.4", "sop_class_uid": "1.2"},
    **{"series_uid": "1.2.5", "transfer_syntax": "1.2.840.10008.1.2", "sha256": "0", "size": 1},
    **{"path": "/x", "sender": "MODALITY", "patient_key": "", "view": "PA", "is_image": True},
    **{"reason": "", "duplicates": 0, "conflicts": 0, "received_at": NOW},
}
JOB = {
    **{"revision_pk": 1, "kind": "read", "state": "running", "priority_rank": 1, "attempt": 1},
    **{"owner": "an older worker", "token": 1, "lease_until": NOW, "error": "", "created_at": NOW},
}
OBJECT = {
    **{"revision_pk": 1, "kind": "sr", "sop_class_uid": SR, "sop_instance_uid": "2.25.1"},
    **{"series_uid": "2.25.2", "predecessor_uid": "", "path": "/y", "sha256": "0"},
    "created_at": NOW,
}
DELIVERY = {
    **{"object_pk": 1, "destination": "pacs", "state": "waiting", "attempts": 2, "token": 2},
    **{"next_attempt_at": NOW, "last_error": "", "created_at": NOW},
}
ROWS: dict[str, dict[str, Any]] = {
    **{"study": STUDY, "revision": REVISION, "instance": INSTANCE, "job": JOB},
    **{"result_object": OBJECT, "delivery": DELIVERY},
}


def older_tables(database: Database) -> dict[str, Table]:
    """The tables as a process of that version knows them."""
    metadata = MetaData()
    metadata.reflect(database.engine)
    return dict(metadata.tables)


def insert(database: Database, tables: dict[str, Table]) -> None:
    with database.engine.begin() as connection:
        for name, values in ROWS.items():
            connection.execute(tables[name].insert().values(values))


def finish(database: Database) -> None:
    """What the newer version does with that work."""
    later = NOW + timedelta(hours=1)
    with database.begin() as session:
        (claim,) = jobs.claim(session, (JobKind.READ,), owner="new", now=later, lease_seconds=9)
        assert (claim.token, claim.attempt) == (2, 2)
        jobs.finish(session, claim, later)
        (due,) = outbox.claim_due(session, now=later, lease_seconds=9, destination="pacs")
        assert (due.attempts, due.kind, due.uid) == (3, "sr", "2.25.1")
        outbox.settle_unconfirmed(session, due, 0, later)
        assert session.scalars(select(InstanceRow.removed_at)).all() == [None]


def test_work_in_flight_is_finished_after_the_upgrade(empty_url: str) -> None:
    database = Database(empty_url)
    move_schema(database, BEFORE)
    insert(database, older_tables(database))
    database.migrate()
    finish(database)
    database.dispose()


def test_an_older_process_works_on_the_newer_database(empty_url: str) -> None:
    """It leaves out what it does not know, and its fencing token holds against the newer one."""
    database = Database(empty_url)
    move_schema(database, BEFORE)
    tables = older_tables(database)
    database.migrate()
    insert(database, tables)
    with database.begin() as session:
        (ours,) = jobs.claim(
            session, (JobKind.READ,), owner="new", now=NOW + timedelta(hours=1), lease_seconds=9
        )
    job = tables["job"]
    taken = update(job).where(job.c.id == ours.job_pk).values(token=job.c.token + 1)
    with database.engine.begin() as connection:
        connection.execute(taken)
        assert connection.execute(select(job)).one().token == 3
    with database.begin() as session:
        assert not jobs.renew(session, ours, now=NOW, lease_seconds=9)
        session.execute(update(JobRow).values(token=1, attempt=1, lease_until=NOW))
    finish(database)
    database.dispose()
