"""Safetensors files looked at without loading them: is everything there, and nothing cut.

A header tells name, type, shape and place of every tensor, so a download that broke off is
found before gigabytes are copied.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_node.domain.errors import ModelRefused

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")
_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
_LONGEST_HEADER = 100_000_000
_AGAIN = "download it again"


@dataclass(frozen=True, slots=True)
class _Tensors:
    names: frozenset[str]
    end: int
    """Where the last tensor ends, in bytes from the start of the file."""


def weight_files(folder: Path) -> tuple[str, ...]:
    """Names of the weight files and their index, all of them checked.

    Raises :class:`ModelRefused` for missing, cut or quantised ones.
    """
    single, index = folder / SINGLE, folder / INDEX
    if single.is_file() and index.is_file():
        raise ModelRefused(f"{single}: lies beside {INDEX}; remove the one that is not meant")
    if single.is_file():
        _check(single, frozenset())
        return (SINGLE,)
    if not index.is_file():
        raise ModelRefused(
            f"{folder}: holds neither {SINGLE} nor {INDEX}; "
            "only safetensors weights are loaded: download those of this model"
        )
    wanted = _wanted(index)
    for name, tensors in wanted.items():
        _check(folder / name, tensors)
    return (INDEX, *sorted(wanted))


def _wanted(index: Path) -> dict[str, frozenset[str]]:
    """Shard to the tensors that the index says it holds."""
    mapping = _object(index, index.read_bytes()).get("weight_map")
    if not isinstance(mapping, dict) or not mapping:
        raise ModelRefused(f"{index}: has no weight_map; {_AGAIN}")
    shards: dict[str, set[str]] = {}
    for tensor, shard in mapping.items():
        if not isinstance(shard, str) or not _SHARD.fullmatch(shard):
            raise ModelRefused(f"{index}: {shard!r} is not the name of a shard; {_AGAIN}")
        shards.setdefault(shard, set()).add(tensor)
    return {shard: frozenset(tensors) for shard, tensors in shards.items()}


def _check(path: Path, wanted: frozenset[str]) -> None:
    if not path.is_file():
        raise ModelRefused(f"{path}: named by {INDEX} but missing; {_AGAIN}")
    found = _tensors(path)
    size = path.stat().st_size
    if found.end != size:
        raise ModelRefused(f"{path}: is {size} bytes long, its header says {found.end}; {_AGAIN}")
    if missing := sorted(wanted - found.names):
        raise ModelRefused(f"{path}: {missing[0]} should be in it by {INDEX}; {_AGAIN}")


def _tensors(path: Path) -> _Tensors:
    with path.open("rb") as stream:
        start = stream.read(8)
        if start == b"version ":
            raise ModelRefused(f"{path}: is a Git LFS pointer, not the weights; run git lfs pull")
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= _LONGEST_HEADER:
            raise ModelRefused(f"{path}: is not a safetensors file; {_AGAIN}")
        header = stream.read(length)
    if len(header) < length:
        raise ModelRefused(f"{path}: ends within its header; {_AGAIN}")
    described = _object(path, header)
    described.pop("__metadata__", None)
    ends = [_end(path, name, tensor) for name, tensor in described.items()]
    return _Tensors(frozenset(described), 8 + length + max(ends, default=0))


def _end(path: Path, name: str, tensor: Any) -> int:
    try:
        kind, shape = tensor["dtype"], [int(side) for side in tensor["shape"]]
        begin, end = (int(place) for place in tensor["data_offsets"])
    except (TypeError, KeyError, ValueError) as error:
        raise ModelRefused(f"{path}: {name} is not described; {_AGAIN}") from error
    if kind not in _BYTES:
        raise ModelRefused(
            f"{path}: {name} is stored as {kind}; quantised weights are not loaded: "
            "use the unquantised ones (BF16, F16 or F32)"
        )
    if end - begin != math.prod(shape) * _BYTES[kind] or begin < 0:
        raise ModelRefused(f"{path}: {name} has other bytes than its shape {shape} needs; {_AGAIN}")
    return end


def _object(path: Path, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise ModelRefused(f"{path}: does not hold JSON where it must; {_AGAIN}") from error
    if not isinstance(found, dict):
        raise ModelRefused(f"{path}: does not hold a JSON object where it must; {_AGAIN}")
    return found
