"""Phantoms as dialogue records, drawn here; their pictures are not kept."""

from __future__ import annotations

from collections.abc import Iterator

from cxr_node.phantom.batched.answers import paired_record, record
from cxr_node.phantom.batched.case import make_case
from cxr_node.phantom.batched.make import pairs, radiographs
from cxr_node.phantom.batched.pairs import make_pair
from cxr_node.training.phantom_folder import film_records
from cxr_node.training.records import Record

_FOURTH = 4
"""Every fourth case has an earlier study, which is a record of its own before it."""


def phantom_records(first_seed: int, count: int) -> Iterator[Record]:
    """Dialogues over ``count`` cases of consecutive seeds at 224 pixels, in the order of seeds."""
    for seed in range(first_seed, first_seed + count):
        name = f"phantom-{seed:08d}"
        if seed % _FOURTH:
            (film,) = radiographs([make_case(seed)])
            yield from film_records(record(film) | {"image": name})
        else:
            (films,) = pairs([make_pair(seed)])
            told = paired_record(films) | {"image": name}
            told["prior"] |= {"image": f"{name}-prior"}
            yield from film_records(told)
