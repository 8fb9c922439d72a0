"""Scripts that make a model slow, crash or hang, for faults of the node around it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cxr_node.domain.errors import ModelRefused
from cxr_node.domain.findings import ReadingKind
from cxr_node.reasoning.open_model import open_model, read_facts, read_identity
from cxr_node.reasoning.scripted import ScriptedFailure, ScriptedModel
from cxr_node.reasoning.staged import StagedReader
from tests.asking import request
from tests.models import picture

PROGRAM = """
import sys
from cxr_node.reasoning.open_model import open_model
from cxr_node.reasoning.staged import StagedReader
from tests.asking import request
from tests.models import picture
reader = StagedReader(open_model(sys.argv[1]))
reader.read(request(picture()), lambda: print(1, flush=True))
"""


def _script(folder: Path, **content: object) -> Path:
    path = folder / "test.script.json"
    path.write_text(json.dumps(content))
    return path


def _triage(path: Path) -> int:
    reading = StagedReader(open_model(str(path))).read(request(picture(), ReadingKind.TRIAGE))
    return len(reading.turns)


def test_a_script_is_a_model_with_an_identity(tmp_path: Path) -> None:
    path = _script(tmp_path, answers={"presence/port": 0.9})
    model = open_model(str(path))
    assert isinstance(model, ScriptedModel)
    assert model.identity == read_identity(str(path))
    assert model.identity.intended_use == "scripted, for tests"
    assert model.image_policy == read_facts(str(path)).image_policy
    other = _script(tmp_path, answers={"presence/port": 0.8})
    assert read_identity(str(other)).digest != model.identity.digest


@pytest.mark.parametrize("text", ["{", '{"typo": 1}', '{"failure": "sleep"}'])
def test_a_script_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.script.json"
    path.write_text(text)
    with pytest.raises(ModelRefused):
        open_model(str(path))
    with pytest.raises(ModelRefused, match="cannot be read"):
        read_identity(str(tmp_path / "none.script.json"))


def test_an_answer_that_is_no_option_is_a_fault_of_the_script(tmp_path: Path) -> None:
    with pytest.raises(ScriptedFailure, match="sideways"):
        _triage(_script(tmp_path, answers={"projection": "sideways"}))


def test_a_failure_can_happen_once_only(tmp_path: Path) -> None:
    path = _script(tmp_path, fails_at="findings", once=str(tmp_path / "failed"))
    with pytest.raises(ScriptedFailure):
        _triage(path)
    assert _triage(path) == 20


def test_a_slow_script_takes_its_time(tmp_path: Path) -> None:
    path = _script(tmp_path, seconds_per_turn=0.01)
    start = time.perf_counter()
    assert _triage(path) == 20
    assert time.perf_counter() - start >= 0.2


@pytest.mark.parametrize("failure", ["kill", "hang"])
def test_a_script_can_kill_or_hang_its_process(tmp_path: Path, failure: str) -> None:
    path = _script(tmp_path, fails_at="findings", failure=failure)
    command = [sys.executable, "-c", PROGRAM, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        beats = [child.stdout.readline() for _ in range(7)]
        assert beats == ["1\n"] * 7
        if failure == "kill":
            assert child.wait(timeout=20) == -signal.SIGKILL
            assert child.stdout.read() == ""
        else:
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(timeout=0.3)
            child.kill()
