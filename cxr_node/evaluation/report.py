"""The report of an evaluation: one HTML file with everything in it, to be read and printed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from cxr_node.evaluation import plots
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.resampling import Estimate
from cxr_node.evaluation.summary import Evaluation

STAGES = (
    "quality and view",
    "findings",
    "attributes and places",
    "relationships",
    "comparison",
    "future trend",
    "advice",
    "report",
)


def render(found: Evaluation, cases: Sequence[Case]) -> str:
    """The report as HTML; ``cases`` are those that ``found`` was made from.

    Raises :class:`ConfigurationError` where matplotlib is not installed.
    """
    read = [case for case in cases if not case.failed]
    figures = found.labels.labels
    everything = [c for c in found.calibration if c.label == "all"]
    return _template().render(
        e=found,
        stages=STAGES,
        receiver=plots.receiver_curves(read, figures),
        sensitivity=plots.bars([(f.label, f.recall) for f in figures], "sensitivity"),
        f1=plots.bars([(f.label, f.f1) for f in figures], "F1"),
        reliability=plots.reliability(everything[0]) if everything else "",
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"figure": figure, "interval": interval, "words": _words}
    return environment


@cache
def _template() -> Template:
    source = files("cxr_node.evaluation") / "templates" / "report.html"
    return _environment().from_string(source.read_text(encoding="utf-8"))


def figure(found: Estimate | None) -> str:
    """The value to three decimals; a dash where there is none."""
    return "–" if found is None or found.value is None else f"{found.value:.3f}"


def interval(found: Estimate | None) -> str:
    """The interval, in words of its own; empty where there is none."""
    if found is None or found.low is None or found.high is None:
        return ""
    return f"{found.low:.2f}–{found.high:.2f}"


def _words(name: str) -> str:
    return name.replace("_", " ")
