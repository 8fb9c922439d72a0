"""A folder that a site downloaded: may it become a model of this node, and what of it is needed.

Nothing in it is run or unpickled. What could run a program is refused by name, with what
to do about it; what is merely not needed is left out and listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_node.domain.errors import ModelRefused
from cxr_node.reasoning.profiles import MANIFEST, Architecture, names_remote_code
from cxr_node.reasoning.weight_files import weight_files

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"

_REQUIRED = (CONFIG, TOKENIZER, "preprocessor_config.json")
_WELCOME = (
    "README.md",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "video_preprocessor_config.json",
    "vocab.json",
)
_LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "NOTICE", "NOTICE.txt")
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
_PROGRAMS = frozenset({".py", ".pyc", ".so", ".dll", ".dylib"})
_LONGEST_LICENCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that passed. ``files`` maps the name here to the name in the node's folder."""

    folder: Path
    architecture: Architecture
    config: dict[str, Any]
    files: dict[str, str]
    left_out: tuple[str, ...]
    size: int
    """Bytes of ``files``."""

    @property
    def licences(self) -> tuple[str, ...]:
        """The licence texts that came with the weights."""
        return tuple(n for n in self.files if n in _LICENCES)


def inspect(folder: Path) -> Source:
    """Look at every file of ``folder``. Raises :class:`ModelRefused` naming file and cure."""
    if not folder.is_dir():
        raise ModelRefused(f"{folder}: is not a folder")
    try:
        return _inspected(folder)
    except OSError as error:
        raise ModelRefused(f"{error.filename}: cannot be read: {error.strerror}") from error


def _inspected(folder: Path) -> Source:
    present = list(_walk(folder, folder))
    if MANIFEST in present:
        raise ModelRefused(
            f"{folder / MANIFEST}: this already is a model folder of a node; name it in "
            f"model.path, or remove {MANIFEST} to add it as a new model"
        )
    _refuse_programs(folder, present)
    for name in present:
        if name.endswith(".json"):
            _refuse_remote_code(folder / name)
    config, *_ = [read_json(_required(folder, name)) for name in _REQUIRED]
    architecture = _architecture(folder / CONFIG, config)
    weights = weight_files(folder)
    known = {*_REQUIRED, *_WELCOME, *_LICENCES, *weights}
    files = {name: _named(name) for name in present if name in known}
    return Source(
        folder=folder,
        architecture=architecture,
        config=config,
        files=files,
        left_out=tuple(sorted({*present} - files.keys())),
        size=sum((folder / name).stat().st_size for name in files),
    )


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises :class:`ModelRefused`."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelRefused(f"{path}: is not JSON; download it again") from error
    if not isinstance(found, dict):
        raise ModelRefused(f"{path}: is not a JSON object; download it again")
    return found


def _walk(folder: Path, base: Path) -> Iterator[str]:
    """Names below ``base``; hidden folders are listed, not entered. Links are refused."""
    for path in sorted(folder.iterdir()):
        name = path.relative_to(base).as_posix()
        if path.is_symlink():
            raise ModelRefused(
                f"{path}: is a link; copy the folder with its contents first (cp -rL)"
            )
        if path.is_dir() and not path.name.startswith("."):
            yield from _walk(path, base)
        else:
            yield name + ("/" if path.is_dir() else "")


def _refuse_programs(folder: Path, present: list[str]) -> None:
    pickles = [name for name in present if Path(name).suffix.lower() in _PICKLES]
    if pickles:
        raise ModelRefused(
            f"{folder / pickles[0]}: a pickled file can run programs when it is loaded; "
            f"remove {', '.join(pickles)} and keep the safetensors"
        )
    programs = [name for name in present if Path(name).suffix.lower() in _PROGRAMS]
    if programs:
        raise ModelRefused(
            f"{folder / programs[0]}: a model folder may not bring programs; "
            f"remove {', '.join(programs)}: they are not needed"
        )


def _refuse_remote_code(path: Path) -> None:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelRefused(f"{path}: is not JSON; download it again") from error
    if names_remote_code(content):
        raise ModelRefused(
            f"{path}: names code outside the node (auto_map or an attention kernel); "
            "use the model's own architecture without it"
        )


def _required(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise ModelRefused(f"{folder / name}: is missing; download the whole folder")
    return folder / name


def _architecture(path: Path, config: dict[str, Any]) -> Architecture:
    if "quantization_config" in config:
        raise ModelRefused(f"{path}: quantised weights are not loaded; use the unquantised ones")
    kind = config.get("model_type")
    try:
        return Architecture(str(kind))
    except ValueError as error:
        known = ", ".join(Architecture)
        raise ModelRefused(f"{path}: model_type is {kind!r}; this node loads {known}") from error


def _named(name: str) -> str:
    """Licence texts without an ending get one: a model folder holds text files by name."""
    return name if "." in name else f"{name}.txt"
