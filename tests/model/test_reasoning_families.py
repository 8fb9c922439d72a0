"""Every family from the folder a site downloads to a reading, with random weights."""

from __future__ import annotations

import math
import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cxr_node.domain.findings import FindingKind, Presence, Reading, ReadingKind
from cxr_node.domain.ports import ImagePolicy, PreparedImage
from cxr_node.domain.stages import GRAPH, OPENING, AnswerKind, StageKey
from cxr_node.entry.cli import app
from cxr_node.imaging.prepare import place
from cxr_node.reasoning.engine_model import EngineModel
from cxr_node.reasoning.open_model import open_model, read_facts, read_identity
from cxr_node.reasoning.profiles import Architecture, Family
from cxr_node.reasoning.prompts import NOT_ASSESSED
from cxr_node.reasoning.staged import StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel
from tests.asking import request
from tests.engine_network import EngineNetwork
from tests.engine_server import EngineServer
from tests.engines import SERVED, VERSIONS, section
from tests.families import BuildFamily, build_family
from tests.models import picture

A = Architecture


@dataclass(frozen=True)
class Case:
    """A family in one architecture, and the picture it is shown of 2000 x 2500 pixels."""

    family: Family
    architecture: Architecture
    size: tuple[int, int]
    visual_tokens: int

    @property
    def name(self) -> str:
        return f"{self.family}-{self.architecture}"


CASES = (
    Case(Family.NV_REASON_CXR, A.QWEN2_5_VL, (420, 532), 285),
    Case(Family.CHESTX_REASONER, A.QWEN2_VL, (448, 448), 256),
    Case(Family.INSTRUCT, A.QWEN2_5_VL, (896, 1120), 1280),
    Case(Family.INSTRUCT, A.QWEN2_VL, (896, 1120), 1280),
    Case(Family.INSTRUCT, A.QWEN3_VL, (896, 1120), 980),
)


@dataclass(frozen=True)
class Added:
    """A model that was added on the command line."""

    case: Case
    config: Path
    models: Path


def run(*arguments: str, config: Path) -> str:
    """``cxr-node model ...``; what it printed."""
    command = ["model", *arguments, "--config", str(config)]
    ran = CliRunner(env={"COLUMNS": "500"}).invoke(app, command, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.output


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def added(
    request: pytest.FixtureRequest, published: BuildFamily, tmp_path_factory: pytest.TempPathFactory
) -> Added:
    case: Case = request.param
    base = tmp_path_factory.mktemp("site")
    config = base / "cxr-node.toml"
    config.write_text(
        f'[node]\ndata_dir = "data"\n[model]\npath = "{case.name}"\n[spool]\nreserve_bytes = 0\n'
    )
    source = str(published(case.architecture))
    who = ("--name", case.name, "--accept-licence", "Dr Person")
    printed = run("add", source, "--family", case.family, *who, config=config)
    assert "licence: " in printed
    assert "terms: " in printed
    assert "intended use: " in printed
    assert "left out: .gitattributes" in printed
    return Added(case, config, base / "data" / "models")


@pytest.fixture(scope="module")
def model(added: Added) -> TransformersModel:
    found = open_model(added.case.name, threads=1, device="cpu", cache=added.models)
    assert isinstance(found, TransformersModel)
    return found


def _shown(policy: ImagePolicy) -> PreparedImage:
    """The picture in the size that the node's own image preparation gives it."""
    placed = place(2000, 2500, policy)
    return picture(5, width=placed.width, height=placed.height)


@pytest.fixture(scope="module")
def reading(model: TransformersModel) -> Reading:
    return StagedReader(model).read(request(_shown(model.image_policy)))


def test_what_is_added_is_listed_shown_and_verified(added: Added) -> None:
    listed = run("list", config=added.config)
    row = next(line for line in listed.splitlines() if f" {added.case.name} " in line)
    assert added.case.family in row
    assert "Dr Person" in row
    assert "reading" in row
    assert "embedded" in listed
    identity = read_identity(added.case.name, cache=added.models)
    shown = run("info", added.case.name, config=added.config)
    for words in (identity.digest, str(identity.device_uid), identity.intended_use, "Dr Person"):
        assert words in shown
    assert re.search(r'"(<\|im_start\|>.*)<\|vision_start\|><\|image_pad\|><\|vision_end\|>', shown)
    verified = run("verify", config=added.config)
    assert identity.digest in verified


def test_the_picture_keeps_to_the_familys_policy(added: Added, model: TransformersModel) -> None:
    image = _shown(model.image_policy)
    assert (image.width, image.height) == added.case.size
    assert model.look([image]).tokens == (added.case.visual_tokens,)


def test_the_reading_is_valid(reading: Reading) -> None:
    skipped = {s.stage for s in reading.skipped}
    assert skipped | {turn.stage for turn in reading.turns} == set(StageKey)
    assert [f.kind for f in reading.findings] == list(FindingKind)
    questions = {(s.key, q.key): q for s in GRAPH for q in s.questions}
    for turn in reading.turns:
        if not turn.accepted:
            assert (turn.answer, bool(turn.problem)) == (NOT_ASSESSED, True)
        elif turn.question != OPENING and turn.probabilities:
            question = questions[turn.stage, turn.question]
            assert question.kind is AnswerKind.CLOSED
            assert turn.answer in question.options
            assert math.isclose(sum(turn.probabilities.values()), 1)
    for finding in reading.findings:
        assert finding.presence is Presence.NOT_ASSESSED or finding.probability is not None
        if finding.box:
            assert 0 <= finding.box.x0 < finding.box.x1 <= 2000
            assert 0 <= finding.box.y0 < finding.box.y1 <= 2500


def test_reading_again_says_the_same(added: Added, reading: Reading) -> None:
    """The same folder opened anew is the same model: digest, prompts, answers."""
    again = open_model(added.case.name, threads=1, device="cpu", cache=added.models)
    facts = read_facts(added.case.name, cache=added.models)
    assert again.identity == facts.identity == reading.model
    if added.case.family is not Family.NV_REASON_CXR:  # 2048 tokens of trace, once is enough
        assert StagedReader(again).read(request(_shown(again.image_policy))) == reading


def test_triage_needs_no_trace(model: TransformersModel) -> None:
    image = _shown(model.image_policy)
    read = StagedReader(model).read(request(image, ReadingKind.TRIAGE))
    assert read.turns
    assert not any(turn.question == OPENING for turn in read.turns)


def test_the_same_weights_on_a_server_are_opened_by_name(
    published: BuildFamily, tmp_path: Path
) -> None:
    """Added without weights, opened where the configuration says, read as the weights here."""
    config = tmp_path / "site.toml"
    config.write_text('[node]\ndata_dir = "data"\n[spool]\nreserve_bytes = 0\n')
    common = ("--family", Family.CHESTX_REASONER, "--accept-licence", "Dr Person")
    run("add", str(published(A.QWEN2_VL)), "--name", "here", *common, config=config)
    served = ("--engine", SERVED, "--engine-versions", VERSIONS)
    run("add", "--name", "far", *served, *common, config=config)
    assert SERVED in run("info", "far", config=config)
    models = tmp_path / "data" / "models"
    here = open_model("here", threads=1, device="cpu", cache=models)
    asked = request(_shown(here.image_policy), ReadingKind.TRIAGE)
    with EngineServer(EngineNetwork(models / "here")) as server:
        far = open_model("far", cache=models, engine=section(server.url))
        assert isinstance(far, EngineModel)
        with closing(far):
            found = StagedReader(far).read(asked)
    expected = StagedReader(here).read(asked)
    assert [t.answer for t in found.turns] == [t.answer for t in expected.turns]
    assert found.model != expected.model


@pytest.mark.parametrize("architecture", Architecture)
def test_both_forms_of_the_configuration_are_one_network(
    architecture: Architecture, published: BuildFamily, tmp_path: Path
) -> None:
    """transformers 4 wrote the settings of the text in another place than 5 does."""
    import transformers

    newer = build_family(tmp_path / "newer", architecture, published=False)
    networks = [
        transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
        for folder in (published(architecture), newer)
    ]
    ids = torch.arange(300, 340)[None]
    with torch.inference_mode():
        first, second = (network(input_ids=ids).logits for network in networks)
    assert torch.equal(first, second)
