"""The live plot of a training run, and how its stages are named on the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cxr_node.domain.errors import TrainingRefused
from cxr_node.domain.stages import StageKey
from cxr_node.entry.train_verbs import stage_weights
from cxr_node.training.live_plot import LivePlot, read_figures


def plot(folder: Path, after: int = 0) -> LivePlot:
    page, lines = folder / "live.html", folder / "figures.jsonl"
    return LivePlot(lines, page, "a <run>", total=2000, after=after, every=0.0)


def test_every_figure_is_kept_and_the_page_stays_small(tmp_path: Path) -> None:
    live = plot(tmp_path)
    for step in range(1, 2001):
        live.add(step, {"loss": 1 / step, "reward": float("nan")})
    page = (tmp_path / "live.html").read_text()
    assert len(read_figures(tmp_path / "figures.jsonl")) == 2000
    assert "a &lt;run&gt;" in page
    assert "Step 2000 of 2000, running." in page
    assert 'http-equiv="refresh"' in page
    assert "reward" not in page
    points = [len(line.split()) for line in re.findall(r'points="([^"]*)"', page)]
    assert points == [401, 401]
    assert not re.findall(r"(?:src|href)=|<script|nan", page)
    live.draw(ended=True)
    page = (tmp_path / "live.html").read_text()
    assert "ended." in page
    assert 'http-equiv="refresh"' not in page


def test_a_resumed_run_forgets_what_lies_behind_its_checkpoint(tmp_path: Path) -> None:
    first = plot(tmp_path)
    for step in (1, 2, 3):
        first.add(step, {"loss": float(step)})
    with (tmp_path / "figures.jsonl").open("a") as lines:
        lines.write('{"step": 4, "lo')  # the machine went off here
    again = plot(tmp_path, after=2)
    again.add(3, {"loss": 9.0})
    found = [(row["step"], row["loss"]) for row in read_figures(tmp_path / "figures.jsonl")]
    assert found == [(1, 1.0), (2, 2.0), (3, 9.0)]


def test_stages_are_named_by_number_and_weight() -> None:
    assert stage_weights("2, 8:0.5") == {StageKey.FINDINGS: 1.0, StageKey.REPORT: 0.5}


@pytest.mark.parametrize("words", ["9", "0", "-1", "two", "2:0", "2:x", "2:inf", ""])
def test_what_is_no_stage_is_refused(words: str) -> None:
    with pytest.raises(TrainingRefused, match="is no stage"):
        stage_weights(words)
