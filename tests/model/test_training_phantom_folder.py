"""Drawn phantoms as dialogues, and chains out of their reports: all stages, no leak."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cxr_node.domain.errors import RecordRefused
from cxr_node.domain.stages import GRAPH
from cxr_node.phantom.batched.export import Wish, written
from cxr_node.reasoning.tags import read_tags
from cxr_node.training.chain_leaks import leak
from cxr_node.training.chain_records import mined_records
from cxr_node.training.chain_rules import RuleModel
from cxr_node.training.chain_tasks import Sampling
from cxr_node.training.chains import Dropped
from cxr_node.training.phantom_folder import TRUTH, folder_records
from cxr_node.training.record_counts import oddities
from cxr_node.training.record_files import write_records
from cxr_node.training.record_stages import answered_of
from cxr_node.training.records import Record

PAIRS = 60
_NEVER = re.compile(r"report|mention|impression|\bplan|dictat|radiolog|describe|stated|histor")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phantoms")
    lines = (line for _, line in written(Wish(range(1, PAIRS + 1), size=64, pairs=True), path))
    (path / TRUTH).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def records(folder: Path) -> list[Record]:
    return list(folder_records(folder))


def test_every_film_is_one_sound_dialogue(records: list[Record], folder: Path) -> None:
    assert len(records) == 2 * PAIRS
    assert len({record.study for record in records}) == 2 * PAIRS
    for record in records:
        assert list(oddities(record)) == []
        assert all((folder / name).is_file() for name in record.images)


def test_pairs_know_each_other_and_all_stages_are_asked(records: list[Record]) -> None:
    for before, after in zip(records[::2], records[1::2], strict=True):
        assert after.reference_study == before.study
        assert before.following_study == after.study
        assert before.patient == after.patient
        assert after.images[1:] == before.images
        assert not any(turn.stage == 5 for turn in before.turns)
    asked = {
        (said.stage, said.question) for r in records for t in r.turns if (said := answered_of(t))
    }
    assert asked == {(s.key, q.key) for s in GRAPH for q in s.questions} - {
        ("relationships", "summary")
    }


def test_dialogues_say_what_the_truth_says(records: list[Record], folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / TRUTH).read_text().splitlines()]
    for line, record in zip(lines, records[1::2], strict=True):
        said = {str(t.document["node_key"]): t.answer for t in record.turns}
        stages = line["stages"]
        for kind, presence in stages["findings"]["presence"].items():
            assert said[f"findings/presence/{kind}"] == presence
        assert said["report/findings"] == stages["report"]["findings"]
        for kind in stages["comparison"]["change"]:
            present = stages["findings"]["presence"].get(kind) == "present"
            assert (f"comparison/change/{kind}" in said) == present


def test_nothing_leaks_from_the_drawn_phantoms(records: list[Record], tmp_path: Path) -> None:
    path, dropped = tmp_path / "in.jsonl", Dropped()
    write_records(path, records)
    found = list(mined_records(path, RuleModel(), Sampling(seed=2), dropped))
    assert len({record.study for record in found}) > 0.9 * len(records)
    assert dropped.chains.total() < 0.1 * len(found)
    for record in found:
        thoughts = read_tags(record.turns[0].answer).thoughts
        two = record.turns[0].document["chain"]["task"] == "temporal"
        assert leak(thoughts, two_pictures=two) is None
        assert _NEVER.search(thoughts.lower()) is None


@pytest.mark.parametrize("line", ["[]", "{", '{"seed": 1}', '{"seed": 1, "stages": {}}'])
def test_a_line_that_is_no_truth_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / TRUTH).write_text(f"{line}\n")
    with pytest.raises(RecordRefused, match="line 1: is no phantom's truth"):
        list(folder_records(tmp_path))
    with pytest.raises(RecordRefused, match="cannot be read"):
        list(folder_records(tmp_path / "none"))
