"""Figures of several arms over the same studies, and their differences, paired by study.

Every arm is weighted by the same resamples, so that what makes a study hard for all arms
cancels out of a difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from cxr_node.evaluation import rule_judge
from cxr_node.evaluation.cases import Case
from cxr_node.evaluation.labels import columns
from cxr_node.evaluation.resampling import Counts, Estimate, draw_weights, estimate, mean
from cxr_node.training.figures import Floats, ratio, weighted_auroc

RESAMPLES, SEED = 2000, 20_260_101

Figure = Callable[[Sequence[Case], Floats], Floats]
"""Cases and weights (resamples, cases) to one value a resample, the first being the figure."""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of every arm, and differences ``second - first`` named ``second - first``."""

    figure: str
    arms: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]


def accuracy(stage: int | None = None, question: str = "") -> Figure:
    """Share of exactly right closed answers; of all stages where ``stage`` is None."""

    def figure(cases: Sequence[Case], weights: Floats) -> Floats:
        asked, right = np.zeros(len(cases)), np.zeros(len(cases))
        for row, case in enumerate(cases):
            for answer in case.answers:
                if stage in (None, answer.stage) and question in ("", answer.question):
                    asked[row] += 1
                    right[row] += answer.given == answer.expected
        return ratio(weights @ right, weights @ asked)

    return figure


def macro_auroc(cases: Sequence[Case], weights: Floats) -> Floats:
    """Mean area over the labels that have both classes in a resample."""
    rows = []
    for column in columns(cases):
        kept = np.isfinite(column.score)
        drawn = weights[:, column.rows[kept]]
        rows.append(weighted_auroc(column.score[kept], column.truth[kept], drawn))
    return _mean_of(rows)


def macro_f1(thresholds: Mapping[str, float] | None = None) -> Figure:
    """Mean F1 over the labels with both classes: as called, or at ``thresholds`` by label."""

    def figure(cases: Sequence[Case], weights: Floats) -> Floats:
        rows = []
        for column in columns(cases):
            if column.truth.all() or not column.truth.any():
                continue
            called = column.called
            if thresholds is not None:
                called = np.nan_to_num(column.score) >= thresholds[column.label]
            rows.append(Counts.of(called, column.truth, weights[:, column.rows]).f1)
        return _mean_of(rows)

    return figure


def best_thresholds(cases: Sequence[Case]) -> dict[str, float]:
    """For each label the probability from which calling it present has the best F1.

    Midway between neighbouring scores; 0.5 where a label has no positive case.
    """
    found = {}
    for column in columns(cases):
        levels = np.unique(np.nan_to_num(column.score))
        points = (levels[1:] + levels[:-1]) / 2
        if not column.truth.any() or not len(points):
            found[column.label] = 0.5
            continue
        called = np.nan_to_num(column.score)[None, :] >= points[:, None]
        hit = (called & column.truth).sum(axis=1)
        f1 = 2 * hit / (called.sum(axis=1) + column.truth.sum())
        found[column.label] = float(points[int(np.argmax(f1))])
    return found


def radrscore(part: str = "") -> Figure:
    """RadRScore by rules: completeness, factuality, effectiveness, or the mean of the three."""

    def figure(cases: Sequence[Case], weights: Floats) -> Floats:
        told = [(row, text) for row, case in enumerate(cases) for text in case.texts if text.chain]
        verdicts = [_judged(text) for _, text in told]
        parts = [part] if part else ["completeness", "factuality", "effectiveness"]
        values = [[getattr(verdict, name).value for name in parts] for verdict in verdicts]
        return mean(np.array(values).mean(axis=1), weights[:, [row for row, _ in told]])

    return figure


_judged = lru_cache(maxsize=None)(rule_judge.judge)
"""A text is judged once, however many figures it goes into."""


def _mean_of(rows: Sequence[Floats]) -> Floats:
    table = np.stack(rows)
    known = np.isfinite(table)
    return ratio(np.where(known, table, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def compare(
    name: str,
    figure: Figure | Mapping[str, Figure],
    arms: Mapping[str, Sequence[Case]],
    pairs: Sequence[tuple[str, str]],
) -> Line:
    """One figure of all arms; ``figure`` may differ by arm. Each pair is (first, second).

    Raises ValueError when the arms are not of the same studies in the same order.
    """
    keys = {arm: [case.key for case in cases] for arm, cases in arms.items()}
    first = next(iter(keys.values()))
    if any(other != first for other in keys.values()):
        raise ValueError("the arms are not of the same studies")
    weights = draw_weights(len(first), RESAMPLES, SEED)
    rows = {
        arm: (figure[arm] if isinstance(figure, Mapping) else figure)(cases, weights)
        for arm, cases in arms.items()
    }
    n = len(first)
    return Line(
        name,
        {arm: estimate(row, n) for arm, row in rows.items()},
        {f"{b} - {a}": estimate(rows[b] - rows[a], n) for a, b in pairs},
    )


def by_seed(cases: Sequence[Case]) -> list[Case]:
    """The cases named by their seed alone: one seed is one patient, at every level of drawing."""
    return [case.model_copy(update={"key": case.key.rpartition("/")[2]}) for case in cases]


def common_answers(arms: Mapping[str, Sequence[Case]]) -> dict[str, list[Case]]:
    """The arms with those closed answers alone that every arm was asked for."""

    def places(case: Case) -> set[tuple[int, str, str]]:
        return {(a.stage, a.question, a.subject) for a in case.answers}

    kept: dict[str, list[Case]] = {arm: [] for arm in arms}
    for row in zip(*arms.values(), strict=True):
        shared = set.intersection(*(places(case) for case in row))
        for arm, case in zip(arms, row, strict=True):
            answers = [a for a in case.answers if (a.stage, a.question, a.subject) in shared]
            kept[arm].append(case.model_copy(update={"answers": tuple(answers)}))
    return kept


def write(path: Path, about: Mapping[str, object], lines: Sequence[Line]) -> None:
    """The JSON file of one claim, and its table on the screen."""
    document = {**about, "lines": [asdict(line) for line in lines]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(table(lines))


def table(lines: Sequence[Line]) -> str:
    """Markdown rows: the figure, every arm, every difference with its interval."""
    rows = []
    for line in lines:
        cells = [f"{arm} {words(found)}" for arm, found in line.arms.items()]
        cells += [
            f"{pair}: {words(found, signed=True)}" for pair, found in line.differences.items()
        ]
        rows.append(f"| {line.figure} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def words(found: Estimate, *, signed: bool = False) -> str:
    """A figure with its interval, as the tables print it."""
    if found.value is None:
        return "none"
    form = "+.3f" if signed else ".3f"
    if found.low is None or found.high is None:
        return f"{found.value:{form}}"
    return f"{found.value:{form}} ({found.low:{form}} to {found.high:{form}})"
