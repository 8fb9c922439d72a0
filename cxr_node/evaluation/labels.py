"""Figures of labels: each alone with intervals, then macro, micro and the Jaccard index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cxr_node.domain.findings import Presence
from cxr_node.evaluation.cases import Case, LabelCase
from cxr_node.evaluation.resampling import Counts, Estimate, estimate, mean, share
from cxr_node.training.figures import Flags, Floats, weighted_auprc, weighted_auroc


@dataclass(frozen=True, slots=True)
class Column:
    """One label over the cases that tell it: indices into the cases, truth, call, score.

    ``score`` is NaN where no probability was given; ``assessed`` is False where the model
    did not commit itself at all.
    """

    label: str
    rows: np.ndarray
    truth: Flags
    called: Flags
    assessed: Flags
    uncertain: Flags
    score: Floats


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """What is known of one label. Precision to F1 rest on the assessed cases, at the model's
    own operating points; the areas on the cases with a probability."""

    label: str
    n: int
    positives: int
    not_assessed: int
    uncertain: int
    precision: Estimate
    recall: Estimate
    specificity: Estimate
    f1: Estimate
    auroc: Estimate
    auprc: Estimate


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """All labels, and averages over those that have both positive and negative assessed cases."""

    labels: tuple[LabelFigures, ...]
    averaged: tuple[str, ...]
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    macro_auroc: Estimate
    micro_precision: Estimate
    micro_recall: Estimate
    micro_f1: Estimate
    jaccard: Estimate


def columns(cases: Sequence[Case]) -> list[Column]:
    """The labels in the order in which they first occur."""
    found: dict[str, list[tuple[int, LabelCase]]] = {}
    for row, case in enumerate(cases):
        for label in case.labels:
            found.setdefault(label.label, []).append((row, label))
    return [_column(label, entries) for label, entries in found.items()]


def _column(label: str, entries: Sequence[tuple[int, LabelCase]]) -> Column:
    said = [entry for _, entry in entries]
    nothing = float("nan")
    return Column(
        label,
        np.array([row for row, _ in entries]),
        np.array([entry.truth for entry in said]),
        np.array([entry.called is Presence.PRESENT for entry in said]),
        np.array([entry.called is not Presence.NOT_ASSESSED for entry in said]),
        np.array([entry.called is Presence.UNCERTAIN for entry in said]),
        np.array([nothing if e.probability is None else e.probability for e in said]),
    )


def summarise(cases: Sequence[Case], weights: Floats) -> LabelSummary:
    """``weights`` as :func:`~cxr_node.evaluation.resampling.draw_weights` gives for the cases."""
    found = columns(cases)
    counts = {c.label: _counts(c, weights) for c in found}
    areas = {c.label: _area(c, weights) for c in found}
    averaged = tuple(c.label for c in found if _has_both(c))
    chosen = [counts[label] for label in averaged]
    n = len(cases)
    micro = _sum(chosen, len(weights))
    return LabelSummary(
        tuple(_figures(c, counts[c.label], areas[c.label], weights) for c in found),
        averaged,
        _macro([c.precision for c in chosen], n),
        _macro([c.recall for c in chosen], n),
        _macro([c.f1 for c in chosen], n),
        _macro([areas[label] for label in averaged], n),
        share(micro.precision, int(micro.tp[0] + micro.fp[0])),
        share(micro.recall, int(micro.tp[0] + micro.fn[0])),
        estimate(micro.f1, n),
        _jaccard(cases, weights),
    )


def flags(cases: Sequence[Case], weights: Floats) -> LabelFigures | None:
    """Figures of the time-critical flag; None where no case knows of one."""
    told = [(row, case.flag) for row, case in enumerate(cases) if case.flag]
    if not told:
        return None
    column = _column(told[0][1].label, told)
    return _figures(column, _counts(column, weights), _area(column, weights), weights)


def _has_both(column: Column) -> bool:
    truth = column.truth[column.assessed]
    return bool(truth.any() and not truth.all())


def _counts(column: Column, weights: Floats) -> Counts:
    kept = column.assessed
    return Counts.of(column.called[kept], column.truth[kept], weights[:, column.rows[kept]])


def _area(column: Column, weights: Floats) -> Floats:
    kept = np.isfinite(column.score)
    return weighted_auroc(column.score[kept], column.truth[kept], weights[:, column.rows[kept]])


def _figures(column: Column, counts: Counts, area: Floats, weights: Floats) -> LabelFigures:
    n, scored = int(column.assessed.sum()), np.isfinite(column.score)
    drawn = weights[:, column.rows[scored]]
    return LabelFigures(
        column.label,
        len(column.rows),
        int(column.truth.sum()),
        int((~column.assessed).sum()),
        int(column.uncertain.sum()),
        share(counts.precision, int(counts.tp[0] + counts.fp[0])),
        share(counts.recall, int(counts.tp[0] + counts.fn[0])),
        share(counts.specificity, int(counts.fp[0] + counts.tn[0])),
        estimate(counts.f1, n),
        estimate(area, int(scored.sum())),
        estimate(
            weighted_auprc(column.score[scored], column.truth[scored], drawn), int(scored.sum())
        ),
    )


def _sum(counts: Sequence[Counts], rows: int) -> Counts:
    total = Counts(*(np.zeros(rows) for _ in range(4)))
    for one in counts:
        total = total + one
    return total


def _macro(rows: Sequence[Floats], n: int) -> Estimate:
    """Mean over labels; where a label has no value in a resample, over the others."""
    if not rows:
        return Estimate(None, None, None, n)
    table = np.stack(rows)
    known = np.isfinite(table)
    count = known.sum(axis=0)
    total = np.where(known, table, 0.0).sum(axis=0)
    return estimate(np.where(count > 0, total / np.maximum(count, 1), np.nan), n)


def _jaccard(cases: Sequence[Case], weights: Floats) -> Estimate:
    """Mean over cases of |true and called| / |true or called| over assessed labels."""
    told = [(row, case) for row, case in enumerate(cases) if case.labels]
    if not told:
        return Estimate(None, None, None, 0)
    values = np.array([_overlap(case.labels) for _, case in told])
    return estimate(mean(values, weights[:, [row for row, _ in told]]), len(told))


def _overlap(labels: Sequence[LabelCase]) -> float:
    assessed = [entry for entry in labels if entry.called is not Presence.NOT_ASSESSED]
    true = {entry.label for entry in assessed if entry.truth}
    called = {entry.label for entry in assessed if entry.called is Presence.PRESENT}
    return len(true & called) / len(true | called) if true | called else 1.0
