"""What every trainer of the training library needs here, whatever it trains for.

TRL's trainers rest on transformers' Trainer. As shipped, a resumed run of a Qwen model goes on
from its *initial* weights: checkpoints hold the published key names, the network others, and
the mismatch is only warned about (huggingface/transformers issue 43701).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers import TrainerCallback

from cxr_node.domain.errors import TrainingRefused
from cxr_node.training.live_plot import LivePlot

Watch = Callable[[int, int, Mapping[str, float]], None]
"""Told the step, the number of planned steps and the newest figures."""

_NOT_FIGURES = frozenset({"epoch", "total_flos", "step"})


class CheckedResume:
    """Put before a TRL trainer among the bases: resumes with all weights, or not at all."""

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        trainer: Any = self
        own = trainer.accelerator.unwrap_model(model or trainer.model)
        if hasattr(own, "peft_config"):
            parent: Any = super()
            parent._load_from_checkpoint(resume_from_checkpoint, model)
            return
        saved = type(own).from_pretrained(
            resume_from_checkpoint, dtype=own.dtype, use_safetensors=True, local_files_only=True
        )
        own.load_state_dict(saved.state_dict(), strict=True)

    def _issue_warnings_after_load(self, result: Any) -> None:
        if result.missing_keys or result.unexpected_keys:
            raise TrainingRefused("the checkpoint does not fit the model")

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The library would write a README of its own into every folder."""


class Watched(TrainerCallback):
    """Passes the trainer's figures on to the live plot and to whoever watches."""

    def __init__(self, plot: LivePlot, watch: Watch) -> None:
        self._plot, self._watch = plot, watch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._watch(state.global_step, state.max_steps, {})

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        if not logs or "train_runtime" in logs:  # the library's summary of the whole run
            return
        figures = {
            name: float(value)
            for name, value in logs.items()
            if isinstance(value, int | float) and name not in _NOT_FIGURES
        }
        self._plot.add(state.global_step, figures)
        self._watch(state.global_step, state.max_steps, figures)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._plot.draw(ended=state.global_step >= state.max_steps)


class StopAfter(TrainerCallback):
    """Ends a run early, as an interruption would, but with a checkpoint."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= self._steps:
            control.should_save = control.should_training_stop = True


def adapters(rank: int) -> Any:
    """Low-rank adapters on every linear layer but the last (arXiv 2106.09685); None for rank 0."""
    if not rank:
        return None
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")


def released(trainer: Any, config: Any, generation_config: Any) -> Any:
    """The network as it was given, but for its weights: nothing of the libraries stays on it.

    Adapters are merged; the configurations are those from before.
    """
    network = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(network, "peft_config"):
        network = network.merge_and_unload()
    for name in ("forward", "_original_forward"):
        vars(network).pop(name, None)
    network.config, network.generation_config = config, generation_config
    network.train(False)
    return network
