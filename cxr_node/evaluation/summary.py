"""All figures of one evaluation, from its cases: what metrics.json and the report show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from cxr_node.domain.findings import Presence
from cxr_node.domain.stages import SIDES
from cxr_node.evaluation import answers, calibration, grounding, labels, radrscore, rule_judge
from cxr_node.evaluation.answers import Accuracy, Confusion
from cxr_node.evaluation.calibration import Calibration
from cxr_node.evaluation.cases import NO_FINDING, Case, LabelCase
from cxr_node.evaluation.grounding import Grounding
from cxr_node.evaluation.labels import LabelFigures, LabelSummary
from cxr_node.evaluation.radrscore import Judge, RadRScore
from cxr_node.evaluation.resampling import RESAMPLES, Estimate, draw_weights, estimate, mean, share
from cxr_node.training.figures import Floats, ratio
from cxr_node.training.rewards import token_f1

SEED = 20_260_101
_WORST = 12
_LEAST_GROUP = 5
"""A smaller subgroup is named with its n alone."""


@dataclass(frozen=True, slots=True)
class About:
    """What was evaluated on what; stands above every figure."""

    source: str
    model: str
    version: str
    digest: str
    intended_use: str
    statement: str
    outside: str = ""
    """Why the figures lie outside the model's intended use; empty when within."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsing:
    """Answers that could not be used, of those asked."""

    asked: int
    refused: int
    share: Estimate


@dataclass(frozen=True, slots=True)
class RatioError:
    """Cardiothoracic ratio: mean absolute error over stated ones, and how many were not stated."""

    error: Estimate
    missing: int


@dataclass(frozen=True, slots=True)
class TextFigure:
    """Mean F1 of words of the free texts of one question."""

    stage: int
    question: str
    token_f1: Estimate


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of one subgroup; None where it is too small."""

    name: str
    value: str
    n: int
    macro_auroc: Estimate | None = None
    macro_f1: Estimate | None = None
    sensitivity: Estimate | None = None
    """Micro-averaged over labels."""
    iou: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Worst:
    """A study with its mistakes, the worst first."""

    key: str
    groups: dict[str, str]
    mistakes: tuple[str, ...]
    weight: float
    """Sum over the labels of how far the probability was from the truth."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything; ``n`` studies were read, ``failed`` could not be."""

    about: About
    n: int
    failed: tuple[tuple[str, str], ...]
    resamples: int
    seconds_median: float | None
    contradicted: Estimate
    parsing: Parsing
    labels: LabelSummary
    flag: LabelFigures | None
    calibration: tuple[Calibration, ...]
    answers: tuple[Accuracy, ...]
    sides: Confusion | None
    grounding: tuple[Grounding, ...]
    ratio: RatioError | None
    texts: tuple[TextFigure, ...]
    reasoning: RadRScore | None
    groups: tuple[Group, ...]
    worst: tuple[Worst, ...]


def evaluate(
    cases: Sequence[Case],
    about: About,
    *,
    judge: Judge = rule_judge.judge,
    judge_name: str = rule_judge.NAME,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Evaluation:
    """All figures over ``cases``, resampled study by study. Raises ValueError without a study."""
    read = [case for case in cases if not case.failed]
    if not read:
        raise ValueError("no study was read; there is nothing to evaluate")
    weights = draw_weights(len(read), resamples, seed)
    contradicted = np.array([float(case.contradictions > 0) for case in read])
    seconds = [case.seconds for case in read if case.seconds]
    return Evaluation(
        about=about,
        n=len(read),
        failed=tuple((case.key, case.failed) for case in cases if case.failed),
        resamples=resamples,
        seconds_median=float(np.median(seconds)) if seconds else None,
        contradicted=share(mean(contradicted, weights), len(read)),
        parsing=_parsing(read, weights),
        labels=labels.summarise(read, weights),
        flag=labels.flags(read, weights),
        calibration=calibration.summarise(read, weights),
        answers=answers.summarise(read, weights),
        sides=answers.confusion(read, "side", SIDES),
        grounding=grounding.summarise(read, weights),
        ratio=_ratio(read, weights),
        texts=_texts(read, weights),
        reasoning=radrscore.summarise(read, weights, judge, judge_name),
        groups=tuple(_groups(read, weights)),
        worst=_worst(read),
    )


def as_json(found: Evaluation) -> str:
    """For a program; a figure that does not exist is null."""
    return json.dumps(asdict(found), indent=1, allow_nan=False, ensure_ascii=False)


def _parsing(cases: Sequence[Case], weights: Floats) -> Parsing:
    asked = np.array([float(case.asked) for case in cases])
    refused = np.array([float(case.refused) for case in cases])
    refusals = share(ratio(weights @ refused, weights @ asked), int(asked.sum()))
    return Parsing(int(asked.sum()), int(refused.sum()), refusals)


def _ratio(cases: Sequence[Case], weights: Floats) -> RatioError | None:
    told = [(row, case.ratio) for row, case in enumerate(cases) if case.ratio is not None]
    stated = [(row, true, said) for row, (true, said) in told if said is not None]
    if not told:
        return None
    errors = np.array([abs(true - said) for _, true, said in stated])
    drawn = weights[:, [row for row, _, _ in stated]]
    return RatioError(estimate(mean(errors, drawn), len(stated)), len(told) - len(stated))


def _texts(cases: Sequence[Case], weights: Floats) -> tuple[TextFigure, ...]:
    told = [(row, text) for row, case in enumerate(cases) for text in case.texts]
    found = []
    for stage, question in sorted({(text.stage, text.question) for _, text in told}):
        mine = [(r, t) for r, t in told if (t.stage, t.question) == (stage, question)]
        scores = np.array([token_f1(text.said, text.reference) for _, text in mine])
        drawn = weights[:, [row for row, _ in mine]]
        found.append(TextFigure(stage, question, estimate(mean(scores, drawn), len(mine))))
    return tuple(found)


def _groups(cases: Sequence[Case], weights: Floats) -> list[Group]:
    values = {(name, value) for case in cases for name, value in case.groups.items()}
    found = []
    for name, value in sorted(values):
        rows = [row for row, case in enumerate(cases) if case.groups.get(name) == value]
        found.append(_group(name, value, [cases[row] for row in rows], weights[:, rows]))
    return found


def _group(name: str, value: str, cases: Sequence[Case], weights: Floats) -> Group:
    if len(cases) < _LEAST_GROUP:
        return Group(name, value, len(cases))
    figures = labels.summarise(cases, weights)
    boxes = grounding.summarise(cases, weights)
    return Group(
        name,
        value,
        len(cases),
        figures.macro_auroc,
        figures.macro_f1,
        figures.micro_recall,
        boxes[0].iou if boxes else None,
    )


def _worst(cases: Sequence[Case]) -> tuple[Worst, ...]:
    graded = [_graded(case) for case in cases]
    wrong = sorted((w for w in graded if w.mistakes), key=lambda w: (-w.weight, w.key))
    return tuple(wrong[:_WORST])


def _graded(case: Case) -> Worst:
    mistakes = sorted(
        ((_distance(label), _mistake(label)) for label in case.labels if _mistake(label)),
        reverse=True,
    )
    weight = sum(distance for distance, _ in mistakes)
    return Worst(case.key, case.groups, tuple(words for _, words in mistakes), weight)


def _distance(label: LabelCase) -> float:
    return 1.0 if label.probability is None else abs(label.probability - label.truth)


def _mistake(label: LabelCase) -> str:
    if label.called is Presence.NOT_ASSESSED:
        return ""
    if (label.called is Presence.PRESENT) == label.truth:
        return ""
    name = "normal" if label.label == NO_FINDING else label.label.replace("_", " ")
    stated = "" if label.probability is None else f" ({100 * label.probability:.0f} %)"
    return f"missed {name}{stated}" if label.truth else f"invented {name}{stated}"
