"""Why a study has its priority, and what other rules would have made of stored readings."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from cxr_node.domain.errors import CxrNodeError, UnknownStudy
from cxr_node.domain.findings import Advice, FindingKind, Reading, ReadingKind, Severity
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.policy import PatientClass
from cxr_node.entry.cli import app
from cxr_node.reasoning.scripted import ScriptedModel
from cxr_node.reporting.templates import Templates, with_priority_rules
from cxr_node.services import policy_trial
from cxr_node.services.prioritise import decide, inputs_of
from cxr_node.store import desk, policy_inputs, readings, studies
from cxr_node.store.database import Database
from cxr_node.store.schema import PriorityEventRow, StudyRow
from tests.instances import NOW, add_study
from tests.reading_room import ReadingRoom
from tests.readings import finding, sample_reading
from tests.reports import templates

SURE = 0.9


def small(**changes: Any) -> Reading:
    """A small pneumothorax, and nothing advised."""
    said = finding(FindingKind.PNEUMOTHORAX, SURE, severity=Severity.MILD)
    return sample_reading(**{"findings": (said,), "changes": (), "advice": None, **changes})


def keep(
    database: Database, number: int, reading: Reading, *, days: float = 0, department: str = ""
) -> Uid:
    with database.begin() as session:
        study, revision = add_study(session, number, NOW - timedelta(days=days))
        desk.note_department(session, study.id, department)
        readings.save_reading(session, revision.id, reading, model_seconds=1, now=NOW)
        known = templates().priority.patient_class("", department)
        decision = decide(reading, templates(), known)
        studies.raise_priority(session, study.id, revision.id, decision, "read", NOW)
        return Uid(study.study_uid)


def other(folder: Path, text: str) -> Templates:
    file = folder / "tried.yaml"
    file.write_text(text)
    return with_priority_rules(templates(), file)


STRICTER = "version: t\nrules:\n  - {id: pneumothorax-small, priority: STAT}\n"


def test_every_decision_is_kept_with_rule_inputs_and_version(database: Database) -> None:
    reading = small(changes=("pneumothorax: new", "Words."), advice=Advice(2, "ct"))
    uid = keep(database, 1, reading, department="Emergency Department")
    found = policy_trial.explain(database, templates(), uid)
    (decision,) = found.decisions
    assert (decision.rule, decision.policy_version) == (
        "pneumothorax-grown",
        templates().policy_version,
    )
    assert decision.inputs == {
        "findings": [
            {
                "kind": "pneumothorax",
                "presence": "present",
                "probability": SURE,
                "severity": "mild",
                "change": "new",
            }
        ],
        "advice": 2,
        "outside_intended_use": False,
        "patient_class": "emergency",
        "held": ["pneumothorax-grown", "pneumothorax-small", "advice-2"],
    }


def test_each_rule_is_explained(database: Database) -> None:
    uid = keep(database, 1, small(), department="Surgical ward 3")
    found = policy_trial.explain(database, templates(), uid)
    (judged,) = found.judgements
    told = {rule.id: lacks for rule, lacks in judged.rules}
    assert told["pneumothorax-small"] == ""
    assert told["pneumothorax"] == "severity mild"
    assert told["pneumothorax-grown"] == "change unknown"
    assert told["pneumothorax-outpatient"] == "patient class inpatient"
    assert told["fracture"] == "not held present or uncertain"
    assert (found.priority, judged.decision.rule) == ("HIGH", "pneumothorax-small")
    with pytest.raises(UnknownStudy):
        policy_trial.explain(database, templates(), Uid("9.9"))


def test_what_would_have_changed(database: Database, tmp_path: Path) -> None:
    moved = keep(database, 1, small())
    keep(database, 2, sample_reading())
    keep(database, 3, small(outside_intended_use="a patient"))
    keep(database, 4, small(), days=40)
    told: list[tuple[int, int]] = []
    since = policy_trial.window("last-30-days", NOW)
    trial = policy_trial.try_rules(
        database, templates(), other(tmp_path, STRICTER), since, lambda *step: told.append(step)
    )
    assert trial.studies == 3 and told[-1] == (3, 3)
    assert [(one.study_uid, one.after.rule) for one in trial.moved] == [
        (moved.text, "pneumothorax-small")
    ]
    assert dict(trial.steps) == {("HIGH", "STAT"): 1}
    assert (trial.now["STAT"], trial.then["STAT"], trial.now["ROUTINE"]) == (1, 2, 1)
    everything = policy_trial.try_rules(database, templates(), templates(), None)
    assert (everything.studies, everything.moved, everything.other_reasons) == (4, [], 0)


def test_the_department_counts_by_the_words_that_are_tried(
    database: Database, tmp_path: Path
) -> None:
    keep(database, 1, small(), department="Blue building")
    tried = other(tmp_path, "patient_classes:\n  outpatient: [blue building]\n")
    trial = policy_trial.try_rules(database, templates(), tried, None)
    assert [one.after.rule for one in trial.moved] == ["pneumothorax-outpatient"]


def test_a_trial_sees_what_the_node_decided_on(sqlite_database: Database) -> None:
    """The stored columns give the rules what the whole reading gives them."""
    room = ReadingRoom(
        sqlite_database,
        ScriptedModel({"overall": "abnormal", "presence/edema": 0.9, "severity": "moderate"}),
    )
    pk = room.add(1)
    room.inference.work()
    reading = room.reading(pk)
    assert reading is not None and reading.kind is ReadingKind.READ
    with sqlite_database.read() as session:
        (stored,) = policy_inputs.stored_inputs(session, None)
    assert stored.inputs == inputs_of(reading, PatientClass.UNKNOWN)
    assert [one.kind for one in stored.inputs.statements] == [FindingKind.EDEMA]


@pytest.mark.parametrize(
    ("department", "rule"),
    [("Outpatient clinic", "pneumothorax-outpatient"), ("Ward 3", "pneumothorax-small")],
)
def test_the_department_counts_when_a_study_is_read(
    sqlite_database: Database, department: str, rule: str
) -> None:
    script = {"overall": "abnormal", "presence/pneumothorax": 0.9, "severity": "mild"}
    room = ReadingRoom(sqlite_database, ScriptedModel(script))
    room.add(1)
    with sqlite_database.begin() as session:
        desk.note_department(session, 1, department)
    room.inference.work()
    (decision,) = policy_trial.explain(sqlite_database, templates(), Uid("1.2.3.1")).decisions
    assert decision.rule == rule


@pytest.mark.parametrize("wrong", ["yesterday", "last-0-days", "last-99999-days", ""])
def test_a_window_is_a_number_of_days(wrong: str) -> None:
    with pytest.raises(CxrNodeError, match="last-30-days"):
        policy_trial.window(wrong, NOW)


def test_a_thousand_studies_take_far_less_than_seconds(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Judged without reading a single whole document."""
    document = readings.to_document(small())
    with sqlite_database.begin() as session:
        add_study(session, 1)
    rows: dict[str, list[dict[str, Any]]] = {"study": [], "revision": [], "reading": []}
    for number in range(2, 1002):
        rows["study"].append(_study(number))
        rows["revision"].append({"id": number, "study_pk": number, "number": 1} | _MOMENTS)
        rows["reading"].append(
            {"revision_pk": number, "kind": "read", "model_digest": "0", "model_seconds": 1.0}
            | {"document": document, "present": "", "review": False, "created_at": NOW}
        )
    with sqlite_database.begin() as session:
        tables = StudyRow.metadata.tables
        for name, values in rows.items():
            session.execute(tables[name].insert(), values)
    began = time.process_time()
    trial = policy_trial.try_rules(sqlite_database, templates(), other(tmp_path, STRICTER), None)
    assert (trial.studies, len(trial.moved)) == (1000, 1000)
    assert time.process_time() - began < 3


_MOMENTS = {
    "state": "delivered",
    "reason": "",
    "work_key": "",
    "first_received_at": NOW,
    "last_received_at": NOW,
    "state_at": NOW,
}


def _study(number: int) -> dict[str, Any]:
    text = ("patient_id", "issuer", "patient_name", "birth_date", "sex", "accession_number")
    more = ("study_id", "study_date", "study_time", "description", "referring_physician")
    return {
        **dict.fromkeys((*text, *more, "sender", "priority_words"), ""),
        **{"id": number, "study_uid": f"1.2.3.{number}", "quality_control": False},
        **{"priority": "ROUTINE", "priority_rank": 1, "created_at": NOW},
    }


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "node.toml"
    file.write_text(f"[node]\ndata_dir = '{tmp_path / 'data'}'\nuid_key = 'site'\n")
    database = Database(f"sqlite:///{tmp_path / 'data' / 'cxr-node.sqlite3'}")
    database.migrate()
    keep(database, 1, small())
    yield file
    with database.read() as session:
        assert session.scalar(select(func.count(PriorityEventRow.id))) == 1
    database.dispose()


def test_the_verbs_print_and_change_nothing(configured: Path, tmp_path: Path) -> None:
    tried, out = tmp_path / "tried.yaml", tmp_path / "out.json"
    tried.write_text(STRICTER)
    run = CliRunner().invoke
    explained = run(app, ["policy", "explain", "1.2.3.1", "-c", str(configured)])
    assert explained.exit_code == 0, explained.output
    assert "pneumothorax-small" in explained.output and "severity mild" in explained.output
    wish = ["policy", "try", str(tried), "--on", "all", "--json", str(out), "-c", str(configured)]
    found = run(app, wish)
    assert found.exit_code == 0, found.output
    assert "1 studies; 1 would have another priority" in found.output
    assert "1.2.3.1" not in found.output + out.read_text()
    assert json.loads(out.read_text())["moved"][0]["then"] == "STAT"
    assert "1.2.3.1" in run(app, [*wish, "--uids"]).output
