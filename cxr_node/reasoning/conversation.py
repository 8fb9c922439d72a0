"""One study before a transformers model: one cache, one set of positions, one history.

Token ids, key/value cache and rope delta live together in this object and never on the
model: the library keeps its delta on the model object, where the next study would
overwrite it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import DynamicCache

from cxr_node.domain.ports import Ask, Generated, PreparedImage, Reply
from cxr_node.reasoning.chat import Chat
from cxr_node.reasoning.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pixels as the vision tower takes them: patches, and their grid (time, rows, columns)."""

    patches: torch.Tensor
    grid: torch.Tensor
    tokens: tuple[int, ...]
    """Visual tokens of each picture, after merging."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What every study of one model shares; never changed by a study."""

    network: Any
    tokenizer: Tokenizer
    chat: Chat
    stop_ids: frozenset[int]
    picture_id: int

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


class CachedConversation:
    """Implements :class:`cxr_node.domain.ports.Conversation` on a carried cache."""

    def __init__(self, engine: Engine, images: Sequence[PreparedImage], pictures: Pictures) -> None:
        self._engine = engine
        self._cache = DynamicCache()
        self._ids = engine.encode(engine.chat.head(pictures.tokens))
        self._draft: list[int] = []
        self._transcript = Transcript(engine.chat, images)
        self._delta = self._read_pictures(pictures)

    @property
    def context(self) -> str:
        return self._transcript.context

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Every token of the dialogue so far, pictures included."""
        return tuple(self._ids)

    @torch.inference_mode()
    def answer(self, ask: Ask) -> Reply:
        """Score the options of ``ask``, or generate."""
        if ask.options:
            return self._score(ask.prompt, ask.options)
        return self._generate(ask.prompt, ask.max_new_tokens)

    def _score(self, prompt: str, options: Sequence[str]) -> tuple[float, ...]:
        """Log-probability of each option after ``prompt``, all in one forward (exact)."""
        first = torch.log_softmax(self._ask(prompt), -1)
        branches = [self._engine.encode(option) for option in options]
        if _one_starts_another(branches):
            # Only the end tells "mild" from "mild or moderate"; else it would add noise.
            end = self._engine.encode(self._engine.chat.answer_suffix)[:1]
            branches = [branch + end for branch in branches]
        totals = [float(first[branch[0]]) for branch in branches]
        if any(len(branch) > 1 for branch in branches):
            later = self._score_branches(branches)
            totals = [total + more for total, more in zip(totals, later, strict=True)]
        return tuple(totals)

    def _generate(self, prompt: str, max_new_tokens: int) -> Generated:
        """Greedy continuation of the cache."""
        logits = self._ask(prompt)
        for _ in range(max_new_tokens):
            token = int(logits.argmax())
            if token in self._engine.stop_ids:
                return Generated(self._engine.decode(self._draft), truncated=False)
            self._draft.append(token)
            if len(self._draft) < max_new_tokens:
                logits = self._forward([token])
        return Generated(self._engine.decode(self._draft), truncated=True)

    def settle(self, answer: str) -> None:
        """Fix the answer of the open question; keeps what the cache already holds of it."""
        settled = self._engine.encode(self._transcript.settle(answer))
        kept = 0
        while kept < min(len(self._draft), len(settled)) and self._draft[kept] == settled[kept]:
            kept += 1
        self._shorten(len(self._ids) + kept)
        self._ids += settled
        self._draft = []

    def _ask(self, prompt: str) -> torch.Tensor:
        """Read everything up to the start of the answer; the logits of its first token."""
        self._ids += self._engine.encode(self._transcript.ask(prompt))
        return self._forward(self._ids[self._cache.get_seq_length() :])

    def _read_pictures(self, pictures: Pictures) -> int:
        """Encode the pictures once, with the opening; the rope delta they leave behind."""
        network = self._engine.network
        ids = torch.tensor([self._ids], device=network.device)
        kinds = (ids == self._engine.picture_id).int()
        with torch.inference_mode():
            positions, delta = network.model.get_rope_index(
                ids, mm_token_type_ids=kinds, image_grid_thw=pictures.grid
            )
            network(
                input_ids=ids,
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
                pixel_values=pictures.patches,
                image_grid_thw=pictures.grid,
                mm_token_type_ids=kinds,
            )
        return int(delta.item())

    def _positions(self, places: Sequence[int]) -> torch.Tensor:
        row = torch.tensor(places, device=self._engine.network.device) + self._delta
        return row.view(1, 1, -1).expand(3, 1, -1)

    def _forward(self, ids: Sequence[int]) -> torch.Tensor:
        past = self._cache.get_seq_length()
        logits = self._engine.network(
            input_ids=torch.tensor([list(ids)], device=self._engine.network.device),
            position_ids=self._positions(range(past, past + len(ids))),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        last: torch.Tensor = logits[0, -1].float()
        return last

    def _score_branches(self, branches: Sequence[Sequence[int]]) -> list[float]:
        """Log-probability of each branch's tokens after its first, side by side.

        A tree mask lets every token see the shared past and its own branch only.
        """
        past = self._cache.get_seq_length()
        flat = [token for branch in branches for token in branch]
        owner = torch.tensor([k for k, branch in enumerate(branches) for _ in branch])
        places = [past + i for branch in branches for i in range(len(branch))]
        network = self._engine.network
        own = (owner[:, None] == owner[None, :]).tril()
        seen = torch.cat([torch.ones(len(flat), past, dtype=torch.bool), own], 1)
        mask = torch.zeros(seen.shape, dtype=network.dtype)
        mask = mask.masked_fill(~seen, torch.finfo(network.dtype).min)[None, None]
        logits = network(
            input_ids=torch.tensor([flat], device=network.device),
            position_ids=self._positions(places),
            past_key_values=self._cache,
            attention_mask=mask.to(network.device),
            use_cache=True,
        ).logits[0]
        self._shorten(past)
        found = torch.log_softmax(logits.float(), -1)
        totals, at = [], 0
        for branch in branches:
            totals.append(sum(float(found[at + i, t]) for i, t in enumerate(branch[1:])))
            at += len(branch)
        return totals

    def _shorten(self, length: int) -> None:
        surplus = self._cache.get_seq_length() - length
        if surplus > 0:
            self._cache.crop(-surplus)


def _one_starts_another(branches: Sequence[Sequence[int]]) -> bool:
    return any(a is not b and list(b[: len(a)]) == list(a) for a in branches for b in branches)
