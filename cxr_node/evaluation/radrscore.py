"""RadRScore: how complete, factual and effective a chain of reasoning is (arXiv 2504.20930).

The formulas are those of its published evaluation code. A judge finds the observations and
compares them; which judge did so belongs to the figure, scores of different judges cannot be
compared. The plain mean of the three is ours: the paper's code never combines them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cxr_node.evaluation.cases import Case, TextCase
from cxr_node.evaluation.resampling import Estimate, estimate, mean
from cxr_node.training.figures import Floats


@dataclass(frozen=True, slots=True)
class Share:
    """``met`` of ``of``. Of nothing it is 0, as the published code has it."""

    met: int
    of: int

    @property
    def value(self) -> float:
        return self.met / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge found in one sample."""

    completeness: Share
    """Observations of the reference chain that the prediction has."""
    factuality: Share
    """Observations of the prediction that the report does not contradict."""
    effectiveness: Share
    """Steps of the prediction that the reference chain supports."""


Judge = Callable[[TextCase], Verdict | None]
"""Judges one sample: reference chain, predicted text, report. None: it could not, so that the
sample is not valid (a language model as judge may answer nonsense)."""


@dataclass(frozen=True, slots=True)
class Component:
    """Mean over the valid samples; ``counted`` of them had a denominator other than 0."""

    score: Estimate
    counted: int


@dataclass(frozen=True, slots=True)
class RadRScore:
    """The three components over the same valid samples, and their plain mean."""

    judge: str
    samples: int
    valid: int
    completeness: Component
    factuality: Component
    effectiveness: Component
    mean: Estimate


def summarise(cases: Sequence[Case], weights: Floats, judge: Judge, name: str) -> RadRScore | None:
    """Judge every text that is marked as a chain; None where there is none."""
    told = [(row, text) for row, case in enumerate(cases) for text in case.texts if text.chain]
    if not told:
        return None
    judged = [(row, verdict) for row, text in told if (verdict := judge(text)) is not None]
    drawn = weights[:, [row for row, _ in judged]]
    verdicts = [verdict for _, verdict in judged]
    parts = (
        [verdict.completeness for verdict in verdicts],
        [verdict.factuality for verdict in verdicts],
        [verdict.effectiveness for verdict in verdicts],
    )
    rows = [mean(np.array([share.value for share in part]), drawn) for part in parts]
    complete, factual, effective = (
        Component(estimate(row, len(part)), sum(share.of > 0 for share in part))
        for row, part in zip(rows, parts, strict=True)
    )
    average = estimate(np.mean(rows, axis=0), len(judged))
    return RadRScore(name, len(told), len(judged), complete, factual, effective, average)
