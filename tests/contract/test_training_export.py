"""Stored readings leave the node as dialogue records, without a patient's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_node.entry.dialogue_export import export_readings
from cxr_node.training.record_counts import oddities
from cxr_node.training.record_files import read_records
from tests.builders import radiograph
from tests.whole_node import WholeNode, configuration, script


@pytest.fixture
def node(tmp_path: Path):  # type: ignore[no-untyped-def]
    model = script(tmp_path / "model" / "m.script.json", answers={"presence/pneumothorax": 0.9})
    whole = WholeNode(configuration(tmp_path / "data", model))
    yield whole
    whole.stop()


def test_every_read_study_is_one_record(node: WholeNode, tmp_path: Path) -> None:
    first = radiograph()
    second = radiograph()
    uids = [node.read(first), node.read(second)]
    out, counted = tmp_path / "own.jsonl", list[int]()
    assert export_readings(node.node.config, out, "", counted.append) == 2
    records = list(read_records(out))
    assert [record.study for record in records] == uids
    assert counted == [1, 2]
    assert all(list(oddities(record)) == [] for record in records)
    assert records[0].images == (str(first.SOPInstanceUID),)
    text = out.read_text("utf-8")
    assert str(first.PatientID) not in text
    assert str(first.PatientName) not in text
    assert isinstance(records[0].patient, str) and len(records[0].patient) == 16
    assert records[0].patient == records[1].patient or first.PatientID != second.PatientID


def test_one_study_can_be_chosen(node: WholeNode, tmp_path: Path) -> None:
    node.read(radiograph())
    chosen = node.read(radiograph())
    out = tmp_path / "one.jsonl"
    assert export_readings(node.node.config, out, chosen, lambda _: None) == 1
    assert [record.study for record in read_records(out)] == [chosen]
    assert export_readings(node.node.config, out, "1.2.3", lambda _: None) == 0
