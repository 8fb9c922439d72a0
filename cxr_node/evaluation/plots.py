"""The plots of a report as SVG texts, drawn by matplotlib (the extra ``evaluate``).

Fonts stay text, so that a report can be searched and stays small; the same figures give the
same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cxr_node.domain.errors import ConfigurationError
from cxr_node.evaluation.calibration import Calibration
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.labels import Column, LabelFigures, columns
from cxr_node.evaluation.resampling import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _QUIET, _BAR, _PALE = "#1d2a33", "#8a979f", "#2f6f94", "#dde6ec"
_COLOURS = (
    *("#2f6f94", "#c4572b", "#3d8a5f", "#8a5aa3", "#b8902a"),
    *("#3aa0a0", "#a83a55", "#6b7a30", "#5566b0", "#7a5a40"),
)
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_DASHES = ("-", "--", ":")
_SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "cxr-node",
    "axes.edgecolor": _QUIET,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def _svg(width: float, height: float, draw: Callable[[Axes], None]) -> str:
    """A figure of ``width`` x ``height`` inches, filled by ``draw``.

    Raises :class:`ConfigurationError` where matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError(
            f"a report needs the package {error.name}; install cxr-node[evaluate]"
        ) from error
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    found = text.getvalue()
    return found[found.index("<svg") :]


def receiver_curves(cases: Sequence[Case], areas: Sequence[LabelFigures]) -> str:
    """Receiver operating curves of every label that has one; empty without any."""
    shown = {figures.label: figures.auroc for figures in areas if figures.auroc.value is not None}
    found = [column for column in columns(cases) if column.label in shown]
    if not found:
        return ""
    return _svg(7.2, 4.3, partial(_curves, found=found, areas=shown))


def _curves(axes: Axes, found: Sequence[Column], areas: dict[str, Estimate]) -> None:
    for number, column in enumerate(found):
        kept = np.isfinite(column.score)
        order = np.argsort(-column.score[kept], kind="stable")
        scores, truth = column.score[kept][order], column.truth[kept][order]
        ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
        hits, alarms = np.cumsum(truth)[ends], np.cumsum(~truth)[ends]
        axes.step(
            np.append(0, alarms / alarms[-1]),
            np.append(0, hits / hits[-1]),
            where="post",
            color=_COLOURS[number % len(_COLOURS)],
            linestyle=_DASHES[number // len(_COLOURS) % len(_DASHES)],
            linewidth=1.5,
            label=f"{areas[column.label].value:.3f} {_words(column.label)}",
        )
    axes.plot([0, 1], [0, 1], color=_QUIET, linewidth=0.8, linestyle=(0, (2, 3)))
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity")
    axes.legend(
        loc="center left", bbox_to_anchor=(1.03, 0.5), frameon=False, title="area under the curve"
    )


def reliability(found: Calibration) -> str:
    """Stated against true share, with the number of statements in each bin."""
    return _svg(4.2, 4.0, partial(_reliability, found=found))


def _reliability(axes: Axes, found: Calibration) -> None:
    most = max(b.n for b in found.bins)
    axes.plot([0, 1], [0, 1], color=_QUIET, linewidth=0.8, linestyle=(0, (2, 3)))
    for b in found.bins:
        axes.bar((b.low + b.high) / 2, 0.25 * b.n / most, 0.094, color=_PALE, zorder=0)
    axes.plot(
        [b.stated for b in found.bins],
        [b.true for b in found.bins],
        color=_BAR,
        marker="o",
        markersize=4.5,
        linewidth=1.5,
    )
    for b in found.bins:
        axes.annotate(
            f"{b.n}", ((b.low + b.high) / 2, 0.25 * b.n / most), ha="center", va="bottom",
            fontsize=7, color=_QUIET,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
    axes.set(xlabel="stated probability", ylabel="share of cases that have the label")


def bars(rows: Sequence[tuple[str, Estimate]], axis: str) -> str:
    """One horizontal bar a row with its interval; rows without a value are left out."""
    known = [(name, found) for name, found in rows if found.value is not None]
    if not known:
        return ""
    return _svg(7.2, 0.75 + 0.27 * len(known), partial(_bars, rows=known[::-1], axis=axis))


def _bars(axes: Axes, rows: Sequence[tuple[str, Estimate]], axis: str) -> None:
    for at, (_, found) in enumerate(rows):
        value = found.value or 0.0
        axes.barh(at, value, 0.62, color=_PALE)
        axes.plot([value, value], [at - 0.31, at + 0.31], color=_BAR, linewidth=2)
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [at, at], color=_INK, linewidth=1)
        axes.annotate(f"{value:.2f}", (1.02, at), va="center", fontsize=8, annotation_clip=False)
    axes.set_yticks(range(len(rows)), [f"{_words(name)}  (n {found.n})" for name, found in rows])
    axes.set(xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4), xlabel=axis)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _words(name: str) -> str:
    return name.replace("_", " ")
