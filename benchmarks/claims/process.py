"""Claim of ChestX-Reasoner (arXiv 2504.20930): rewarding the process betters the reasoning.

One model is taught rule-mined chains; from there two arms of GRPO differ in the reward alone:
the outcome, or half outcome and half process. Both are judged by RadRScore (rules) and by
exact answers on phantoms that nothing was taught on. Every step of the command is kept.

    python -m benchmarks.claims.process MODEL DATA OUT --taught 200 --steps 30 --seeds 1 2
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.claims.chains import Asked, graded, mined
from benchmarks.claims.paired import Line, accuracy, compare, radrscore, write
from benchmarks.claims.spoken import ChainSamples, widened, written
from cxr_node.evaluation.cases import Case
from cxr_node.reasoning.profiles import load_manifest
from cxr_node.reasoning.transformers_model import TransformersModel, load_model
from cxr_node.training import grpo, sft
from cxr_node.training.chat_processor import load_processor
from cxr_node.training.grpo_questions import RECIPES, Recipe
from cxr_node.training.live_plot import read_figures
from cxr_node.training.run_folder import RunFolder, offline, open_run
from cxr_node.training.taught_model import write_taught

ARMS = (Recipe.OUTCOME, Recipe.PROCESS)
_BATCH = 16
_SFT_CHUNKS, _GRPO_CHUNKS, _JUDGED_CHUNKS = range(10), range(100, 104), range(10)
_LONGEST = 150


def main() -> None:
    asked = _options()
    torch.set_num_threads(1)
    offline()
    taught = _taught(asked)
    held = _held_out(asked)
    arms = {"SFT": _judged(taught, held, asked.out / "SFT.json")}
    for seed in asked.seeds:
        for recipe in asked.arms:
            folder = _reinforced(taught, recipe, seed, asked)
            name = f"{recipe.value}-{seed}"
            arms[name] = _judged(folder, held, asked.out / f"{name}.json")
            _report(arms, asked, len(held))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder of the embedded model, taught")
    parser.add_argument("data", type=Path, help="folder with stored samples: single, judging")
    parser.add_argument("out", type=Path)
    parser.add_argument("--taught", type=int, default=200, help="steps of SFT")
    parser.add_argument("--steps", type=int, default=30, help="steps of GRPO")
    parser.add_argument("--stop", type=int, default=0, help="end GRPO early, behind so many")
    parser.add_argument("--arms", type=Recipe, nargs="+", default=ARMS, choices=ARMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--prompts", type=int, default=4, help="questions of a step")
    parser.add_argument("--judged", type=int, default=256, help="held-out questions")
    return parser.parse_args()


def _taught(asked: argparse.Namespace) -> Path:
    """The model that writes chains; made once."""
    out: Path = asked.out / "taught"
    if (out / "manifest.json").exists():
        return out
    found = mined(asked.data / "single", _SFT_CHUNKS, each=150, seed=1)
    texts = [text for one in found for text in (one.question.prompt, one.target)]
    wide = asked.out / "wide"
    if not (wide / "manifest.json").exists():
        widened(asked.model, wide, texts)
    model = load_model(wide, threads=1, device="cpu")
    run = _run(asked.out / "sft", {"steps": asked.taught})
    settings = sft.Settings(
        steps=asked.taught,
        batch=_BATCH,
        rate=1e-3,
        warm_up=10,
        schedule="flat",
        beta2=0.98,
        seed=1,
        bf16=True,
        shuffle=False,
        save_every=50,
    )
    samples = ChainSamples(found, model.engine.tokenizer, asked.taught * _BATCH)
    network = _blind(model.engine.network)
    began = time.process_time()
    network = sft.fine_tune(network, samples, model.engine.tokenizer, run, settings, watch=_watch)
    print(f"SFT: {len(found)} chains, {time.process_time() - began:.0f} processor seconds")
    write_taught(network, wide, out, load_manifest(wide).model_copy(update={"files": {}}))
    return out


def _held_out(asked: argparse.Namespace) -> list[Asked]:
    return mined(asked.data / "judging", _JUDGED_CHUNKS, each=12, seed=3)[: asked.judged]


@lru_cache(maxsize=1)
def _drawn(folder: Path, seed: int) -> list[Asked]:
    """What both arms of one seed are reinforced on."""
    return mined(folder, _GRPO_CHUNKS, each=30, seed=seed)


def _reinforced(taught: Path, recipe: Recipe, seed: int, asked: argparse.Namespace) -> Path:
    out: Path = asked.out / f"{recipe.value}-{seed}"
    if (out / "model" / "manifest.json").exists():
        return out / "model"
    cases = [one.case() for one in _drawn(asked.data / "single", seed)]
    model = load_model(taught, threads=1, device="cpu")
    _blind(model.engine.network)
    settings = grpo.Settings(
        steps=asked.steps,
        group=asked.group,
        batch=asked.prompts,
        rate=asked.rate,
        warm_up=3,
        longest=_LONGEST,
        seed=seed,
        save_every=10,
    )
    run = _run(out, {"steps": asked.steps, "rate": asked.rate, "recipe": recipe.value})
    processor, began = load_processor(taught, load_manifest(taught)), time.process_time()
    torch.manual_seed(seed)
    network = grpo.reinforce_questions(
        *(model, processor, cases, RECIPES[recipe], run, settings),
        watch=_watch,
        stop_after=asked.stop or None,
    )
    print(f"{out.name}: {time.process_time() - began:.0f} processor seconds")
    write_taught(network, taught, run.model, load_manifest(taught).model_copy(update={"files": {}}))
    return run.model


def _blind(network: Any) -> Any:
    """The vision tower was taught to see before and stays as it is."""
    network.model.visual.requires_grad_(False)
    return network


def _run(folder: Path, settings: Mapping[str, object]) -> RunFolder:
    return open_run(folder, settings, resume=(folder / "run.json").exists())


def _watch(step: int, steps: int, figures: Mapping[str, float]) -> None:
    kept = {k: round(v, 3) for k, v in figures.items() if k in ("loss", "accuracy", "reward")}
    kept |= {k: round(v, 3) for k, v in figures.items() if k.startswith("rewards/") and "mean" in k}
    if kept:
        print(f"{step}/{steps}", time.strftime("%H:%M:%S"), kept, flush=True)


def _judged(folder: Path, held: Sequence[Asked], kept: Path) -> list[Case]:
    if kept.exists():
        return graded(held, json.loads(kept.read_text(encoding="utf-8")))
    model: TransformersModel = load_model(folder, threads=1, device="cpu")
    said = written(model, held, _LONGEST)
    kept.write_text(json.dumps(said), encoding="utf-8")
    return graded(held, said)


def _report(arms: Mapping[str, list[Case]], asked: argparse.Namespace, held: int) -> None:
    """The arms over all seeds together, study by study, then each seed alone."""
    seeds = [s for s in asked.seeds if all(f"{recipe.value}-{s}" in arms for recipe in ARMS)]
    if not seeds:
        return
    joined: dict[str, list[Case]] = {"SFT": arms["SFT"]}
    for recipe in ARMS:
        joined[recipe.value] = _joined([arms[f"{recipe.value}-{seed}"] for seed in seeds])
    pairs = [("outcome", "process"), ("SFT", "outcome"), ("SFT", "process")]
    lines = _lines("", joined, pairs)
    for seed in seeds:
        one = {r.value: arms[f"{r.value}-{seed}"] for r in ARMS}
        lines += _lines(f"seed {seed}: ", one, pairs[:1])
    rewards = {
        f"{r.value}-{s}": _rewards(asked.out / f"{r.value}-{s}") for r in ARMS for s in seeds
    }
    about = {
        "claim": "process reward",
        "questions": held,
        "studies": len(arms["SFT"]),
        "seeds": seeds,
        "sft_steps": asked.taught,
        "grpo_steps": asked.stop or asked.steps,
        "grpo_schedule": asked.steps,
        "group": asked.group,
        "prompts": asked.prompts,
        "rate": asked.rate,
        "rewards": rewards,
    }
    write(asked.out / "process.json", about, lines)


def _joined(runs: Sequence[Sequence[Case]]) -> list[Case]:
    """The answers of all seeds to one study in one case: seeds are not resampled."""
    return [
        row[0].model_copy(
            update={
                "answers": tuple(a for case in row for a in case.answers),
                "texts": tuple(t for case in row for t in case.texts),
            }
        )
        for row in zip(*runs, strict=True)
    ]


def _lines(
    prefix: str, arms: Mapping[str, Sequence[Case]], pairs: Sequence[tuple[str, str]]
) -> list[Line]:
    named = {"RadRScore": radrscore(), "exact answers": accuracy()}
    named |= {part: radrscore(part) for part in ("completeness", "factuality", "effectiveness")}
    return [compare(prefix + name, figure, arms, pairs) for name, figure in named.items()]


def _rewards(folder: Path) -> dict[str, list[float]]:
    """Mean reward of the first and of the last five steps, part by part."""
    rows = read_figures(RunFolder(folder).figures)
    parts = [k for k in rows[0] if k == "reward" or (k.startswith("rewards/") and "mean" in k)]
    return {
        part: [sum(row[part] for row in some) / len(some) for some in (rows[:5], rows[-5:])]
        for part in parts
    }


if __name__ == "__main__":
    main()
