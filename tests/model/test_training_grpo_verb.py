"""``cxr-node train grpo`` from files to a model folder, and what it refuses before it begins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cxr_node.domain.errors import CxrNodeError
from cxr_node.domain.ports import SystemClock
from cxr_node.domain.stages import QUALITY_DIMENSIONS, StageKey
from cxr_node.entry.cli import app
from cxr_node.phantom.batched.answers import record
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.make import make_radiograph
from cxr_node.reasoning.profiles import Architecture, Limits, load_manifest, verify
from cxr_node.reasoning.registry import add_taught
from cxr_node.reasoning.staged import StagedReader
from cxr_node.reasoning.tags import with_tags
from cxr_node.reasoning.transformers_model import load_model
from cxr_node.training.chat_processor import load_processor
from cxr_node.training.grpo import Settings, reinforce_readings
from cxr_node.training.grpo_rollout import Study
from cxr_node.training.live_plot import read_figures
from cxr_node.training.phantom_folder import film_records
from cxr_node.training.record_files import write_records
from cxr_node.training.records import Record, RecordTurn, new_record
from cxr_node.training.run_folder import open_run
from tests.asking import request
from tests.families import build_family, seal_plainly
from tests.models import picture
from tests.tiny_models import SIDE, build_tiny

CHAIN = RecordTurn(
    {
        "stage": 2,
        "task_type": "Findings_Identification",
        "qtype": "single-choice",
        "image_input_count": 1,
        "question": "<image>Does this chest X-ray show edema? Options:\nA) Yes\nB) No",
        "answer": with_tags("There is no pulmonary edema.", "B"),
    }
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, two phantoms as PNG, their dialogues, and one chain."""
    base = tmp_path_factory.mktemp("site")
    build_tiny(base / "tiny")
    (base / "films").mkdir()
    records = []
    for seed in (3, 4):
        phantom = make_radiograph(make_case(seed))
        grey = (phantom.image * 255 + 0.5).astype(np.uint8)
        Image.fromarray(grey).save(base / "films" / f"p{seed}.png")
        records += film_records(record(phantom) | {"image": f"p{seed}"})
    write_records(base / "dialogues.jsonl", records)
    write_records(base / "chains.jsonl", [_record(CHAIN, "p3")])
    return base


def _record(turn: RecordTurn, image: str) -> Record:
    return new_record([turn], source="tests", patient="1", study="1", images=[image])


def grpo(site: Path, out: Path, *more: str, dialogues: str = "dialogues.jsonl") -> Result:
    arguments = ["train", "grpo", "--model", str(site / "tiny"), "--out", str(out)]
    arguments += ["--dialogues", str(site / dialogues), "--pictures", str(site / "films"), *more]
    return CliRunner(env={"COLUMNS": "400"}).invoke(app, arguments)


def test_readings_are_reinforced_into_a_whole_model_folder(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    steps = ("--reward", "staged", "--steps", "2", "--group", "2", "--batch", "2", "--no-texts")
    ran = grpo(site, out, *steps, "--learning-rate", "0.01", "--name", "tiny-2")
    assert ran.exit_code == 0, ran.output
    assert "2 prompts" in ran.output
    assert (out / "live.html").is_file()
    figures = read_figures(out / "figures.jsonl")
    assert {"rewards/quality_view/mean", "rewards/contradictions/mean"} <= figures[-1].keys()
    manifest = load_manifest(out / "model")
    verify(out / "model", manifest)
    assert manifest.name == "tiny-2"
    assert manifest.lineage is not None
    assert manifest.lineage.method == "grpo"
    assert manifest.lineage.figures["prompts"] == 2
    assert "--reward staged" in manifest.lineage.command
    assert str(site) not in manifest.model_dump_json()
    reading = StagedReader(load_model(out / "model", threads=1, device="cpu")).read(
        request(picture(1, width=SIDE, height=SIDE))
    )
    assert reading.model.name == "tiny-2"
    how = {"person": "A. Person", "clock": SystemClock(), "reserve_bytes": 0}
    assert add_taught(tmp_path / "models", out / "model", "own", **how).name == "own"


def test_chains_are_reinforced_by_outcome_and_process(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    steps = ("--reward", "process", "--weight", "process=0.8", "--steps", "1", "--longest", "4")
    ran = grpo(site, out, *steps, "--group", "2", "--batch", "1", dialogues="chains.jsonl")
    assert ran.exit_code == 0, ran.output
    assert json.loads((out / "run.json").read_text())["weights"]["process"] == 0.8
    (figures,) = read_figures(out / "figures.jsonl")
    assert {"rewards/outcome/mean", "rewards/process/mean", "rewards/form/mean"} <= figures.keys()


@pytest.mark.parametrize(
    ("more", "dialogues", "words"),
    [
        (("--reward", "process"), "dialogues.jsonl", "no record has a chain"),
        (("--reward", "staged"), "chains.jsonl", "node_key"),
        (("--reward", "staged", "--weight", "process=1"), "dialogues.jsonl", "process is no part"),
        (("--reward", "staged", "--weight", "report"), "dialogues.jsonl", "not of the form"),
        (("--reward", "staged", "--part", "5"), "dialogues.jsonl", "does not divide"),
        (("--reward", "staged", "--temperature", "0"), "dialogues.jsonl", "always the same"),
        (("--reward", "staged", "--device", "cuda"), "dialogues.jsonl", "CUDA"),
        (("--reward", "staged"), "missing.jsonl", "missing.jsonl: cannot be read"),
        (("--reward", "staged", "--resume"), "dialogues.jsonl", "there is no run to resume"),
        (("--reward", "staged"), "lost.jsonl", "lost.png: there is no such picture"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(
    site: Path, tmp_path: Path, more: tuple[str, ...], dialogues: str, words: str
) -> None:
    lost = record(make_radiograph(make_case(3))) | {"image": "lost.png"}
    write_records(site / "lost.jsonl", film_records(lost))
    ran = grpo(site, tmp_path / "run", "--steps", "1", *more, dialogues=dialogues)
    assert isinstance(ran.exception, CxrNodeError), ran.output
    assert words in str(ran.exception)
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize("architecture", list(Architecture))
def test_readings_of_every_architecture_are_reinforced(
    architecture: Architecture, tmp_path: Path
) -> None:
    folder = build_family(tmp_path / "model", architecture)
    untaught = tuple(stage for stage in StageKey if stage is not StageKey.QUALITY_VIEW)
    limits = Limits(default_new_tokens=4)
    manifest = seal_plainly(folder, architecture, untaught=untaught, limits=limits)
    model = load_model(folder, threads=1, device="cpu")
    side = manifest.picture.side
    shown = (picture(1, width=side, height=side),)
    truth = {(StageKey.QUALITY_VIEW, name, ""): "limited" for name in QUALITY_DIMENSIONS}
    run = open_run(tmp_path / "run", {}, resume=False)
    settings = Settings(steps=1, group=4, batch=1, rate=1e-3, warm_up=0, temperature=20.0)
    processor = load_processor(folder, manifest)
    start = {name: value.clone() for name, value in model.engine.network.state_dict().items()}
    taught = reinforce_readings(model, processor, [Study("a", shown, truth)], run, settings)
    (figures,) = read_figures(run.figures)
    assert figures["completions/mean_length"] > 6  # six options and a text of several tokens
    assert any(not taught.state_dict()[name].equal(value) for name, value in start.items())
