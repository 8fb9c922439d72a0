"""Supervised fine-tuning of one network on samples, whoever made them: resumable and seeded."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

from datasets import Dataset
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, PrinterCallback
from transformers.utils import logging as library_logging
from trl import SFTConfig

from cxr_node.training.run_folder import RunFolder, offline
from cxr_node.training.sft_samples import Collate, Samples
from cxr_node.training.sft_trainer import DialogueTrainer, SideLoss
from cxr_node.training.trainer_parts import StopAfter, Watch, Watched, adapters, released

Schedule = Literal["flat", "cosine"]
Optimiser = Literal["adamw", "muon"]
_SCHEDULES: Mapping[Schedule, str] = {"flat": "warmup_stable_decay", "cosine": "cosine"}
_DECAY_SHARE, _LEAST_RATE = 0.3, 0.02


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is taught. ``flat`` falls linearly over the last 30 % of the steps."""

    steps: int
    batch: int = 8
    accumulate: int = 1
    """Batches that make one step."""
    rate: float = 1e-5
    warm_up: int = 0
    schedule: Schedule = "cosine"
    weight_decay: float = 0.0
    beta2: float = 0.999
    optimiser: Optimiser = "adamw"
    """``muon`` learns faster from nothing; see ``muon.py``. Not with adapters."""
    lora: int = 0
    """Rank of the adapters; 0 teaches all weights."""
    seed: int = 0
    device: Literal["cpu", "cuda"] = "cpu"
    bf16: bool = False
    """Compute in bfloat16; weights and optimiser stay in 32 bits."""
    checkpoint_layers: bool = False
    """Compute activations twice rather than keep them; for large models on a card."""
    shuffle: bool = True
    """Off: samples in their own order, for one that draws its samples itself."""
    save_every: int = 100
    report_every: int = 10


def fine_tune(
    network: Any,
    samples: Samples,
    tokenizer: Tokenizer,
    run: RunFolder,
    settings: Settings,
    *,
    side: SideLoss | None = None,
    title: str = "Supervised fine-tuning",
    watch: Watch = lambda *_: None,
    stop_after: int | None = None,
) -> Any:
    """Teach ``network`` (transformers, Qwen family) and return it, adapters merged.

    Goes on from the newest checkpoint in ``run``, if there is one: with the same arguments the
    result is that of a run without interruption. ``side`` is trained along and kept in
    checkpoints. ``stop_after`` ends early behind so many steps, with a checkpoint. Raises
    :class:`cxr_node.domain.errors.TrainingRefused` when the loss is no longer finite.
    """
    offline()
    library_logging.set_verbosity_error()
    library_logging.disable_progress_bar()
    # TRL and peft still call transformers by names that will change.
    warnings.filterwarnings("ignore", "`(is_)?gradient_checkpointing", FutureWarning)
    kept = deepcopy(network.config), deepcopy(network.generation_config)
    network.train()
    trainer = DialogueTrainer(
        side=side,
        muon=settings.optimiser == "muon",
        model=network,
        args=_arguments(run, settings),
        train_dataset=Dataset.from_dict({"number": list(range(len(samples)))}),
        data_collator=Collate(samples, network.config.image_token_id, _pad(network)),
        processing_class=PreTrainedTokenizerFast(tokenizer_object=tokenizer),
        peft_config=adapters(settings.lora),
        callbacks=[
            Watched(run.plot(title, settings.steps), watch),
            StopAfter(stop_after or settings.steps),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    newest = run.newest()
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    return released(trainer, *kept)


def _arguments(run: RunFolder, settings: Settings) -> SFTConfig:
    return SFTConfig(**_options(run, settings))


def _options(run: RunFolder, settings: Settings) -> dict[str, Any]:
    flat = settings.schedule == "flat"
    falling = {"num_decay_steps": round(_DECAY_SHARE * settings.steps), "decay_type": "linear"}
    return {
        "output_dir": str(run.checkpoints),
        "max_steps": settings.steps,
        "per_device_train_batch_size": settings.batch,
        "gradient_accumulation_steps": settings.accumulate,
        "learning_rate": settings.rate,
        "lr_scheduler_type": _SCHEDULES[settings.schedule],
        "lr_scheduler_kwargs": falling | {"min_lr_ratio": _LEAST_RATE} if flat else {},
        "warmup_steps": settings.warm_up,
        "weight_decay": settings.weight_decay,
        "adam_beta2": settings.beta2,
        "max_grad_norm": 1.0,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "train_sampling_strategy": "random" if settings.shuffle else "sequential",
        "use_cpu": settings.device == "cpu",
        "bf16": settings.bf16,
        "gradient_checkpointing": settings.checkpoint_layers,
        "max_length": None,
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "logging_steps": settings.report_every,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "save_steps": settings.save_every,
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
    }


def _pad(network: Any) -> int:
    """Any token will do: padding is behind everything that is learned."""
    return network.config.get_text_config().pad_token_id or 0
