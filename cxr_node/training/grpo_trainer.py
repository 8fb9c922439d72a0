"""TRL's GRPO trainer over the node's own dialogues: single questions, and whole staged readings.

Rows of the data set name a case by number; pictures and prompt are put in when completions are
made. A staged reading is one completion (``rollout_func``), and its advantages stand for each
token (TRL takes a two-dimensional tensor of a subclass). Importing this needs trl: call
``run_folder.offline`` first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from trl import GRPOTrainer

from cxr_node.domain.errors import TrainingRefused
from cxr_node.domain.ports import PreparedImage
from cxr_node.domain.stages import StageKey
from cxr_node.training.grpo_advantages import Credit, Marked, advantages
from cxr_node.training.grpo_marks import Marks, marks, turn_key
from cxr_node.training.grpo_questions import QuestionCase
from cxr_node.training.grpo_rollout import NOT_DRAWN, Study, Trajectory, roll_out
from cxr_node.training.grpo_sampling import DrawingModel
from cxr_node.training.rewards import CONTRADICTION, Similarity, token_f1
from cxr_node.training.trainer_parts import CheckedResume

Row = dict[str, Any]


class _Grpo(CheckedResume, GRPOTrainer):
    """A run whose loss is no longer a number ends at once."""

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """TRL's loss. Raises :class:`TrainingRefused` when it is not finite."""
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        if not torch.isfinite(loss):
            raise TrainingRefused(
                f"step {self.state.global_step + 1}: the loss is no longer a number; "
                "begin anew with a lower learning rate"
            )
        return loss


class QuestionTrainer(_Grpo):
    """Single questions: TRL writes the completions, each is rewarded as a whole."""

    def __init__(self, *args: Any, cases: Sequence[QuestionCase], **kwargs: Any) -> None:
        self._cases = cases
        super().__init__(*args, **kwargs)

    def _generate_and_score_completions(self, inputs: list[Row]) -> dict[str, Any]:
        cases = [self._cases[row["number"]] for row in inputs]
        rows = [{**_asked(case.prompt, case.images), "case": case} for case in cases]
        made: dict[str, Any] = super()._generate_and_score_completions(rows)
        return made


class ReadingTrainer(_Grpo):
    """Staged readings of the model's own answers; each answer has an advantage of its own."""

    def __init__(
        self,
        *args: Any,
        studies: Sequence[Study],
        drawing: DrawingModel,
        network: Any,
        credit: Credit,
        similarity: Similarity = token_f1,
        penalties: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """``network`` is what ``drawing`` reads with, without any wrapping of a library."""
        self._studies, self._drawing, self._network = studies, drawing, network
        self._credit, self._similarity = credit, similarity
        self._penalties = dict(penalties or {})
        self._drawn: list[Trajectory] = []
        rewards = [_stage_reward(stage) for stage in StageKey]
        weights = [credit.weight(stage) for stage in StageKey]
        kwargs["args"].reward_weights = [*weights, *self._penalties.values()]
        rewards += [_penalty_reward(name) for name in self._penalties]
        super().__init__(*args, reward_funcs=rewards, rollout_func=self._rollout, **kwargs)

    def _generate_and_score_completions(self, inputs: list[Row]) -> dict[str, Any]:
        studies = [self._studies[row["number"]] for row in inputs]
        drawn = self._drawn = self._read(studies)
        found = [self._marks(t, study) for t, study in zip(drawn, studies, strict=True)]
        rows = [
            {**_asked(t.prompt, t.pictures), "drawn": t, "marks": m}
            for t, m in zip(drawn, found, strict=True)
        ]
        made: dict[str, Any] = super()._generate_and_score_completions(rows)
        made["advantages"] = self._advantages(drawn, found).to(made["completion_ids"].device)
        return made

    def _marks(self, trajectory: Trajectory, study: Study) -> Marks:
        profile = self._drawing.profile
        return marks(trajectory.reading.turns, study.truth, profile, self._similarity)

    def _read(self, studies: Sequence[Study]) -> list[Trajectory]:
        """Drawn readings of the network as it is now."""
        training = self._network.training
        self._network.eval()
        try:
            with self.accelerator.autocast():
                return roll_out(self._drawing, studies)
        finally:
            self._network.train(training)

    def _rollout(self, prompts: list[Any], _: Any) -> dict[str, Any]:
        """What was drawn, as TRL wants it."""
        return {
            "prompt_ids": [list(t.prompt_ids) for t in self._drawn],
            "completion_ids": [list(t.ids) for t in self._drawn],
            "logprobs": None,
            "env_mask": [t.mask for t in self._drawn],
        }

    def _advantages(self, drawn: Sequence[Trajectory], found: Sequence[Marks]) -> Tensor:
        """(rows, longest completion): each drawn token has the advantage of its answer."""
        marked = [self._marked(t, m) for t, m in zip(drawn, found, strict=True)]
        size = self.num_generations
        credits = [
            row
            for start in range(0, len(marked), size)
            for row in advantages(marked[start : start + size], self._credit)
        ]
        table = torch.zeros(len(drawn), max(len(t.ids) for t in drawn))
        for row, (trajectory, credit) in enumerate(zip(drawn, credits, strict=True)):
            each = [credit[turn_key(turn)] for turn in trajectory.reading.turns]
            values = [0.0 if n == NOT_DRAWN else each[n] for n in trajectory.answers]
            table[row, : len(values)] = torch.tensor(values)
        return table

    def _marked(self, trajectory: Trajectory, found: Marks) -> Marked:
        turns = trajectory.reading.turns
        answers = {turn_key(turn): mark for turn, mark in zip(turns, found.turns, strict=True)}
        whole = sum(w * PENALTIES[name](trajectory) for name, w in self._penalties.items())
        return Marked(answers, found.stages, whole)


def _asked(prompt: str, pictures: Sequence[PreparedImage]) -> Row:
    """A question and its pictures as TRL takes them."""
    shown = [Image.frombytes("L", (p.width, p.height), p.gray).convert("RGB") for p in pictures]
    return {"prompt": [{"role": "user", "content": prompt}], "images": shown}


def _stage_reward(stage: StageKey) -> Callable[..., list[float | None]]:
    """The mean mark of one stage, for the log and the sum; None where it was not walked."""

    def reward(marks: Sequence[Marks], **_: Any) -> list[float | None]:
        return [found.stages.get(stage) for found in marks]

    reward.__name__ = stage.value
    return reward


def _penalty_reward(name: str) -> Callable[..., list[float | None]]:
    def reward(drawn: Sequence[Trajectory], **_: Any) -> list[float | None]:
        return [PENALTIES[name](trajectory) for trajectory in drawn]

    reward.__name__ = name
    return reward


def _contradictions(trajectory: Trajectory) -> float:
    return 0.0 - min(1.0, CONTRADICTION * len(trajectory.reading.contradictions))


def _unknown_terms(trajectory: Trajectory) -> float:
    return 0.0 - min(1.0, CONTRADICTION * len(trajectory.reading.dropped_terms))


PENALTIES: Mapping[str, Callable[[Trajectory], float]] = {
    "contradictions": _contradictions,
    "unknown_terms": _unknown_terms,
}
"""What a reading loses as a whole, from 0 down to -1: statements that cannot all be true, and
named abnormalities that no vocabulary knows."""
