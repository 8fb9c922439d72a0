"""Keys and values of several open studies in one store: a seat each, with a length of its own.

Every layer has one pair of tensors of shape (seats, key/value heads, capacity, head size).
A token is written once and never moved, except when the store grows; a study is cropped by
shortening its length. One forward sees the store through :class:`Rows`, which has the methods
that the models of transformers call on their cache. The store masks nothing: what lies behind
a study's length is finite leftovers, which the attention mask of the forward hides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

_LEAST_CAPACITY = 256


class Slots:
    """The store of one model. Not for use from several threads at once."""

    def __init__(self) -> None:
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._lengths: list[int] = []
        self._free: list[int] = []
        self._seats = 0
        self._capacity = _LEAST_CAPACITY

    @property
    def seats(self) -> int:
        """How many studies have a seat now."""
        return len(self._lengths) - len(self._free)

    @property
    def memory_bytes(self) -> int:
        """Memory that the store occupies."""
        return sum(t.numel() * t.element_size() for t in (*self._keys, *self._values))

    @contextmanager
    def seat(self) -> Iterator[int]:
        """An empty seat: the lowest free one, so that taken seats lie side by side."""
        if self._free:
            seat = min(self._free)
            self._free.remove(seat)
            self.shorten(seat, 0, wipe=True)
        else:
            seat = len(self._lengths)
            self._lengths.append(0)
        try:
            yield seat
        finally:
            self._lengths[seat] = 0
            self._free.append(seat)

    def length(self, seat: int) -> int:
        """How many tokens of the study in ``seat`` are held."""
        return self._lengths[seat]

    def advance(self, seat: int, tokens: int) -> None:
        """Keep so many of the tokens that the last forward wrote; the others are dropped."""
        self._lengths[seat] += tokens

    def shorten(self, seat: int, length: int, *, wipe: bool = False) -> None:
        """Drop what lies behind ``length``; ``wipe`` also where it may not be a number."""
        self._lengths[seat] = min(self._lengths[seat], length)
        if wipe and seat < self._seats:
            with torch.inference_mode():
                for store in (*self._keys, *self._values):
                    store[seat, :, self._lengths[seat] :].zero_()

    def rows(self, seats: Sequence[int], width: int) -> Rows:
        """The store as one forward of ``width`` new tokens a study sees it.

        ``seats`` must be ascending. Seats of others between them take part idly (see
        :attr:`Rows.seats`) where that is cheaper than copying keys and values together.
        """
        first, last = seats[0], seats[-1]
        together = last - first + 1 <= 2 * len(seats)
        everyone = list(range(first, last + 1)) if together else list(seats)
        lengths = [self._lengths[seat] for seat in seats]
        self._make_room(len(self._lengths), max(lengths) + width)
        return Rows(self, everyone, list(seats), lengths, width)

    def layer(self, index: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of one layer; made like ``like`` (batch, heads, new, head size)."""
        while len(self._keys) <= index:
            shape = (self._seats, like.shape[1], self._capacity, like.shape[3])
            self._keys.append(like.new_zeros(shape))
            self._values.append(like.new_zeros(shape))
        return self._keys[index], self._values[index]

    def _make_room(self, seats: int, capacity: int) -> None:
        if seats <= self._seats and capacity <= self._capacity:
            return
        while self._capacity < capacity:
            self._capacity *= 2
        if self._seats < seats:
            # By a quarter: a study that steps in on a full batch must not double the store.
            self._seats = max(seats, self._seats * 5 // 4)
        for stores in (self._keys, self._values):
            for index, old in enumerate(stores):
                made = old.new_zeros((self._seats, old.shape[1], self._capacity, old.shape[3]))
                made[: old.shape[0], :, : old.shape[2]] = old
                stores[index] = made


class Rows:
    """The store in one forward; given to a model as ``past_key_values``."""

    def __init__(
        self, slots: Slots, seats: list[int], active: list[int], lengths: list[int], width: int
    ) -> None:
        self.seats = seats
        """The seat of each row of the forward; not all of them need be active."""
        self.places = [seats.index(seat) for seat in active]
        """The row of each active study, in the order in which their seats were given."""
        self.lengths = lengths
        """Tokens held of each active study before this forward."""
        self.width = width
        self.depth = max(lengths) + width
        """Keys that every query is offered; the mask has this many columns."""
        self._slots = slots
        self._active = active
        self._idle = len(seats) > len(active)
        self._even = len(set(lengths)) == 1 and not self._idle
        self._adjacent = seats[-1] - seats[0] + 1 == len(seats)
        self._index: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def even(self) -> bool:
        """Whether all rows hold equally many tokens, so that a single new one needs no mask."""
        return self._even

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write what is new behind each row's own length; all that the rows hold afterwards.

        New ones have shape (rows, heads, width, head size), those returned ``depth`` tokens.
        """
        keys, values = self._slots.layer(layer_idx, key_states)
        self._write(keys, key_states)
        self._write(values, value_states)
        return self._read(keys), self._read(values)

    def _write(self, store: torch.Tensor, new: torch.Tensor) -> None:
        if self._even and self._adjacent:
            first, past = self.seats[0], self.lengths[0]
            store[first : first + len(self.seats), :, past : self.depth] = new
            return
        seats, columns = self._places_of(store)
        chosen = new[self.places] if self._idle else new
        store[seats, :, columns] = chosen.transpose(1, 2)

    def _places_of(self, store: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Seat (studies, 1) and column (studies, width) of every new token."""
        if self._index is None:
            seats = torch.tensor(self._active, device=store.device).unsqueeze(1)
            past = torch.tensor(self.lengths, device=store.device).unsqueeze(1)
            self._index = seats, past + torch.arange(self.width, device=store.device)
        return self._index

    def _read(self, store: torch.Tensor) -> torch.Tensor:
        if self._adjacent:
            first = self.seats[0]
            return store[first : first + len(self.seats), :, : self.depth]
        seats = torch.tensor(self.seats, device=store.device)
        return store[:, :, : self.depth].index_select(0, seats)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens before this forward, in the longest row."""
        return self.depth - self.width

    def get_query_offset(self, layer_idx: int = 0) -> int:
        """Where the new tokens begin, in the longest row."""
        return self.depth - self.width

    def get_mask_sizes(self, query: Any, layer_idx: int = 0) -> tuple[int, int]:
        """Columns of a mask and the first of them, for a forward that is given none."""
        return self.depth, 0
