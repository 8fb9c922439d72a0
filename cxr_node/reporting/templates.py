"""Reads ``sr_templates``, with a site's overrides, and refuses what is not whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cxr_node.domain.errors import ConfigurationError
from cxr_node.reporting.codes import Codes
from cxr_node.reporting.priority_rules import PriorityPolicy
from cxr_node.reporting.wording import Wording

CODES = "codes.yaml"
WORDING = "wording.en.yaml"
PRIORITY = "priority/default.yaml"
FILES = (CODES, WORDING, PRIORITY)

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Templates:
    """Everything a result is worded and coded with, and the version of exactly these files."""

    codes: Codes
    wording: Wording
    priority: PriorityPolicy
    version: str
    """Digest of all files: it changes whenever any of them does."""
    policy_version: str
    """Declared version of the priority rules and the digest of that file, at most 32 long."""


def load_templates(override: Path | None = None) -> Templates:
    """The shipped templates; files of the same name in ``override`` take their place.

    Raises :class:`ConfigurationError` naming the file and the reason.
    """
    contents = {name: _shipped(name) for name in FILES}
    sources = {name: f"sr_templates/{name}" for name in FILES}
    for name, path in _overrides(override).items():
        contents[name], sources[name] = _read(path), str(path)
    policy = _parse(PriorityPolicy, contents[PRIORITY], sources[PRIORITY])
    return Templates(
        codes=_parse(Codes, contents[CODES], sources[CODES]),
        wording=_parse(Wording, contents[WORDING], sources[WORDING]),
        priority=policy,
        version=_digest(*(contents[name] for name in FILES))[:16],
        policy_version=f"{policy.version}+{_digest(contents[PRIORITY])[:12]}",
    )


def _shipped(name: str) -> bytes:
    return resources.files("sr_templates").joinpath(*name.split("/")).read_bytes()


def _overrides(folder: Path | None) -> dict[str, Path]:
    if folder is None:
        return {}
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: the folder of template overrides does not exist")
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.yaml")}
    for name, path in sorted(found.items()):
        if name not in FILES:
            raise ConfigurationError(f"{path}: overrides nothing; known are {', '.join(FILES)}")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error


def _parse(model: type[Model], content: bytes, source: str) -> Model:
    try:
        return model.model_validate(yaml.safe_load(content))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{source}: not valid YAML: {reason}") from error
    except ValidationError as error:
        raise ConfigurationError(_explain(error, source)) from error


def _explain(error: ValidationError, source: str) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in problem["loc"]) or "file"
        lines.append(f"{source}: {key}: {problem['msg']}")
    return "\n".join(lines)


def _digest(*contents: bytes) -> str:
    whole = hashlib.sha256()
    for content in contents:
        whole.update(hashlib.sha256(content).digest())
    return whole.hexdigest()
