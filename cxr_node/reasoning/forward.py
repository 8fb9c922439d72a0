"""One pass of the network over new tokens of several studies, on what the store holds of each.

Rows are padded on the right to the longest. That is harmless because every query's mask is
explicit: its own study's past, its own stem, its own branch. Positions are always given: the
library keeps the offset that pictures leave behind on the model object, where the next study
would overwrite it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from tokenizers import Tokenizer

from cxr_node.reasoning.chat import Chat
from cxr_node.reasoning.slots import Rows, Slots


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pixels as the vision tower takes them: patches, and their grid (time, rows, columns)."""

    patches: torch.Tensor
    grid: torch.Tensor
    tokens: tuple[int, ...]
    """Visual tokens of each picture, after merging."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What the studies of one model share; of a study it holds keys and values alone."""

    network: Any
    tokenizer: Tokenizer
    chat: Chat
    stop_ids: frozenset[int]
    picture_id: int
    positions: int
    """Tokens that a dialogue may have, pictures included."""
    slots: Slots

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def spell(self, ids: Sequence[int]) -> str:
        """Text with every space, and with the names of special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))


@dataclass(frozen=True, slots=True)
class Branch:
    """Tokens that follow the stem up to ``parent``, the index of a token in it."""

    parent: int
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Piece:
    """New tokens of one study: a stem that continues it, and branches side by side behind it.

    The stem stays in the store, the branches do not. A branch sees the stem up to its parent,
    and itself.
    """

    seat: int
    delta: int
    """Rope delta: position of a token less its index, behind the study's pictures."""
    stem: Sequence[int]
    heads: Sequence[int]
    """Tokens of the stem whose logits are wanted; those of branches always are."""
    branches: Sequence[Branch] = ()

    @property
    def ids(self) -> list[int]:
        return [*self.stem, *(token for branch in self.branches for token in branch.ids)]

    @property
    def offsets(self) -> list[int]:
        """Index of every new token in its own line of text, behind what is held."""
        own = (b.parent + 1 + i for b in self.branches for i in range(len(b.ids)))
        return [*range(len(self.stem)), *own]

    @property
    def parents(self) -> list[int]:
        """For every token of a branch, the last token of the stem that it sees."""
        return [branch.parent for branch in self.branches for _ in branch.ids]

    @property
    def starts(self) -> list[int]:
        """For every token of a branch, the column (behind what is held) where its branch begins."""
        begins = accumulate((len(branch.ids) for branch in self.branches), initial=len(self.stem))
        return [start for start, b in zip(begins, self.branches, strict=False) for _ in b.ids]

    @property
    def wanted(self) -> list[int]:
        """Columns whose logits are wanted, heads before branches."""
        return [*self.heads, *range(len(self.stem), len(self.ids))]


@torch.inference_mode()
def forward(engine: Engine, pieces: Sequence[Piece]) -> torch.Tensor:
    """Logits (tokens, vocabulary) in 32-bit: of each piece what it wants, in its order.

    The pieces follow each other in the order given, which must be that of their seats.
    """
    texts = [piece.ids for piece in pieces]
    width = max(map(len, texts))
    rows = engine.slots.rows([piece.seat for piece in pieces], width)
    device = engine.network.device
    ids, positions = _blank(rows), _blank(rows)
    for place, past, piece, text in zip(rows.places, rows.lengths, pieces, texts, strict=True):
        ids[place][: len(text)] = text
        positions[place][: len(text)] = [past + piece.delta + i for i in piece.offsets]
    states = engine.network.model(
        input_ids=torch.tensor(ids, device=device),
        position_ids=torch.tensor(positions, device=device).expand(3, -1, -1),
        attention_mask=_mask(rows, pieces, device),
        past_key_values=rows,
        use_cache=True,
    )[0]
    for piece in pieces:
        engine.slots.advance(piece.seat, len(piece.stem))
    wanted = [
        (place, column)
        for place, piece in zip(rows.places, pieces, strict=True)
        for column in piece.wanted
    ]
    at = torch.tensor(wanted, device=device)
    logits: torch.Tensor = engine.network.lm_head(states[at[:, 0], at[:, 1]]).float()
    return logits


@torch.inference_mode()
def read_pictures(engine: Engine, seat: int, ids: Sequence[int], pictures: Pictures) -> int:
    """Encode the pictures, once, with the text around them; the rope delta they leave behind."""
    network = engine.network
    tokens = torch.tensor([list(ids)], device=network.device)
    kinds = (tokens == engine.picture_id).int()
    positions, delta = network.model.get_rope_index(
        tokens, mm_token_type_ids=kinds, image_grid_thw=pictures.grid
    )
    network.model(
        input_ids=tokens,
        position_ids=positions,
        past_key_values=engine.slots.rows([seat], len(ids)),
        use_cache=True,
        pixel_values=pictures.patches,
        image_grid_thw=pictures.grid,
        mm_token_type_ids=kinds,
    )
    engine.slots.advance(seat, len(ids))
    return int(delta.item())


def _blank(rows: Rows) -> list[list[int]]:
    return [[0] * rows.width for _ in rows.seats]


def _mask(rows: Rows, pieces: Sequence[Piece], device: torch.device) -> torch.Tensor | None:
    """What each query may see, (rows, 1, width, depth); None where it is all there is."""
    if rows.even and rows.width == 1:
        return None
    past = [0] * len(rows.seats)
    for place, length in zip(rows.places, rows.lengths, strict=True):
        past[place] = length
    columns = torch.arange(rows.depth, device=device)
    held = torch.tensor(past, device=device).view(-1, 1, 1)
    seen = columns <= held + torch.arange(rows.width, device=device).view(1, -1, 1)
    if any(piece.branches for piece in pieces):
        stems, starts = _branch_columns(rows, pieces)
        own = columns >= torch.tensor(starts, device=device).unsqueeze(2)
        seen &= own | (columns < torch.tensor(stems, device=device).unsqueeze(2))
    return seen.unsqueeze(1)


def _branch_columns(rows: Rows, pieces: Sequence[Piece]) -> tuple[list[list[int]], list[list[int]]]:
    """For each query of a branch: where its part of the stem ends, and where its branch begins."""
    stems, starts = _blank(rows), _blank(rows)
    for place, past, piece in zip(rows.places, rows.lengths, pieces, strict=True):
        own = slice(len(piece.stem), len(piece.ids))
        starts[place][own] = [past + start for start in piece.starts]
        stems[place][own] = [past + parent + 1 for parent in piece.parents]
    return stems, starts
