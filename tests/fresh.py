"""The same model without a cache: every question reads the whole history from the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cxr_node.domain.ports import Ask, Generated, PreparedImage, Reply

if TYPE_CHECKING:
    import torch

    from cxr_node.reasoning.transformers_model import TransformersModel


class Fresh:
    """One study, asked by forwards of the library over all tokens; slow and plain."""

    def __init__(self, model: TransformersModel, images: Sequence[PreparedImage]) -> None:
        self._engine = model.engine
        self._pictures = model.look(images)
        self.ids = self._engine.encode(self._engine.chat.head(self._pictures.tokens))
        self._turns = 0
        self._lead: list[int] = []

    def answer(self, ask: Ask) -> Reply:
        """The reply that a cached study must give."""
        if ask.prompt:
            question = self._engine.chat.question(ask.prompt, first=self._turns == 0)
            self.ids += self._engine.encode(question)
            self._turns += 1
        self._lead = self._engine.encode(ask.lead)
        if not ask.options:
            return self._write(ask)
        ended = any(
            a != b and b.startswith(a) and self._begins(a, b)
            for a in ask.options
            for b in ask.options
        )
        return tuple(self._score(option, ended=ended) for option in ask.options)

    def settle(self, answer: str) -> None:
        self.ids += self._engine.encode(self._engine.chat.answer(answer))

    def _begins(self, a: str, b: str) -> bool:
        first = self._engine.encode(a)
        return self._engine.encode(b)[: len(first)] == first

    def _score(self, option: str, *, ended: bool) -> float:
        end = self._engine.encode(self._engine.chat.answer_suffix)[:1] if ended else []
        branch = self._engine.encode(option) + end
        found = self._log_probabilities([*self._lead, *branch])
        start = len(self.ids) + len(self._lead) - 1
        return sum(float(found[start + i, token]) for i, token in enumerate(branch))

    def _write(self, ask: Ask) -> Generated:
        answer: list[int] = []
        while len(answer) < ask.max_new_tokens:
            token = int(self._log_probabilities([*self._lead, *answer])[-1].argmax())
            if token in self._engine.stop_ids:
                return Generated(self._engine.decode(answer), truncated=False)
            answer.append(token)
            said = self._engine.spell(answer)
            ends = [said.index(stop) for stop in ask.stop if stop in said]
            if ends:
                return Generated(said[: min(ends)].strip(), truncated=False)
        return Generated(self._engine.decode(answer), truncated=True)

    def _log_probabilities(self, more: list[int]) -> torch.Tensor:
        import torch  # only where it is used

        network = self._engine.network
        network.model.rope_deltas = None
        tokens = torch.tensor([self.ids + more])
        with torch.inference_mode():
            found: torch.Tensor = network(
                input_ids=tokens,
                attention_mask=torch.ones_like(tokens),
                mm_token_type_ids=(tokens == self._engine.picture_id).int(),
                pixel_values=self._pictures.patches,
                image_grid_thw=self._pictures.grid,
                use_cache=False,
            ).logits[0]
        return torch.log_softmax(found, -1)
