"""``cxr-node amend``, ``assess`` and ``assessments export`` on the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cxr_node.config import load
from cxr_node.domain.errors import (
    AmendmentConflict,
    AmendmentRefused,
    ConfigurationError,
    CxrNodeError,
)
from cxr_node.entry.cli import app
from cxr_node.entry.dialogue_export import export_readings
from cxr_node.entry.review import review_of
from cxr_node.store.schema import AmendmentRow, PriorityEventRow
from cxr_node.training.record_counts import oddities
from cxr_node.training.record_files import read_records
from tests.builders import radiograph
from tests.whole_node import WholeNode, script

WHO = ("--by", "Reader^Ruth", "--organisation", "General Hospital", "--role", "attending")
ANSWERS = {"overall": "abnormal", "presence/pneumothorax": 0.97, "severity": "severe"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    model = script(tmp_path / "m.script.json", answers=ANSWERS)
    path = tmp_path / "node.toml"
    path.write_text(
        f"[node]\ndata_dir = '{tmp_path / 'data'}'\nuid_key = 'test site'\n"
        f"[spool]\nreserve_bytes = 0\n[model]\npath = '{model}'\n"
    )
    return path


@pytest.fixture
def node(config: Path) -> Iterator[WholeNode]:
    made = WholeNode(load(config))
    yield made
    made.stop()


@pytest.fixture
def study(node: WholeNode) -> str:
    uid = node.read(radiograph(PatientID="SECRET-1", PatientName="Secret^Sally"))
    node.publish()
    return uid


def invoke(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--config", str(config)])


def test_a_correction_from_the_command_line(node: WholeNode, study: str, config: Path) -> None:
    correction = ("--set", "findings.presence/pneumothorax=absent")
    more = ("--reason", "skin fold", "--verify", "--priority", "ROUTINE")
    result = invoke(config, "amend", study, *correction, *WHO, *more)
    assert result.exit_code == 0, result.output
    assert result.output == "revision 2 is waiting to be read\n"
    assert node.rows(AmendmentRow)[0]["document"]["verified"] is True
    assert node.rows(PriorityEventRow)[-1]["after"] == "ROUTINE"
    node.stations.read()
    node.publish()
    again = invoke(config, "amend", study, *correction, *WHO, *more, "--revision", "1")
    assert isinstance(again.exception, AmendmentConflict)
    wrong = invoke(config, "amend", study, "--set", "findings.presence=x", *WHO, "--reason", "r")
    assert isinstance(wrong.exception, AmendmentRefused)
    # The corrected dialogue is training material; a person's answers are marked.
    out = config.parent / "own.jsonl"
    assert export_readings(node.node.config, out, "", lambda _: None) == 1
    (record,) = read_records(out)
    assert list(oddities(record)) == []
    marked = [t for t in record.turns if t.document.get("source") == "person"]
    assert [t.answer for t in marked] == ["absent"]
    assert record.document["corrected"] == 1
    assert "Reader" not in out.read_text("utf-8")


def test_assessments_leave_without_anybody_s_identity(
    node: WholeNode, study: str, config: Path, tmp_path: Path
) -> None:
    for verdict, comment in (("accepted", ""), ("supplemented", "=1+1, Secret Sally")):
        chosen = ("assess", study, f"pneumothorax={verdict}", "--comment", comment)
        result = invoke(config, *chosen, *WHO)
        assert result.exit_code == 0, result.output
    table, document = tmp_path / "a.csv", tmp_path / "a.json"
    assert invoke(config, "assessments", "export", str(table)).exit_code == 0
    assert invoke(config, "assessments", "export", str(document)).exit_code == 0
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert [(row["finding"], row["verdict"], row["newest"]) for row in rows] == [
        ("pneumothorax", "accepted", "False"),
        ("pneumothorax", "supplemented", "True"),
    ]
    assert json.loads(document.read_text("utf-8"))[1]["study"] == rows[1]["study"]
    for text in (table.read_text("utf-8"), document.read_text("utf-8")):
        for identity in ("SECRET", "Sally", "Reader", "General", study):
            assert identity not in text
    invoke(config, "assessments", "export", str(table), "--comments")
    told = list(csv.DictReader(table.read_text("utf-8").splitlines()))[1]["comment"]
    assert told == "'=1+1, Secret Sally"
    assert isinstance(
        invoke(config, "assessments", "export", str(tmp_path / "a.xls")).exception, CxrNodeError
    )


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        ("gout=accepted", "the finding is one of"),
        ("pneumothorax=fine", "the verdict is one of accepted, rejected, supplemented"),
        ("pneumothorax", "the verdict is one of"),
        ("pneumothorax=supplemented", "say in a comment what is missing"),
    ],
)
def test_a_verdict_that_is_none(config: Path, finding: str, words: str) -> None:
    result = invoke(config, "assess", "1.2.3", finding, *WHO)
    assert isinstance(result.exception, AmendmentRefused)
    assert words in str(result.exception)


def test_the_token_of_the_page(node: WholeNode, tmp_path: Path) -> None:
    assert review_of(node.node) is None
    file = tmp_path / "token"

    def named(text: str) -> str:
        file.write_text(text)
        web = node.node.config.web.model_copy(update={"write_token_file": str(file)})
        node.node.config = node.node.config.model_copy(update={"web": web})
        found = review_of(node.node)
        assert found is not None
        return found.token

    assert named("a long token of this site\n") == "a long token of this site"
    with pytest.raises(ConfigurationError, match="fewer than 16"):
        named("short")
    file.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        review_of(node.node)
