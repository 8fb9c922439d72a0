"""``cxr-node audit occlusion`` on a study that was read: verdicts, refusals, no trace left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cxr_node.domain.errors import CxrNodeError, ModelRefused
from cxr_node.entry.cli import app
from cxr_node.store.schema import Base, InstanceRow
from tests.builders import radiograph
from tests.running_node import toml
from tests.whole_node import WholeNode, configuration, script

ANSWERS = {
    "overall": "abnormal",
    "presence/pneumothorax": 0.97,
    "presence/pacemaker": 0.8,
    "box/pneumothorax": "(55, 15), (75, 35)",
    "box/pacemaker": "no box at all",
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[WholeNode]:
    model = script(tmp_path / "model.script.json", answers=ANSWERS)
    made = WholeNode(configuration(tmp_path / "data", model))
    yield made
    made.stop()


def audit(node: WholeNode, tmp_path: Path, study: str, *more: str, model: str = "") -> Result:
    chosen = node.node.config
    file = tmp_path / "cxr-node.toml"
    sections: dict[str, dict[str, object]] = {
        "node": {"data_dir": chosen.node.data_dir},
        "spool": {"reserve_bytes": 0},
        "model": {"path": model or chosen.model.path},
    }
    file.write_text(toml(sections, ()))
    command = ["audit", "occlusion", study, "--config", str(file), *more]
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, command)


def everything(node: WholeNode) -> dict[str, list[dict[str, Any]]]:
    return {m.class_.__tablename__: node.rows(m.class_) for m in Base.registry.mappers}


def test_each_boxed_finding_gets_a_verdict_and_nothing_is_written(
    node: WholeNode, tmp_path: Path
) -> None:
    study = node.read(radiograph())
    before = everything(node)
    document = tmp_path / "occlusion.json"
    ran = audit(node, tmp_path, study, "--json", str(document))
    assert ran.exit_code == 0, ran.output
    assert "survives: it was not seen where the box lies" in ran.output
    assert "97.0 %" in ran.output
    assert "present without a box, so not audited: pacemaker" in ran.output
    found = json.loads(document.read_text())
    assert (found["study_uid"], found["revision"]) == (study, 1)
    assert found["model"]["digest"] == node.node.identity.digest
    assert found["without_box"] == ["pacemaker"]
    (row,) = found["findings"]
    assert (row["kind"], row["outcome"]) == ("pneumothorax", "survives")
    assert row["before"] == row["after"] == row["control"] == pytest.approx(0.97)
    assert 0 < row["hidden_share"] < 0.2
    assert everything(node) == before


def test_an_unknown_study_is_refused(node: WholeNode, tmp_path: Path) -> None:
    _refused(audit(node, tmp_path, "1.2.3"), CxrNodeError, "has never seen this study")
    _refused(audit(node, tmp_path, "1.2.x"), CxrNodeError, "malformed")


def test_a_study_without_a_full_reading_is_refused(node: WholeNode, tmp_path: Path) -> None:
    image = radiograph()
    node.receive(image)
    node.stations.read()  # triage alone
    ran = audit(node, tmp_path, image.StudyInstanceUID)
    _refused(ran, CxrNodeError, "no full reading yet")


def test_another_model_than_the_one_that_read_is_refused(node: WholeNode, tmp_path: Path) -> None:
    study = node.read(radiograph())
    other = script(tmp_path / "other.script.json", name="other")
    ran = audit(node, tmp_path, study, model=str(other))
    _refused(ran, ModelRefused, "the study was read by scripted", "configured model is other")


@pytest.mark.parametrize("change", ["missing", "altered"])
def test_a_file_that_is_not_what_was_received_is_refused(
    node: WholeNode, tmp_path: Path, change: str
) -> None:
    study = node.read(radiograph())
    (row,) = node.rows(InstanceRow)
    path = Path(row["path"])
    path.unlink() if change == "missing" else path.write_bytes(path.read_bytes() + b"\0")
    ran = audit(node, tmp_path, study)
    _refused(ran, CxrNodeError, "missing from the spool", row["sop_instance_uid"])


def test_a_file_that_cannot_be_written_is_named(node: WholeNode, tmp_path: Path) -> None:
    study = node.read(radiograph())
    ran = audit(node, tmp_path, study, "--json", str(tmp_path / "no" / "folder.json"))
    _refused(ran, CxrNodeError, "folder.json: cannot be written")


def _refused(ran: Result, error: type[Exception], *words: str) -> None:
    assert isinstance(ran.exception, error), ran.output
    for word in words:
        assert word in str(ran.exception)
