"""One template file: its content, and the line on which everything in it stands.

A site's file holds only what differs from the shipped one, so a mistake must be found in
the file that made it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from cxr_node.domain.errors import ConfigurationError

Path = tuple[str, ...]
"""Keys and positions from the top of a file, as text."""


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file with the line of each entry, counted from 1."""

    name: str
    content: Any
    lines: dict[Path, int] = field(default_factory=dict)


def read_source(content: bytes, name: str) -> Source:
    """Parse YAML; refuses objects, and a key given twice.

    Raises :class:`ConfigurationError` with file, line and reason.
    """
    try:
        loader = yaml.SafeLoader(content)
        root = loader.get_single_node()
        parsed = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ConfigurationError(f"{name}:{line}: not valid YAML: {reason}") from error
    source = Source(name, parsed)
    if root is not None:
        _note_lines(root, (), source)
    return source


def merged(base: Any, over: Any) -> Any:
    """``base`` with what ``over`` says otherwise: tables key by key, lists of tables that
    have an ``id`` by it (unknown ones are added at the end), anything else whole."""
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: merged(base.get(key), value) for key, value in over.items()}
    if _named(base) and _named(over):
        tables = {item["id"]: item for item in base}
        for item in over:
            tables[item["id"]] = merged(tables.get(item["id"]), item)
        return list(tables.values())
    return over


def located(location: tuple[int | str, ...], content: Any) -> Path:
    """A place in parsed content, with positions in such lists turned into ids."""
    path: list[str] = []
    for part in location:
        name = part
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            content = None
        if isinstance(part, int) and isinstance(content, dict):
            name = content.get("id", part)
        path.append(str(name))
    return tuple(path)


def place(path: Path, inner: Path, sources: list[Source]) -> str:
    """File and line of an entry, or of the nearest thing around it.

    The complaint came up at ``path`` and is about ``inner`` below it. Of two files that
    know the entry equally well the first is named: the site's own.
    """
    best = max(sources, key=lambda source: len(_known(path or inner, source)))
    return f"{best.name}:{best.lines.get(_known((*path, *inner), best), 1)}"


def digest(*contents: Any) -> str:
    """SHA-256 of parsed contents; comments and the order of keys do not matter."""
    text = json.dumps(contents, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _named(content: Any) -> bool:
    """Whether this is a list of tables that each have an id."""
    return isinstance(content, list) and all(
        isinstance(item, dict) and isinstance(item.get("id"), str) for item in content
    )


def _known(path: Path, source: Source) -> Path:
    while path and path not in source.lines:
        path = path[:-1]
    return path


def _note_lines(node: yaml.Node, path: Path, source: Source) -> None:
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            below = (*path, _id_of(item) or str(number))
            _note_line(item, below, source)
            _note_lines(item, below, source)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            _note_line(key, below, source)
            _note_lines(value, below, source)


def _note_line(node: yaml.Node, path: Path, source: Source) -> None:
    line = node.start_mark.line + 1
    if path in source.lines:
        raise ConfigurationError(f"{source.name}:{line}: {'.'.join(path)}: given twice")
    source.lines[path] = line


def _id_of(node: yaml.Node) -> str:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((str(value.value) for key, value in pairs if key.value == "id"), "")
