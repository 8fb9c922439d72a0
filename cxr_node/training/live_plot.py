"""The figures of a running training, as JSON lines and as a page that is rewritten as it goes.

The page is one self-contained file (HTML with SVG, no script) that reloads itself while the
run goes on. The lines hold every figure; the page draws at most ``_POINTS`` of them.
"""

from __future__ import annotations

import html
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_POINTS = 400
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 460, 220, 56, 22
_SMOOTH = 0.1
"""Weight of the newest value in the drawn mean."""
_RELOAD = 10
"""Seconds between reloads of the page by a browser."""

_Points = list[tuple[int, float]]


class LivePlot:
    """Keeps ``lines`` and ``page`` up to date with what :meth:`add` is told."""

    def __init__(
        self,
        lines: Path,
        page: Path,
        title: str,
        *,
        total: int,
        after: int = 0,
        every: float = 2.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``total`` steps are planned. Lines behind step ``after``, where the run goes on, are
        dropped. The page is written at most once in ``every`` seconds."""
        self._lines, self._page, self._title, self._total = lines, page, title, total
        self._every, self._monotonic = every, monotonic
        self._written = -math.inf
        self._figures: dict[str, _Points] = {}
        kept = [entry for entry in read_figures(lines) if entry["step"] <= after]
        lines.write_text("".join(json.dumps(e) + "\n" for e in kept), encoding="utf-8")
        for entry in kept:
            self._take(entry)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """One more row: finite figures of a step."""
        known = {k: float(v) for k, v in figures.items() if math.isfinite(v)}
        entry = {"step": step, **known}
        with self._lines.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry) + "\n")
        self._take(entry)
        if self._monotonic() - self._written >= self._every:
            self.draw()

    def draw(self, *, ended: bool = False) -> None:
        """Write the page now; a page that has ``ended`` no longer reloads itself."""
        self._written = self._monotonic()
        text = _page(self._title, self._total, self._figures, ended=ended)
        partial = self._page.with_name(f".{self._page.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(self._page)

    def _take(self, entry: Mapping[str, float]) -> None:
        for name, value in entry.items():
            if name != "step":
                self._figures.setdefault(name, []).append((int(entry["step"]), value))


def read_figures(lines: Path) -> list[dict[str, float]]:
    """What :meth:`LivePlot.add` wrote, in order; a last line that was cut is left out."""
    if not lines.exists():
        return []
    found = []
    for line in lines.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            found.append(json.loads(line))
    return found


def _page(title: str, total: int, figures: Mapping[str, _Points], *, ended: bool) -> str:
    last = max((points[-1][0] for points in figures.values()), default=0)
    charts = "\n".join(_chart(name, points, total) for name, points in figures.items())
    reload = "" if ended else f'<meta http-equiv="refresh" content="{_RELOAD}">'
    state = "ended" if ended else "running"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">{reload}<title>{html.escape(title)}</title>
<style>body{{font:14px sans-serif;margin:1.5em;color:#222}}
figure{{display:inline-block;margin:.5em}}
svg{{background:#fafafa;border:1px solid #ddd}}
text{{font:11px sans-serif;fill:#555}}</style>
</head><body><h1>{html.escape(title)}</h1><p>Step {last} of {total}, {state}.</p>
{charts}
</body></html>
"""


def _chart(name: str, points: Sequence[tuple[int, float]], total: int) -> str:
    """One figure over all planned steps: values thin, their running mean thick."""
    low, high = min(v for _, v in points), max(v for _, v in points)
    span = (high - low) or abs(high) or 1.0

    def at(step: float, value: float) -> str:
        x = _LEFT + (_WIDTH - _LEFT - 8) * step / max(total, 1)
        y = 8 + (_HEIGHT - _BOTTOM - 8) * (1 - (value - low) / span)
        return f"{x:.1f},{y:.1f}"

    raw = " ".join(at(*point) for point in _thinned(points))
    mean = " ".join(at(*point) for point in _thinned(_smoothed(points)))
    marks = "".join(
        f'<text x="4" y="{y}">{value:.4g}</text>'
        for value, y in ((high, 14), (low, _HEIGHT - _BOTTOM))
    )
    last = f"{points[-1][1]:.4g}"
    return f"""<figure><figcaption>{html.escape(name)}: {last}</figcaption>
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">{marks}
<text x="{_LEFT}" y="{_HEIGHT - 6}">0</text>
<text x="{_WIDTH - 8}" y="{_HEIGHT - 6}" text-anchor="end">{total}</text>
<polyline points="{raw}" fill="none" stroke="#9bb8d3"/>
<polyline points="{mean}" fill="none" stroke="#1f4e79" stroke-width="2"/></svg></figure>"""


def _thinned(points: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    stride = -(-len(points) // _POINTS)
    return [*points[::stride], points[-1]]


def _smoothed(points: Sequence[tuple[int, float]]) -> _Points:
    mean, made = points[0][1], []
    for step, value in points:
        mean += _SMOOTH * (value - mean)
        made.append((step, mean))
    return made
