"""One pass of the network over new tokens of several studies, on what the store holds of each.

Rows are padded on the right to the longest. That is harmless because every query's mask is
explicit: its own study's past, its own stem, its own branch. Positions are always given: the
library keeps the offset that pictures leave behind on the model object, where the next study
would overwrite it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import torch
from tokenizers import Tokenizer

from cxr_node.reasoning.chat import Chat
from cxr_node.reasoning.last_layer import LastLayer
from cxr_node.reasoning.slots import Rows, Slots

_SPELT = 4096


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pixels as the vision tower takes them: patches, and their grid (time, rows, columns)."""

    patches: torch.Tensor
    grid: torch.Tensor
    tokens: tuple[int, ...]
    """Visual tokens of each picture, after merging."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The pictures of a study with the text around them, before the first question."""

    pictures: Pictures
    positions: torch.Tensor
    """Of every token, (3, tokens): time, row and column."""
    delta: int
    """Position of a token behind the pictures less its index."""


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
    last: LastLayer
    spelt: dict[str, tuple[int, ...]]
    """Tokens of texts that came before: the same questions are asked of every study."""

    def encode(self, text: str) -> list[int]:
        known = self.spelt.get(text)
        if known is None:
            if len(self.spelt) >= _SPELT:
                self.spelt.clear()
            known = tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)
            self.spelt[text] = known
        return list(known)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def spell(self, ids: Sequence[int]) -> str:
        """Text with every space, and with the names of special tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def opening(self, ids: Sequence[int], pictures: Pictures) -> Opening:
        """How a study of these pictures begins, ``ids`` being the text with their places."""
        tokens = torch.tensor([list(ids)])
        positions, delta = self.network.model.get_rope_index(
            tokens,
            mm_token_type_ids=(tokens == self.picture_id).int(),
            image_grid_thw=pictures.grid.cpu(),
        )
        return Opening(pictures, positions[:, 0], int(delta.item()))


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
    opening: Opening | None = None
    """What the stem begins with when nothing of the study is held yet."""

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

    def behind(self, tokens: int) -> Piece:
        """The piece without so many tokens at its beginning, the pictures among them."""
        return replace(
            self,
            stem=self.stem[tokens:],
            heads=[head - tokens for head in self.heads],
            branches=[Branch(branch.parent - tokens, branch.ids) for branch in self.branches],
            opening=None,
        )

    def positions(self, past: int) -> torch.Tensor:
        """Of every new token, (3, tokens): time, row and column, the same three for text."""
        text = torch.tensor([past + self.delta + i for i in self.offsets])
        if self.opening is None:
            return text.expand(3, -1)
        seen = self.opening.positions
        return torch.cat([seen, text[seen.shape[1] :].expand(3, -1)], 1)


@torch.inference_mode()
def forward(engine: Engine, pieces: Sequence[Piece]) -> torch.Tensor:
    """Logits (tokens, vocabulary) in 32-bit: of each piece what it wants, in its order.

    The pieces follow each other in the order given, which must be that of their seats.
    """
    pieces = [_begun(engine, piece, alone=len(pieces) == 1) for piece in pieces]
    texts = [piece.ids for piece in pieces]
    width = max(map(len, texts))
    rows = engine.slots.rows([piece.seat for piece in pieces], width)
    device = engine.network.device
    ids = torch.zeros(len(rows.seats), width, dtype=torch.long)
    positions = torch.zeros(3, *ids.shape, dtype=torch.long)
    for place, past, piece, text in zip(rows.places, rows.lengths, pieces, texts, strict=True):
        ids[place, : len(text)] = torch.tensor(text)
        positions[:, place, : len(text)] = piece.positions(past)
    wanted = [
        (place, column)
        for place, piece in zip(rows.places, pieces, strict=True)
        for column in piece.wanted
    ]
    at = torch.tensor(wanted, dtype=torch.long, device=device).view(-1, 2)
    with engine.last.only(at[:, 0], at[:, 1], everything=at.shape[0] == ids.numel()):
        states = engine.network.model(
            input_ids=ids.to(device),
            position_ids=positions.to(device),
            attention_mask=_mask(rows, pieces, device),
            past_key_values=rows,
            use_cache=True,
            **_shown(engine, ids, pieces),
        )[0]
    for piece in pieces:
        engine.slots.advance(piece.seat, len(piece.stem))
    logits: torch.Tensor = engine.network.lm_head(states[at[:, 0], at[:, 1]]).float()
    return logits


def _begun(engine: Engine, piece: Piece, *, alone: bool) -> Piece:
    """What is left of a piece once its pictures are read, if they must be by themselves.

    Without company and branches they are read along with the first question: one pass less,
    and still one in which every token sees all before it.
    """
    if piece.opening is None:
        if not engine.slots.length(piece.seat):
            raise ValueError("a study begins with its pictures")
        return piece
    if alone and not piece.branches:
        return piece
    length = piece.opening.positions.shape[1]
    forward(engine, [replace(piece, stem=piece.stem[:length], heads=(), branches=())])
    return piece.behind(length)


def _shown(engine: Engine, ids: torch.Tensor, pieces: Sequence[Piece]) -> dict[str, Any]:
    """The pictures of studies that begin with this pass, in the order of their rows."""
    shown = [piece.opening.pictures for piece in pieces if piece.opening is not None]
    if not shown:
        return {}
    return {
        "pixel_values": torch.cat([pictures.patches for pictures in shown]),
        "image_grid_thw": torch.cat([pictures.grid for pictures in shown]),
        "mm_token_type_ids": (ids == engine.picture_id).int().to(engine.network.device),
    }


def _blank(rows: Rows) -> list[list[int]]:
    return [[0] * rows.width for _ in rows.seats]


def _mask(rows: Rows, pieces: Sequence[Piece], device: torch.device) -> torch.Tensor | None:
    """What each query may see, (rows, 1, width, depth); None where it is all there is."""
    if rows.even and (rows.width == 1 or _is_causal(rows, pieces)):
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


def _is_causal(rows: Rows, pieces: Sequence[Piece]) -> bool:
    """Whether every token sees all before it, which the library does best without a mask."""
    return rows.depth == rows.width and all(
        not piece.branches and len(piece.stem) == rows.width for piece in pieces
    )


def _branch_columns(rows: Rows, pieces: Sequence[Piece]) -> tuple[list[list[int]], list[list[int]]]:
    """For each query of a branch: where its part of the stem ends, and where its branch begins."""
    stems, starts = _blank(rows), _blank(rows)
    for place, past, piece in zip(rows.places, rows.lengths, pieces, strict=True):
        own = slice(len(piece.stem), len(piece.ids))
        starts[place][own] = [past + start for start in piece.starts]
        stems[place][own] = [past + parent + 1 for parent in piece.parents]
    return stems, starts
