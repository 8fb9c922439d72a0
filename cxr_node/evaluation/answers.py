"""Closed questions: exact options, per stage and question, and which side was taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cxr_node.evaluation.cases import AnswerCase, Case
from cxr_node.evaluation.resampling import Estimate, mean, share
from cxr_node.training.figures import Floats


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Share of exactly right answers; a refused answer is a wrong one."""

    stage: int
    question: str
    """Empty for all questions of the stage together."""
    subject: str
    """One finding; empty for all subjects together."""
    refused: int
    exact: Estimate


def summarise(cases: Sequence[Case], weights: Floats) -> tuple[Accuracy, ...]:
    """Stage by stage: all its questions together, each question, and each of its subjects."""
    told = [(row, answer) for row, case in enumerate(cases) for answer in case.answers]
    found: list[Accuracy] = []
    for stage in sorted({answer.stage for _, answer in told}):
        mine = [t for t in told if t[1].stage == stage]
        found.append(_accuracy(mine, weights, ""))
        for question in sorted({answer.question for _, answer in mine}):
            found += _question([t for t in mine if t[1].question == question], weights, question)
    return tuple(found)


def _question(
    told: Sequence[tuple[int, AnswerCase]], weights: Floats, question: str
) -> list[Accuracy]:
    subjects = list(dict.fromkeys(answer.subject for _, answer in told))
    found = [_accuracy(told, weights, question)]
    if len(subjects) > 1:
        found += [
            _accuracy([t for t in told if t[1].subject == subject], weights, question, subject)
            for subject in subjects
        ]
    return found


def _accuracy(
    told: Sequence[tuple[int, AnswerCase]], weights: Floats, question: str, subject: str = ""
) -> Accuracy:
    right = np.array([float(answer.given == answer.expected) for _, answer in told])
    exact = share(mean(right, weights[:, [row for row, _ in told]]), len(told))
    refused = sum(not answer.given for _, answer in told)
    return Accuracy(told[0][1].stage, question, subject, refused, exact)


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each true option was answered with which; rows true, columns given."""

    question: str
    options: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]


NOT_ANSWERED = "refused"


def confusion(cases: Iterable[Case], question: str, order: Sequence[str] = ()) -> Confusion | None:
    """Of one question over all its subjects; None where it was never asked.

    ``order`` names options in the order in which they shall stand.
    """
    counts = Counter(
        (a.expected, a.given or NOT_ANSWERED)
        for case in cases
        for a in case.answers
        if a.question == question
    )
    if not counts:
        return None
    seen = {option for pair in counts for option in pair}
    options = [o for o in order if o in seen] + sorted(seen - set(order))
    table = tuple(tuple(counts[true, given] for given in options) for true in options)
    return Confusion(question, tuple(options), table)
