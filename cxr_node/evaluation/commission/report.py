"""The commissioning report: one page of HTML to be printed, signed and filed, and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from cxr_node.domain.findings import ModelIdentity
from cxr_node.evaluation.commission.figures import Figure
from cxr_node.evaluation.commission.grade import Grade
from cxr_node.evaluation.commission.studies import Asked


@dataclass(frozen=True, slots=True)
class AboutNode:
    """What was graded, by whom it can be told from another; ``facts`` are name and value."""

    at: str
    """UTC, ISO 8601."""
    node: str
    model: ModelIdentity
    set_words: str
    limits: str
    """Version of the limits and where they are written."""
    facts: tuple[tuple[str, str], ...]


def render(found: Grade, asked: Sequence[Asked], about: AboutNode) -> str:
    """The page; everything is in it."""
    limited = [figure for figure in found.figures if figure.limit is not None]
    return _template().render(
        g=found, asked=asked, about=about, read=_read(asked), limited=limited, others=_others(found)
    )


def _others(found: Grade) -> dict[str, dict[str, Figure]]:
    """Figures without a limit: what they are about, then which of its shares."""
    rows: dict[str, dict[str, Figure]] = {}
    for figure in found.figures:
        if figure.limit is None:
            what, _, share = figure.name.partition(": ")
            rows.setdefault(what, {})[share or "share"] = figure
    return rows


def as_json(found: Grade, asked: Sequence[Asked], about: AboutNode) -> str:
    """The same and every single answer, for machines."""
    whole = {
        "passed": found.passed,
        "scope": found.scope,
        "about": asdict(about) | {"facts": dict(about.facts)},
        "checks": [asdict(check) | {"passed": check.passed} for check in found.checks],
        "figures": [asdict(figure) | {"share": figure.share} for figure in found.figures],
        "studies": [asdict(one.study) | {"answer": asdict(one.answer)} for one in asked],
    }
    return json.dumps(whole, indent=1, default=_plain)


def _plain(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)


def _read(asked: Sequence[Asked]) -> int:
    return sum(one.readable for one in asked)


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files("cxr_node.evaluation") / "templates" / "commission.html"
    return environment.from_string(source.read_text(encoding="utf-8"))
