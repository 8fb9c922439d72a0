"""One run of GRPO from files to a sealed model folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cxr_node.domain.errors import TrainingRefused
from cxr_node.domain.stages import StageKey
from cxr_node.reasoning.profiles import Lineage, Manifest, identity, load_manifest
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from cxr_node.training.chat_processor import load_processor
from cxr_node.training.grpo import Settings, reinforce_questions, reinforce_readings
from cxr_node.training.grpo_advantages import Credit
from cxr_node.training.grpo_inputs import Pictures, read_questions, read_studies
from cxr_node.training.grpo_questions import PARTS, RECIPES, Recipe
from cxr_node.training.grpo_trainer import PENALTIES
from cxr_node.training.live_plot import read_figures
from cxr_node.training.run_folder import RunFolder, checkpoint_bytes, data_digests, open_run
from cxr_node.training.supervision_pictures import named_pictures
from cxr_node.training.taught_model import check_base, taught_manifest, write_taught
from cxr_node.training.trainer_parts import Watch

METHOD = "grpo"
STAGED_PENALTIES: Mapping[str, float] = {"contradictions": 0.5, "unknown_terms": 0.5}
"""What a staged reading loses unless other weights are asked for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be reinforced in which model, and how."""

    model: Path
    """A sealed model folder."""
    dialogues: Sequence[Path]
    pictures: Path
    out: Path
    recipe: Recipe
    settings: Settings
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weights other than the recipe's: parts of a reward, of STAGED stages and penalties."""
    follow: float = 0.5
    """STAGED: how much an answer is credited for the stage behind it."""
    texts: bool = True
    """STAGED: whether texts are drawn and learned from, or options and boxes alone."""
    name: str = ""
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Reinforced:
    """What came of a run."""

    manifest: Manifest
    folder: Path


def run_grpo(
    wish: Wish, *, watch: Watch = lambda *_: None, looked: Callable[[int], None] = lambda _: None
) -> Reinforced:
    """Look everything through, reinforce, and write ``out/model``.

    ``looked`` is told how many prompts there are before the first step. Raises
    :class:`TrainingRefused`, :class:`RecordRefused` or :class:`ModelRefused` naming what is
    wrong; before the first step nothing but ``out/run.json`` is written.
    """
    base = load_manifest(wish.model)
    check_base(wish.model, base, wish.settings.device)
    _check(wish.settings)
    weights = _weights(wish)
    digests = data_digests(wish.dialogues)
    model = load_model(wish.model, device="cpu")
    lineage = _lineage(wish, base, digests, weights)
    with named_pictures(wish.pictures, model.image_policy) as pictures:
        cases = _cases(wish, base, pictures)
        run = open_run(
            wish.out,
            _decides(wish, digests, lineage.base_digest, weights),
            resume=wish.resume,
            needed=checkpoint_bytes(model.engine.network),
        )
        looked(len(cases))
        network = _reinforce(wish, base, model, cases, weights, run, watch)
    lineage = lineage.model_copy(update={"figures": _figures(run, len(cases))})
    manifest = taught_manifest(base, lineage, name=wish.name)
    return Reinforced(write_taught(network, wish.model, run.model, manifest), run.model)


def _check(settings: Settings) -> None:
    if settings.group < 2:
        raise TrainingRefused("--group: a completion is compared with at least one other")
    whole = settings.batch * settings.group
    if settings.part and whole % settings.part:
        raise TrainingRefused(
            f"--part {settings.part} does not divide the {whole} completions of a step"
        )
    if settings.temperature <= 0:
        raise TrainingRefused("--temperature: what is drawn at 0 is always the same")


def _weights(wish: Wish) -> dict[str, float]:
    """The recipe's parts with the weights that were asked for."""
    staged = wish.recipe is Recipe.STAGED
    stages = {stage.value: 1.0 for stage in StageKey}
    usual = {**stages, **STAGED_PENALTIES} if staged else dict(RECIPES[wish.recipe])
    known = {*stages, *PENALTIES} if staged else set(PARTS)
    for name in wish.weights:
        if name not in known:
            parts = ", ".join(sorted(known))
            raise TrainingRefused(f"--weight: {name} is no part of {wish.recipe}; known: {parts}")
    return usual | dict(wish.weights)


def _cases(wish: Wish, base: Manifest, pictures: Pictures) -> Sequence[Any]:
    if wish.recipe is Recipe.STAGED:
        return read_studies(wish.dialogues, pictures)
    return read_questions(wish.dialogues, wish.recipe, base.profile, pictures)


def _reinforce(
    wish: Wish,
    base: Manifest,
    model: TransformersModel,
    cases: Sequence[Any],
    weights: Mapping[str, float],
    run: RunFolder,
    watch: Watch,
) -> Any:
    processor = load_processor(wish.model, base)
    running: dict[str, Any] = {
        "title": f"{base.name}: GRPO, {wish.recipe}",
        "watch": lambda step, total, figures: watch(step, total, _shown(figures)),
    }
    if wish.recipe is not Recipe.STAGED:
        return reinforce_questions(model, processor, cases, weights, run, wish.settings, **running)
    stages = {stage: weights[stage] for stage in StageKey}
    return reinforce_readings(
        model,
        processor,
        cases,
        run,
        wish.settings,
        credit=Credit(wish.follow, stages),
        penalties={name: weights[name] for name in PENALTIES},
        texts=wish.texts,
        **running,
    )


def _shown(figures: Mapping[str, float]) -> dict[str, float]:
    """The few of forty figures that a line on the screen has room for."""
    return {name: figures[name] for name in ("reward", "reward_std", "kl") if name in figures}


def _decides(
    wish: Wish, digests: Mapping[str, str], base: str, weights: Mapping[str, float]
) -> dict[str, object]:
    """All that the result depends on, to compare when a run goes on."""
    return {
        "method": METHOD,
        "base": base,
        "data": dict(digests),
        "reward": str(wish.recipe),
        "weights": dict(weights),
        "follow": wish.follow,
        "texts": wish.texts,
        **asdict(wish.settings),
    }


def _lineage(
    wish: Wish, base: Manifest, digests: Mapping[str, str], weights: Mapping[str, float]
) -> Lineage:
    settings = wish.settings
    told = [f"--dialogues {path.name}" for path in wish.dialogues]
    told += [f"--reward {wish.recipe}", f"--steps {settings.steps}", f"--group {settings.group}"]
    told += [f"--batch {settings.batch}", f"--learning-rate {settings.rate:g}"]
    told += [f"--beta {settings.beta:g}", f"--temperature {settings.temperature:g}"]
    told += [f"--weight {name}={weight:g}" for name, weight in weights.items()]
    told += [f"--lora {settings.lora}", f"--seed {settings.seed}", f"--device {settings.device}"]
    if wish.recipe is Recipe.STAGED:
        told += [f"--follow {wish.follow:g}", "--texts" if wish.texts else "--no-texts"]
    else:
        told += [f"--longest {settings.longest}"]
    return Lineage(
        method=METHOD,
        base=f"{base.name} {base.version}",
        base_digest=identity(base).digest,
        data=dict(digests),
        command=" ".join(["cxr-node train grpo", *told]),
    )


def _figures(run: RunFolder, prompts: int) -> dict[str, float]:
    """Counts and the last figures of the run."""
    last = [entry for entry in read_figures(run.figures) if "reward" in entry][-1:]
    wanted = ("reward", "reward_std", "kl", "step")
    ends = {f"last {k}": entry[k] for entry in last for k in wanted if k in entry}
    return {"prompts": float(prompts), **ends}
