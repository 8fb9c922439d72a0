"""The HTML templates: autoescaped, strict about missing values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

import cxr_node
from cxr_node.web import words

_ENVIRONMENT = Environment(
    loader=PackageLoader("cxr_node.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["version"] = cxr_node.__version__
_ENVIRONMENT.globals["words"] = words
_ENVIRONMENT.filters.update(
    shown=words.shown,
    lines=words.shown_lines,
    plain=words.plain,
    person=words.person_name,
    day=words.day,
    clock_time=words.clock_time,
    utc=words.utc,
    finding=words.finding_name,
)


def render(
    template: str,
    values: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """One page as an answer; nobody may cache it, it names patients."""
    text = _ENVIRONMENT.get_template(template).render(values)
    return HTMLResponse(text, status, dict(headers or {}))
