"""Group-relative policy optimisation (GRPO, arXiv 2402.03300) of one network: resumable, seeded.

TRL does the work; here are its settings and what it is handed. Single questions are written
and rewarded as a whole; staged readings are drawn by walking the node's own path.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from datasets import Dataset
from transformers import PrinterCallback
from transformers.utils import logging as library_logging
from trl import GRPOConfig

from cxr_node.reasoning.transformers_model import TransformersModel
from cxr_node.training.chat_processor import StillPictureProcessor
from cxr_node.training.grpo_advantages import Credit
from cxr_node.training.grpo_questions import QuestionCase, reward_functions
from cxr_node.training.grpo_rollout import Study
from cxr_node.training.grpo_sampling import DrawingModel
from cxr_node.training.grpo_trainer import QuestionTrainer, ReadingTrainer
from cxr_node.training.rewards import Similarity, token_f1
from cxr_node.training.run_folder import RunFolder, offline
from cxr_node.training.trainer_parts import StopAfter, Watch, Watched, adapters, released

_WEIGHT_DECAY, _LEAST_RATE = 0.0, 0.05


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is reinforced. The rate falls by a cosine to 5 % of itself."""

    steps: int
    group: int = 8
    """Completions of each prompt; they are compared with each other."""
    batch: int = 4
    """Prompts of a step."""
    part: int = 0
    """Completions that go through the network at once; 0: all of a step."""
    rate: float = 1e-6
    warm_up: int = 5
    beta: float = 0.0
    """Weight of the divergence from the model as it was."""
    temperature: float = 1.0
    longest: int = 512
    """Most tokens of a single question's completion."""
    mask_truncated: bool = True
    """Completions of a single question that were cut carry no loss."""
    lora: int = 0
    """Rank of the adapters; 0 teaches all weights."""
    seed: int = 0
    device: Literal["cpu", "cuda"] = "cpu"
    checkpoint_layers: bool = False
    """Compute activations twice rather than keep them; for large models on a card."""
    save_every: int = 50
    report_every: int = 1
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of TRL's configuration, by its own names."""


def reinforce_questions(
    model: TransformersModel,
    processor: StillPictureProcessor,
    cases: Sequence[QuestionCase],
    parts: Mapping[str, float],
    run: RunFolder,
    settings: Settings,
    **running: Any,
) -> Any:
    """Reinforce on single questions; ``parts`` are weights of ``grpo_questions.PARTS``.

    Returns the network, adapters merged. Goes on from the newest checkpoint in ``run``.
    """
    kept = _kept(model)
    trainer = QuestionTrainer(
        cases=cases,
        reward_funcs=reward_functions(list(parts)),
        **_given(model, processor, len(cases), settings, run, reward_weights=[*parts.values()]),
    )
    return _trained(trainer, run, settings, kept, **running)


def reinforce_readings(
    model: TransformersModel,
    processor: StillPictureProcessor,
    studies: Sequence[Study],
    run: RunFolder,
    settings: Settings,
    *,
    credit: Credit | None = None,
    penalties: Mapping[str, float] | None = None,
    texts: bool = True,
    similarity: Similarity = token_f1,
    **running: Any,
) -> Any:
    """Reinforce on staged readings of the model's own answers.

    Without ``texts`` only options and boxes are drawn and learned from. Returns the network,
    adapters merged. Goes on from the newest checkpoint in ``run``.
    """
    kept = _kept(model)
    trainer = ReadingTrainer(
        studies=studies,
        drawing=DrawingModel(model, temperature=settings.temperature, texts=texts),
        network=model.engine.network,
        credit=credit or Credit(),
        similarity=similarity,
        penalties=penalties,
        **_given(model, processor, len(studies), settings, run, mask_truncated_completions=False),
    )
    return _trained(trainer, run, settings, kept, **running)


def _given(
    model: TransformersModel,
    processor: StillPictureProcessor,
    count: int,
    settings: Settings,
    run: RunFolder,
    **more: Any,
) -> dict[str, Any]:
    """What both kinds of trainer are given."""
    offline()
    library_logging.set_verbosity_error()
    logging.getLogger("trl").setLevel(logging.ERROR)  # it would print prompts and completions
    return {
        "model": model.engine.network,
        "args": _config(settings, run.checkpoints, **more),
        "train_dataset": Dataset.from_dict({"number": _order(count, settings)}),
        "processing_class": processor,
        "peft_config": adapters(settings.lora),
    }


def _order(count: int, settings: Settings) -> list[int]:
    """The prompts of the whole run: everything once, then everything again in another order.

    One epoch of the library, because its sampler would begin with the first order again
    whenever a run is resumed behind the first epoch.
    """
    rng, needed = np.random.default_rng(settings.seed), settings.steps * settings.batch
    passes = [rng.permutation(count) for _ in range(-(-needed // count))]
    return [int(number) for number in np.concatenate(passes)[:needed]]


def _config(settings: Settings, folder: Path, **more: Any) -> GRPOConfig:
    part = settings.part or settings.batch * settings.group
    on_card = settings.device == "cuda"
    return GRPOConfig(
        output_dir=str(folder),
        max_steps=settings.steps,
        num_generations=settings.group,
        per_device_train_batch_size=part,
        gradient_accumulation_steps=settings.batch * settings.group // part,
        learning_rate=settings.rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": _LEAST_RATE},
        warmup_steps=settings.warm_up,
        weight_decay=_WEIGHT_DECAY,
        beta=settings.beta,
        temperature=settings.temperature,
        max_completion_length=settings.longest,
        loss_type="grpo",
        bf16=on_card,
        use_cpu=not on_card,
        gradient_checkpointing=settings.checkpoint_layers,
        save_steps=settings.save_every,
        save_total_limit=2,
        logging_steps=settings.report_every,
        seed=settings.seed,
        shuffle_dataset=False,
        report_to="none",
        disable_tqdm=True,
        **{"mask_truncated_completions": settings.mask_truncated, **more, **settings.more},
    )


def _trained(
    trainer: Any,
    run: RunFolder,
    settings: Settings,
    kept: tuple[Any, Any],
    *,
    title: str = "GRPO",
    watch: Watch = lambda *_: None,
    stop_after: int | None = None,
) -> Any:
    newest = run.newest()
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Watched(run.plot(title, settings.steps), watch))
    if stop_after is not None:
        trainer.add_callback(StopAfter(stop_after))
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    return released(trainer, *kept)


def _kept(model: TransformersModel) -> tuple[Any, Any]:
    """Configurations before the libraries write into them."""
    network = model.engine.network
    return deepcopy(network.config), deepcopy(network.generation_config)
