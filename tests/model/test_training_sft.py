"""Supervised fine-tuning: the node's own prompts, answers alone are learned, runs are exact."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cxr_node.domain.errors import ModelRefused, RecordRefused, TrainingRefused
from cxr_node.domain.findings import PriorStudy, ReadingKind
from cxr_node.domain.identifiers import Uid
from cxr_node.domain.ports import Ask, SystemClock
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning import registry
from cxr_node.reasoning.profiles import Architecture, Family, load_manifest
from cxr_node.reasoning.scripted import Script, ScriptedModel
from cxr_node.reasoning.staged import PriorPicture, Request, StagedReader
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from cxr_node.training.live_plot import read_figures
from cxr_node.training.reading_records import reading_record
from cxr_node.training.record_files import read_records, write_records
from cxr_node.training.run_folder import RunFolder, open_run
from cxr_node.training.sft import Settings, fine_tune
from cxr_node.training.sft_records import Context, RecordSamples
from cxr_node.training.sft_run import Taught, Wish, run_sft
from cxr_node.training.sft_samples import IGNORED, Collate
from cxr_node.training.supervision import Teaching, shown_pictures
from cxr_node.training.supervision_pictures import named_pictures
from tests.families import BuildFamily
from tests.models import picture, reference
from tests.taught_dialogues import taught_record, write_dialogues

SHORT = {StageKey.FINDINGS: 1.0}
EVERY_STAGE = dict.fromkeys(StageKey, 1.0)
QUICK = Settings(steps=4, batch=2, rate=2e-3, report_every=1)
ILL = {"presence/pleural_effusion": 0.9, "presence/pacemaker": 0.9, "overall": "abnormal"}


@pytest.fixture(scope="module")
def dialogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dialogues(tmp_path_factory.mktemp("taught"))


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dialogues(tmp_path_factory.mktemp("compared"), prior=True)


@contextmanager
def samples_of(
    folder: Path,
    dialogues: Path,
    weights: dict[StageKey, float] = EVERY_STAGE,
    context: Context = Context.REFERENCE,
) -> Iterator[tuple[TransformersModel, RecordSamples]]:
    model = load_model(folder, device="cpu")
    with named_pictures(dialogues.parent, model.image_policy) as pictures:
        samples = RecordSamples(model, load_manifest(folder), pictures, weights, context)
        for number, record in enumerate(read_records(dialogues), start=1):
            samples.add(record, number)
        yield model, samples


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (Family.EMBEDDED, ReadingKind.READ),
        (Family.NV_REASON_CXR, ReadingKind.READ),
        (Family.INSTRUCT, ReadingKind.READ),
        (Family.CHESTX_REASONER, ReadingKind.TRIAGE),
    ],
)
def test_what_is_taught_is_what_a_reading_asks(family: Family, kind: ReadingKind) -> None:
    """A reading, exported and turned into training material, gives its own prompts again."""
    answers: dict[str, Any] = ILL | {"findings": "no acute finding.", "limits": "none at all."}
    model = ScriptedModel(script=Script(family=family, answers=answers))
    side = model.image_policy.side or 448
    now, before = (picture(seed, width=side, height=side) for seed in (1, 2))
    prior = PriorStudy(Uid("1.2.9"), reference(before))
    request = Request([now], [reference(now)], kind, False, PriorPicture(prior, before))
    reading = StagedReader(model).read(request)
    record = reading_record(reading, study="s")
    shown = shown_pictures(record, model.profile)
    assert shown is not None
    assert shown.told == (model.profile.pictures > 1)
    teaching = Teaching(model.profile)
    taught = teaching.told(teaching.turns(record, shown, side, side), shown)
    asked = [(turn.prompt, turn.settled) for turn in reading.turns if turn.accepted]
    assert len(asked) >= 20
    assert [(turn.prompt, turn.settled) for turn in taught] == asked


@pytest.mark.parametrize("architecture", [None, *Architecture])
def test_tokens_and_scores_are_those_of_a_conversation(
    architecture: Architecture | None,
    sealed: BuildFamily,
    untrained_folder: Path,
    dialogues: Path,
) -> None:
    """The same ids; and the loss is what the node's own scores say, to 1e-4 of a logarithm."""
    folder = sealed(architecture) if architecture else untrained_folder
    only = {StageKey.FINDINGS: 1.0}
    with samples_of(folder, dialogues, only) as (model, samples):
        item = samples.outline.items[1]
        images = [samples._pictures.prepared(name) for name in item.shown.names]
        turns = samples._turns(item, images[0].width, images[0].height)
        before, last = turns[:2], turns[2]
        with model.begin(images) as talk:
            talk.resume([(turn.prompt, turn.settled) for turn in before])  # type: ignore[attr-defined]
            ((score,),) = model.answer([(talk, Ask(last.prompt, options=(last.settled,)))])
            talk.settle(last.settled)
            ids = talk.token_ids  # type: ignore[attr-defined]
        sample = samples[1]
        assert ids[: len(sample.ids)] == tuple(sample.ids)
        assert len(ids) - len(sample.ids) <= 1  # the line break behind the end of a turn
        batch = Collate(samples, model.engine.picture_id, 0)([{"number": n} for n in range(4)])
        wanted = batch["labels"]
        del batch["labels"], batch["label_weights"], batch["side"]
        with torch.inference_mode():
            logits = model.engine.network(**batch).logits
        said = torch.log_softmax(logits[1], -1)
        own = len(model.engine.encode(last.settled))
        places = (wanted[1] != IGNORED).nonzero().flatten()[-own - 1 : -1]
        total = sum(said[place - 1, wanted[1][place]] for place in places)
        assert float(total) == pytest.approx(score, abs=1e-4)


def test_only_answers_of_the_chosen_stages_are_learned(
    untrained_folder: Path, dialogues: Path
) -> None:
    weights = {StageKey.FINDINGS: 1.0, StageKey.ATTRIBUTES_GROUNDING: 0.5}
    with samples_of(untrained_folder, dialogues, weights) as (model, samples):
        made = Collate(samples, model.engine.picture_id, 0)([{"number": 1}, {"number": 2}])
        for row, words in ((0, "abnormal present"), (1, "normal absent")):
            learned = made["labels"][row][made["labels"][row] != IGNORED]
            said = model.engine.decode(learned.tolist())
            assert said.replace(" ", "") == f"{words}(35,45),(68,80)".replace(" ", "")
            ends = model.engine.spell(learned.tolist()).count("<|end|>")
            assert ends == 3
        assert set(made["label_weights"].unique().tolist()) == {0.0, 0.5, 1.0}
        assert made["mm_token_type_ids"].sum() == 2 * 64
        answers = samples.outline.answers
        assert answers == [(StageKey.FINDINGS, 8), (StageKey.ATTRIBUTES_GROUNDING, 4)]


def test_without_context_every_question_stands_alone(
    untrained_folder: Path, dialogues: Path
) -> None:
    with samples_of(untrained_folder, dialogues, context=Context.NONE) as (model, samples):
        assert len(samples) == 20
        for number in (0, 4):
            text = model.engine.spell(samples[number].ids)
            assert text.count("<|assistant|>") == 1
        assert "projection" in model.engine.spell(samples[0].ids)
        assert "impression" in model.engine.spell(samples[4].ids)


def test_the_earlier_picture_is_shown_where_there_is_room(
    sealed: BuildFamily, untrained_folder: Path, compared: Path
) -> None:
    with samples_of(untrained_folder, compared) as (_, samples):
        assert StageKey.COMPARISON not in samples.outline.learned
        assert set(samples.outline.left_out) == {"the earlier picture is not shown to this model"}
    folder = sealed(Architecture.QWEN3_VL)
    two = load_manifest(folder).profile.model_copy(update={"pictures": 2})
    shown = shown_pictures(taught_record(1, prior=True), two)
    assert shown is not None
    assert shown.names == ("film-1.png", "film-0.png")
    turns = Teaching(two).turns(taught_record(1, prior=True), shown, 256, 256)
    assert StageKey.COMPARISON in {turn.stage for turn in turns}
    first, second = Teaching(two).told(turns, shown)[:2]
    assert first.prompt.startswith("The first image is the current study")
    assert not second.prompt.startswith("The first image")


class _Presence:
    """A side loss: the mean picture token tells how many answers are learned."""

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.module = torch.nn.Linear(64, 1)

    def __call__(self, tokens: torch.Tensor, targets: Any) -> tuple[torch.Tensor, dict[str, float]]:
        wanted = targets["learned"]
        found = self.module(tokens.view(len(wanted), -1, 64).mean(1))
        loss = (found - wanted).square().mean()
        return loss, {"side": float(loss.detach())}


class _WithTargets:
    def __init__(self, samples: RecordSamples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, number: int, /) -> Any:
        sample = self._samples[number]
        return replace(sample, side={"learned": torch.tensor([sum(sample.weights) / 10])})


def _weights(network: Any, side: _Presence) -> dict[str, torch.Tensor]:
    own = {f"side.{name}": weight.clone() for name, weight in side.module.state_dict().items()}
    return own | {name: weight.clone() for name, weight in network.state_dict().items()}


@pytest.mark.parametrize("lora", [0, 4], ids=["all weights", "adapters"])
def test_stopped_and_resumed_is_one_run(
    lora: int, sealed: BuildFamily, dialogues: Path, tmp_path: Path
) -> None:
    """Weights, side loss and figures of a resumed run are those of a straight one, bit for bit."""

    def run(name: str, *stops: int | None, seed: int = 0) -> tuple[dict[str, torch.Tensor], Path]:
        folder = open_run(tmp_path / name, {"lora": lora}, resume=False)
        for stop in stops:
            with samples_of(sealed(Architecture.QWEN2_5_VL), dialogues, SHORT) as (model, samples):
                side, engine = _Presence(), model.engine
                network = fine_tune(
                    engine.network,
                    _WithTargets(samples),
                    engine.tokenizer,
                    folder,
                    replace(QUICK, lora=lora, seed=seed),
                    side=side,
                    stop_after=stop,
                )
        return _weights(network, side), folder.figures

    straight, figures = run("straight", None)
    resumed, again = run("resumed", 2, None)
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    assert read_figures(figures) == read_figures(again)
    rows = read_figures(figures)
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["answer"] < rows[0]["answer"] - (0.02 if lora else 0.5)
    assert rows[-1]["side"] < rows[0]["side"]
    other, _ = run("other", None, seed=1)
    assert any(not torch.equal(straight[name], other[name]) for name in straight)


def test_the_network_is_given_back_clean(
    sealed: BuildFamily, dialogues: Path, tmp_path: Path
) -> None:
    with samples_of(sealed(Architecture.QWEN3_VL), dialogues, SHORT) as (model, samples):
        network, engine = model.engine.network, model.engine
        before = {name: tuple(w.shape) for name, w in network.state_dict().items()}
        config = network.config.to_dict()
        run = open_run(tmp_path / "run", {}, resume=False)
        made = fine_tune(network, samples, engine.tokenizer, run, replace(QUICK, steps=1, lora=2))
    assert {name: tuple(w.shape) for name, w in made.state_dict().items()} == before
    assert made.config.to_dict() == config
    assert "forward" not in vars(made)
    assert not made.training


@pytest.fixture
def no_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def wish_of(folder: Path, file: Path, out: Path, **changes: Any) -> Wish:
    wish = Wish(
        model=folder,
        dialogues=[file],
        pictures=file.parent,
        out=out,
        weights=EVERY_STAGE,
        settings=replace(QUICK, steps=2),
    )
    return replace(wish, **changes)


TeachOnce = Callable[[Architecture | None], Taught]


@pytest.mark.usefixtures("no_look_ups")
@pytest.mark.parametrize("architecture", [None, *Architecture])
def test_a_run_leaves_a_model_that_can_be_added(
    architecture: Architecture | None,
    sealed: BuildFamily,
    untrained_folder: Path,
    dialogues: Path,
    tmp_path: Path,
) -> None:
    folder = sealed(architecture) if architecture else untrained_folder
    base = load_manifest(folder)
    lora = 2 if architecture is Architecture.QWEN2_VL else 0
    wish = wish_of(folder, dialogues, tmp_path / "run", settings=replace(QUICK, steps=2, lora=lora))
    taught = run_sft(wish)
    manifest = load_manifest(taught.folder)
    assert manifest == taught.manifest
    assert manifest.trained
    assert "not evaluated since" in manifest.statement
    assert manifest.lineage is not None
    assert manifest.lineage.figures["samples"] == 4
    assert "--dialogues dialogues.jsonl" in manifest.lineage.command
    assert str(tmp_path) not in manifest.lineage.command
    changed = set(manifest.files.items()) ^ set(base.files.items())
    assert changed
    assert all(".safetensors" in name for name, _ in changed)
    sealed_again = registry.add_taught(
        tmp_path / "site",
        taught.folder,
        "own",
        person="A. Person",
        clock=SystemClock(),
        reserve_bytes=0,
    )
    assert sealed_again == load_manifest(tmp_path / "site" / "own")
    loaded = load_model(tmp_path / "site" / "own", device="cpu")
    assert next(loaded.engine.network.parameters()).dtype == torch.float32
    run = RunFolder(tmp_path / "run")
    assert "Step 2 of 2, ended." in run.page.read_text()
    assert not [path for path in taught.folder.rglob("*") if path.suffix in (".bin", ".pt", ".pth")]


def test_a_taught_model_answers_what_it_was_taught(
    sealed: BuildFamily, dialogues: Path, tmp_path: Path
) -> None:
    """Two kinds of picture are told apart after some steps, through the node's own scores."""
    settings = replace(QUICK, steps=40, batch=4, rate=5e-3, report_every=40)
    folder = sealed(Architecture.QWEN2_5_VL)
    wish = wish_of(folder, dialogues, tmp_path / "run", settings=settings, weights=SHORT)
    with samples_of(run_sft(wish).folder, dialogues, SHORT) as (model, samples):
        for number, item in enumerate(samples.outline.items):
            (name,) = item.shown.names
            turns = samples._turns(item, 224, 224)
            with model.begin([samples._pictures.prepared(name)]) as talk:
                talk.resume([(turns[0].prompt, turns[0].settled)])  # type: ignore[attr-defined]
                ask = Ask(turns[1].prompt, options=("normal", "abnormal"))
                (normal, abnormal) = model.answer([(talk, ask)])[0]  # type: ignore[misc]
            assert (abnormal > normal) == bool(number % 2)


def test_what_is_wrong_is_named(untrained_folder: Path, dialogues: Path, tmp_path: Path) -> None:
    def refused(match: str, kind: type[Exception] = TrainingRefused, **changes: Any) -> None:
        with pytest.raises(kind, match=match):
            run_sft(wish_of(untrained_folder, dialogues, tmp_path / "run", **changes))
        assert not (tmp_path / "run" / "model").exists()

    refused("no such folder of pictures", pictures=tmp_path / "none")
    refused("record 1: .*film-0.png: there is no such picture", pictures=tmp_path)
    refused(r"record 1 \(study s0\): the dialogue takes \d+ tokens, 60 are allowed", longest=60)
    refused("no dialogue has an answer of stage 7", weights={StageKey.ADVICE: 1.0})
    refused("there is no run to resume", resume=True)
    refused("cannot be read", RecordRefused, dialogues=[tmp_path / "none.jsonl"])
    refused("have this name", dialogues=[dialogues, tmp_path / dialogues.name])
    broken = tmp_path / "broken"
    shutil.copytree(untrained_folder, broken)
    (broken / "config.json").write_text("{}")
    refused("SHA-256", ModelRefused, model=broken)
    unread = tmp_path / "unread" / "film-0.png"
    shutil.copytree(dialogues.parent, unread.parent)
    unread.write_bytes(b"no picture")
    refused("film-0.png: cannot be shown", pictures=unread.parent)
    outside = tmp_path / "outside.jsonl"
    record = taught_record(0).document
    changed = replace(taught_record(0), document={**record, "image": ["../film-0.png"]})
    write_records(outside, [changed])
    refused("outside the folder", dialogues=[outside])


def test_a_run_goes_on_only_as_it_was_begun(tmp_path: Path) -> None:
    open_run(tmp_path / "run", {"seed": 1, "batch": 2}, resume=False)
    with pytest.raises(TrainingRefused, match="give --resume"):
        open_run(tmp_path / "run", {"seed": 1, "batch": 2}, resume=False)
    with pytest.raises(TrainingRefused, match="begun with batch = 2, not 4"):
        open_run(tmp_path / "run", {"seed": 1, "batch": 4}, resume=True)
    open_run(tmp_path / "run", {"seed": 1, "batch": 2}, resume=True)
    with pytest.raises(TrainingRefused, match="MiB are needed"):
        open_run(tmp_path / "large", {}, resume=False, needed=1 << 60)


def test_a_loss_that_is_no_number_ends_the_run(
    sealed: BuildFamily, dialogues: Path, tmp_path: Path
) -> None:
    with samples_of(sealed(Architecture.QWEN2_VL), dialogues, SHORT) as (model, samples):
        run = open_run(tmp_path / "run", {}, resume=False)
        with pytest.raises(TrainingRefused, match="no longer a number"):
            fine_tune(
                model.engine.network,
                samples,
                model.engine.tokenizer,
                run,
                replace(QUICK, rate=1e30),
            )
