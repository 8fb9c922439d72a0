"""TRL's trainer for supervised fine-tuning, with a weight for every token and side losses.

Only what a site's dialogues need beyond TRL stands here: tokens that count more or less, and
losses on the picture tokens of the same forward pass (the embedded model needs them).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from trl import SFTTrainer

from cxr_node.domain.errors import TrainingRefused
from cxr_node.training.muon import MuonWithAdamW
from cxr_node.training.sft_samples import IGNORED
from cxr_node.training.trainer_parts import CheckedResume

_SIDE_FILE = "side.safetensors"


class SideLoss(Protocol):
    """A further loss on what the vision tower made of a batch's pictures."""

    @property
    def module(self) -> nn.Module:
        """Its own weights: trained and kept in checkpoints, not part of the model."""

    def __call__(
        self, tokens: Tensor, targets: Mapping[str, Tensor]
    ) -> tuple[Tensor, Mapping[str, float]]:
        """Loss, weighted as it shall count, and its parts for the log.

        ``tokens`` (picture tokens of the whole batch, width) are 32-bit, in the order of the
        samples; ``targets`` are their ``side``, stacked.
        """


class DialogueTrainer(CheckedResume, SFTTrainer):
    """Cross-entropy weighted by token, over the batch's sum of weights, plus a side loss."""

    def __init__(
        self, *args: Any, side: SideLoss | None = None, muon: bool = False, **kwargs: Any
    ) -> None:
        self._side, self._with_muon = side, muon
        super().__init__(*args, **kwargs)
        # Divided by all weights of a step, so that small batches add up to a large one.
        self.loss_is_scaled_for_ga = True
        if side is not None:
            side.module.to(self.args.device)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Tensor:
        total = sum((batch["label_weights"].sum() for batch in batch_samples), torch.zeros(()))
        if self.args.world_size > 1:
            return self.accelerator.gather(total.to(device)).sum()
        return total.to(device)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The loss of one batch; see :class:`Collate` for ``inputs``."""
        given = dict(inputs)
        weights, targets = given.pop("label_weights")[:, 1:], given.pop("side")
        total = weights.sum() if num_items_in_batch is None else num_items_in_batch
        with _tokens_of(self.network, self._side is not None) as seen:
            log_probs, right = self._scored(model, given)
        answer = -(log_probs * weights).sum() / total.clamp(min=1e-6)
        answer = answer * self.accelerator.num_processes
        figures = {"answer": float(answer.detach()) * self._accumulated}
        figures["accuracy"] = float(right.sum() / (weights > 0).sum().clamp(min=1))
        loss = answer
        if self._side is not None:
            side, parts = self._side(seen[0].float(), targets)
            loss = answer + side / self._accumulated
            figures |= parts
        if not torch.isfinite(loss):
            raise TrainingRefused(
                f"step {self.state.global_step + 1}: the loss is no longer a number; "
                "resume with a lower learning rate in a new folder"
            )
        for name, value in figures.items():
            self._metrics["train"][name].append(value)
        return (loss, {}) if return_outputs else loss

    def _scored(self, model: Any, given: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Log-probability of every label, and whether it was the likeliest token.

        Both (batch, length - 1), 0 where there is no label. On a card TRL's own head scores the
        labels alone; elsewhere it would score every token, so that columns are chosen here.
        """
        labels = given["labels"][:, 1:]
        if labels.is_cuda:
            made = model(**given, use_cache=False, fused_lm_head=True)
            return made.log_probs, made.is_top1
        del given["labels"]
        columns = (labels != IGNORED).any(0).nonzero().squeeze(1)
        logits = model(**given, use_cache=False, logits_to_keep=columns).logits.float()
        asked = labels[:, columns]
        found = functional.cross_entropy(
            logits.transpose(1, 2), asked, ignore_index=IGNORED, reduction="none"
        )
        log_probs, right = torch.zeros(labels.shape), torch.zeros(labels.shape)
        right[:, columns] = (logits.detach().argmax(-1) == asked).float()
        return log_probs.index_copy(1, columns, -found), right

    @property
    def network(self) -> Any:
        """The network itself, without what the libraries wrap around it."""
        own = self.accelerator.unwrap_model(self.model)
        return own.get_base_model() if hasattr(own, "peft_config") else own

    @property
    def _accumulated(self) -> int:
        return int(getattr(self, "current_gradient_accumulation_steps", 1))

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The library's, with the side loss's own weights as one more group."""
        if self._with_muon and getattr(self, "optimizer", None) is None:
            chosen = self.args
            self.optimizer = MuonWithAdamW(
                [self.network],
                chosen.learning_rate,
                decay=chosen.weight_decay,
                beta2=chosen.adam_beta2,
            )
        made: torch.optim.Optimizer = super().create_optimizer(model)
        if self._side is not None:
            module = self._side.module
            own = [weight for weight in module.parameters() if weight.requires_grad]
            made.add_param_group({"params": own, "weight_decay": 0.0})
            # The library forgets the gradients of its model alone.
            made.register_step_post_hook(lambda *_: module.zero_grad())
        return made

    def _clip_grad_norm(self, model: Any) -> Any:
        if self._side is not None:
            torch.nn.utils.clip_grad_norm_(self._side.module.parameters(), self.args.max_grad_norm)
        return super()._clip_grad_norm(model)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self._side is not None:
            folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            save_file(self._side.module.state_dict(), folder / _SIDE_FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self._side is not None:
            stored = load_file(Path(resume_from_checkpoint) / _SIDE_FILE)
            self._side.module.load_state_dict(stored)


@contextmanager
def _tokens_of(network: Any, wanted: bool) -> Iterator[list[Tensor]]:
    """Collects what the vision tower gives in the block, merged: (picture tokens, width)."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, __: Any, made: Any) -> None:
        merged = made if isinstance(made, Tensor) else made.pooler_output
        whole = merged if isinstance(merged, Tensor) else torch.cat(list(merged))
        seen.append(whole.reshape(-1, whole.shape[-1]))

    handle = network.model.visual.register_forward_hook(keep) if wanted else None
    try:
        yield seen
    finally:
        if handle is not None:
            handle.remove()
