"""Reads ``sr_templates``, with a site's overrides, and refuses what is not whole."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cxr_node.domain.errors import ConfigurationError
from cxr_node.reporting.codes import Codes
from cxr_node.reporting.list_rules import CriticalPolicy, OrderPolicy
from cxr_node.reporting.priority_rules import PriorityPolicy
from cxr_node.reporting.template_source import Source, digest, located, merged, place, read_source
from cxr_node.reporting.wording import Wording

CODES = "codes.yaml"
PRIORITY = "priority/default.yaml"
ORDER = "priority/order.yaml"
CRITICAL = "priority/critical.yaml"
_FIXED = (CODES, PRIORITY, ORDER, CRITICAL)
MESSAGES = "messages/"
"""Where the mappings of messages stand; a site may have more of them than are shipped."""
_WORDING = re.compile(r"wording\.([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)\.yaml")
_PLACE = re.compile(r"Value error, ([a-z_]+(?:\.[a-z0-9_]+)*): ")

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Templates:
    """Everything a result is worded and coded with, and the version of exactly these files."""

    codes: Codes
    wording: Wording
    priority: PriorityPolicy
    order: OrderPolicy
    critical: CriticalPolicy
    version: str
    """Digest of codes, words and rules: it changes whenever what one of them says does."""
    policy_version: str
    """Declared version of the priority rules and the digest of that file, at most 32 long."""


def wording_file(language: str) -> str:
    """Name of the file with the words of a language (RFC 5646 tag)."""
    return f"wording.{language}.yaml"


def load_templates(override: Path | None = None, language: str = "en") -> Templates:
    """The shipped templates, with what a site's files of the same names say otherwise.

    Raises :class:`ConfigurationError` naming file, line and reason.
    """
    site = _overrides(override)
    words = wording_file(language)
    loaded = {name: _sources(name, site) for name in (CODES, words, PRIORITY, ORDER, CRITICAL)}
    contents = {name: _together(found) for name, found in loaded.items()}
    policy = _parse(PriorityPolicy, contents[PRIORITY], loaded[PRIORITY])
    wording = _parse(Wording, contents[words], loaded[words])
    said = [contents[name] for name in (CODES, words, PRIORITY)]
    if wording.language.value.lower() != language.lower():
        where = place(("language", "value"), (), loaded[words])
        raise ConfigurationError(f"{where}: language.value: the file is named for {language}")
    return Templates(
        codes=_parse(Codes, contents[CODES], loaded[CODES]),
        wording=wording,
        priority=policy,
        order=_parse(OrderPolicy, contents[ORDER], loaded[ORDER]),
        critical=_parse(CriticalPolicy, contents[CRITICAL], loaded[CRITICAL]),
        version=digest(*said)[:16],
        policy_version=_policy_version(policy, contents[PRIORITY]),
    )


def load_file(name: str, model: type[Model], override: Path | None = None) -> Model:
    """One further file, such as ``messages/oru.yaml``, with what the site's says otherwise.

    Raises :class:`ConfigurationError` naming file, line and reason.
    """
    sources = _sources(name, _overrides(override))
    return _parse(model, _together(sources), sources)


def with_priority_rules(templates: Templates, file: Path) -> Templates:
    """The same templates with ``file`` as the site's priority rules.

    Raises :class:`ConfigurationError` naming file, line and reason.
    """
    found = [read_source(_read(file), str(file)), *_sources(PRIORITY, {})]
    content = _together(found)
    policy = _parse(PriorityPolicy, content, found)
    return replace(templates, priority=policy, policy_version=_policy_version(policy, content))


def _policy_version(policy: PriorityPolicy, content: object) -> str:
    return f"{policy.version}+{digest(content)[:12]}"


def _sources(name: str, site: dict[str, Path]) -> list[Source]:
    """The site's file, then the shipped one; either may be missing, not both."""
    found = []
    if name in site:
        found.append(read_source(_read(site[name]), str(site[name])))
    shipped = resources.files("sr_templates").joinpath(*name.split("/"))
    if shipped.is_file():
        found.append(read_source(shipped.read_bytes(), f"sr_templates/{name}"))
    if not found:
        raise ConfigurationError(f"templates: there is no {name}, shipped or of the site")
    return found


def _together(sources: list[Source]) -> object:
    """What the site says on top of what is shipped; an empty file says nothing."""
    found: object = {}
    for source in reversed(sources):
        found = merged(found, {} if source.content is None else source.content)
    return found


def _overrides(folder: Path | None) -> dict[str, Path]:
    if folder is None:
        return {}
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: the folder of template overrides does not exist")
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.yaml")}
    for name, path in sorted(found.items()):
        if name not in _FIXED and not _WORDING.fullmatch(name) and not name.startswith(MESSAGES):
            known = f"{', '.join(_FIXED)}, {wording_file('<language>')}"
            raise ConfigurationError(f"{path}: overrides nothing; known are {known}")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error


def _parse(model: type[Model], content: object, sources: list[Source]) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        lines = [_explain(problem, content, sources) for problem in problems]
        raise ConfigurationError("\n".join(lines)) from error


def _explain(problem: ErrorDetails, content: object, sources: list[Source]) -> str:
    path = located(problem["loc"], content)
    named = _PLACE.match(problem["msg"])
    inner = tuple(named[1].split(".")) if named else ()
    where = place(path, inner, sources)
    return f"{where}: {'.'.join(path) or 'file'}: {problem['msg']}"
