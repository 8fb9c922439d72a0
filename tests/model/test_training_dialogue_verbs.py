"""``cxr-node dialogues``: files are made, checked and counted on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cxr_node.domain.errors import RecordRefused
from cxr_node.entry.cli import app
from cxr_node.training.record_files import read_records, text_of


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["dialogues", *map(str, arguments)])


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dialogues") / "phantoms.jsonl"
    result = invoke("phantoms", path, "--count", "8", "--seed", "3")
    assert result.exit_code == 0, result.output
    return path


def test_phantoms_pass_the_check_with_every_stage(phantoms: Path, tmp_path: Path) -> None:
    counts = tmp_path / "counts.json"
    result = invoke("check", phantoms, "--json", counts)
    assert result.exit_code == 0, result.output
    found = json.loads(counts.read_text())
    assert (found["dialogues"], found["oddities"]) == (10, {})
    assert all(stage["turns"] for stage in found["stages"].values())
    assert found["with_reference"] == 2


def test_phantoms_are_the_same_again(phantoms: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    invoke("phantoms", again, "--count", "8", "--seed", "3")
    assert again.read_bytes() == phantoms.read_bytes()


def test_stats_name_stages_tasks_and_sources(phantoms: Path) -> None:
    result = invoke("stats", phantoms)
    assert result.exit_code == 0
    for words in ("10 dialogues", "Findings_Identification", "cxr-node phantom", "quality_view"):
        assert words in result.output


def test_an_oddity_is_shown_and_ends_with_one(phantoms: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.jsonl"
    first = text_of(next(read_records(phantoms)))
    odd.write_text(first.replace('"captioning"', '"essay"'))
    result = invoke("check", odd)
    assert result.exit_code == 1
    assert "qtype unknown: essay" in result.output


def test_a_broken_file_is_an_error_with_its_place(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"study_id": "s", "image": [], "content": [{"stage": 1}]}')
    result = invoke("check", broken)
    assert isinstance(result.exception, RecordRefused)
    assert str(result.exception) == "record 1, content[0].task_type: is missing"


def test_a_folder_of_reports_names_what_is_missing(tmp_path: Path) -> None:
    home = tmp_path / "files" / "p10" / "p10000001"
    home.mkdir(parents=True)
    (home / "s1.txt").write_text("FINDINGS: Clear.")
    lists = tmp_path / "list.csv"
    lists.write_text("subject_id,study_id,dicom_id\n10000001,1,a\n10000001,2,b\n")
    out = tmp_path / "out.json"
    result = invoke("mimic", tmp_path, out, "--list", lists)
    assert result.exit_code == 1
    assert result.output.count("missing: ") == 3
    assert "s2.txt" in result.output
    assert [record.study for record in read_records(out)] == ["1"]
    result = invoke("mimic", tmp_path, out, "--list", lists, "--no-pictures")
    assert result.output.count("missing: ") == 1
