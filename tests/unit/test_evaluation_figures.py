"""Figures of labels, calibration and places against worked examples and scikit-learn."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn import metrics

from cxr_node.domain.findings import Presence
from cxr_node.evaluation import answers, calibration, grounding, labels
from cxr_node.evaluation.cases import AnswerCase, BoxCase, Case, LabelCase
from cxr_node.evaluation.resampling import Counts, draw_weights, estimate, share
from cxr_node.evaluation.summary import About, as_json, evaluate
from cxr_node.training.figures import (
    auroc,
    weighted_auprc,
    weighted_auroc,
    weighted_calibration_error,
)
from cxr_node.training.record_boxes import overlap

ONCE = np.ones((1, 200))
ABOUT = About("a test", "a model", "1", "0" * 64, "tests", "a statement")


def drawn(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and truths that they tell something about."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.3
    scores = np.round(np.clip(rng.normal(0.35 + 0.25 * truth, 0.2), 0, 1), 1)
    return scores, truth


@pytest.mark.parametrize("seed", range(5))
def test_areas_agree_with_scikit_learn(seed: int) -> None:
    scores, truth = drawn(seed)
    expected = metrics.roc_auc_score(truth, scores), metrics.average_precision_score(truth, scores)
    found = weighted_auroc(scores, truth, ONCE)[0], weighted_auprc(scores, truth, ONCE)[0]
    assert found == pytest.approx(expected, abs=1e-12)
    assert auroc(scores, truth) == pytest.approx(expected[0], abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_weighted_row_is_the_figure_of_the_drawn_cases(seed: int) -> None:
    scores, truth = drawn(seed)
    weights = draw_weights(len(scores), 3, 100 + seed)
    repeated = [np.repeat(np.arange(len(scores)), row.astype(int)) for row in weights]
    found = weighted_auroc(scores, truth, weights), weighted_auprc(scores, truth, weights)
    for at, chosen in enumerate(repeated):
        assert len(chosen) == len(scores)
        t, s = truth[chosen], scores[chosen]
        assert found[0][at] == pytest.approx(metrics.roc_auc_score(t, s), abs=1e-12)
        assert found[1][at] == pytest.approx(metrics.average_precision_score(t, s), abs=1e-12)
        error = weighted_calibration_error(s, t, np.ones((1, len(s))))[0]
        assert weighted_calibration_error(scores, truth, weights)[at] == pytest.approx(error)


@pytest.mark.parametrize("seed", range(3))
def test_counts_agree_with_scikit_learn(seed: int) -> None:
    scores, truth = drawn(seed)
    called = scores >= 0.5
    counts = Counts.of(called, truth, ONCE)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, called, average="binary"
    )
    found = counts.precision[0], counts.recall[0], counts.f1[0]
    assert found == pytest.approx((precision, recall, f1), abs=1e-12)
    assert counts.specificity[0] == pytest.approx(metrics.recall_score(~truth, ~called))


def test_what_does_not_exist_is_not_given() -> None:
    nobody = np.zeros(4, dtype=bool)
    counts = Counts.of(nobody, nobody, np.ones((1, 4)))
    assert math.isnan(counts.precision[0]) and math.isnan(counts.recall[0])
    assert estimate(np.array([math.nan, 1.0]), 4).value is None
    assert math.isnan(weighted_auroc(np.arange(4.0), nobody, np.ones((1, 4)))[0])
    assert math.isnan(weighted_auprc(np.array([]), np.array([], bool), np.ones((1, 0)))[0])
    half = estimate(np.array([0.5, math.nan, math.nan, 0.4]), 4)
    assert (half.value, half.low) == (0.5, None)


def test_calibration_error_of_a_worked_example() -> None:
    """Bin 0.2-0.3: stated 0.25, true 0.5; bin 0.9-1: stated 0.95, true 1; weights 2/3, 1/3."""
    stated, truth = np.array([0.2, 0.3 - 1e-9, 0.95]), np.array([True, False, True])
    expected = 2 / 3 * 0.25 + 1 / 3 * 0.05
    found = weighted_calibration_error(stated, truth, np.ones((1, 3)))[0]
    assert found == pytest.approx(expected, abs=1e-6)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for seed in range(300):
        values = (rng.random(80) < 0.3).astype(np.float64)
        weights = draw_weights(80, 300, 1000 + seed)
        found = estimate(weights @ values / 80, 80)
        covered += found.low is not None and found.low <= 0.3 <= (found.high or 0)
    assert 0.90 <= covered / 300 <= 0.98


def test_the_interval_leaves_a_fortieth_on_either_side() -> None:
    found = estimate(np.concatenate([[0.4], np.linspace(0, 1, 1001)]), 9)
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.025, 0.975))
    assert found.n == 9


def test_a_perfect_share_has_the_interval_of_wilson() -> None:
    found = share(np.ones(50), 10)
    z = 1.959963984540054
    assert found.low == pytest.approx(10 / (10 + z**2), abs=1e-9)
    assert found.high == pytest.approx(1.0)
    assert estimate(np.ones(50), 10).low is None


def case(key: str, entries: dict[str, tuple[bool, float | None]], **more: object) -> Case:
    """A case whose labels are called at 0.5; without a probability not assessed."""

    def called(probability: float | None) -> Presence:
        if probability is None:
            return Presence.NOT_ASSESSED
        return Presence.PRESENT if probability >= 0.5 else Presence.ABSENT

    told = tuple(
        LabelCase(label=name, truth=true, called=called(p), probability=p)
        for name, (true, p) in entries.items()
    )
    return Case.model_validate({"key": key, "labels": told, **more})


def four() -> list[Case]:
    return [
        case("a", {"x": (True, 0.9), "y": (False, 0.1), "z": (True, None)}),
        case("b", {"x": (True, 0.2), "y": (True, 0.8), "z": (False, None)}),
        case("c", {"x": (False, 0.6), "y": (True, 0.7)}),
        case("d", {"x": (False, 0.1), "y": (False, 0.3)}),
    ]


def test_label_figures_of_a_worked_example() -> None:
    found = labels.summarise(four(), draw_weights(4, 50))
    x, y, z = found.labels
    assert (x.precision.value, x.recall.value, x.f1.value, x.auroc.value) == (0.5, 0.5, 0.5, 0.75)
    assert (x.precision.n, x.recall.n, x.f1.n) == (2, 2, 4)
    assert (y.f1.value, y.auroc.value, y.auprc.value) == (1.0, 1.0, 1.0)
    assert (z.n, z.positives, z.not_assessed, z.f1.value) == (2, 1, 2, None)
    assert found.averaged == ("x", "y")
    assert found.macro_f1.value == pytest.approx(0.75)
    assert found.macro_auroc.value == pytest.approx(0.875)
    assert found.micro_f1.value == pytest.approx(2 * 3 / (2 * 3 + 1 + 1))
    # a: {x}={x}; b: {x,y} against {y}; c: {y} against {x,y}; d: both empty
    assert found.jaccard.value == pytest.approx((1 + 0.5 + 0.5 + 1) / 4)


def test_macro_and_micro_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random((60, 4)) < 0.4
    stated = np.clip(rng.normal(0.35 + 0.3 * truth, 0.3), 0, 1)
    cases = [
        case(str(i), {str(j): (bool(truth[i, j]), float(stated[i, j])) for j in range(4)})
        for i in range(60)
    ]
    found = labels.summarise(cases, draw_weights(60, 10))
    called = stated >= 0.5
    for average, values in (
        ("macro", (found.macro_precision, found.macro_recall, found.macro_f1)),
        ("micro", (found.micro_precision, found.micro_recall, found.micro_f1)),
    ):
        expected = metrics.precision_recall_fscore_support(truth, called, average=average)[:3]
        assert [v.value for v in values] == pytest.approx(list(expected))
    jaccard = metrics.jaccard_score(truth, called, average="samples", zero_division=1)
    assert found.jaccard.value == pytest.approx(jaccard)


def test_an_uncertain_answer_is_no_call() -> None:
    unsure = LabelCase(label="x", truth=True, called=Presence.UNCERTAIN, probability=0.6)
    (figures,) = labels.summarise([Case(key="a", labels=(unsure,))], draw_weights(1, 5)).labels
    assert (figures.recall.value, figures.uncertain, figures.not_assessed) == (0.0, 1, 0)


def test_calibration_is_pooled_and_single() -> None:
    everything, *single = calibration.summarise(four(), draw_weights(4, 20))
    assert [c.label for c in (everything, *single)] == ["all", "x", "y"]
    assert everything.error.n == 8
    assert sum(b.n for b in everything.bins) == 8
    assert all(b.low <= b.stated <= b.high for b in everything.bins)


def test_overlap_of_worked_examples() -> None:
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1.0
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0
    assert overlap((0, 0, 10, 10), (2, 2, 4, 4)) == pytest.approx(0.04)


def boxes(*said: tuple[float, float, float, float] | None) -> list[Case]:
    true = ((0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0))
    return [
        Case(key=str(n), boxes=(BoxCase(subject="x", truth=true, said=one),))
        for n, one in enumerate(said)
    ]


def test_grounding_takes_the_best_true_box_and_counts_the_missing() -> None:
    cases = boxes((0, 0, 10, 10), (50, 50, 60, 65), (20, 20, 30, 30), None)
    everything, x = grounding.summarise(cases, draw_weights(4, 20))
    assert everything.iou.value == pytest.approx((1 + 2 / 3) / 4)
    assert (x.enough.value, x.pointing.value, x.missing, x.n) == (0.5, 0.5, 1, 4)


def answer(expected: str, given: str, question: str = "side", subject: str = "x") -> AnswerCase:
    return AnswerCase(stage=3, question=question, subject=subject, expected=expected, given=given)


def test_answers_are_exact_or_wrong() -> None:
    cases = [
        Case(key="a", answers=(answer("left", "left"), answer("right", "", subject="y"))),
        Case(key="b", answers=(answer("right", "left"), answer("mild", "mild", "severity"))),
    ]
    found = {(a.question, a.subject): a for a in answers.summarise(cases, draw_weights(2, 20))}
    assert found["", ""].exact.value == 0.5
    assert found["side", ""].exact.value == pytest.approx(1 / 3)
    assert (found["side", "y"].exact.value, found["side", "y"].refused) == (0.0, 1)
    assert found["severity", ""].exact.n == 1
    table = answers.confusion(cases, "side", ("right", "left"))
    assert table is not None and table.options == ("right", "left", "refused")
    assert table.table == ((0, 1, 1), (0, 1, 0), (0, 0, 0))
    assert answers.confusion(cases, "zone") is None


def whole(cases: Sequence[Case]) -> dict[str, object]:
    found: dict[str, object] = json.loads(as_json(evaluate(cases, ABOUT, resamples=50)))
    return found


def test_the_summary_holds_every_part_and_no_number_that_is_none() -> None:
    cases = [
        case(
            f"{n}",
            {"x": (n % 2 == 0, 0.1 * n)},
            groups={"view": "AP" if n < 6 else "PA"},
            ratio=(0.5, 0.46 if n else None),
            asked=10,
            refused=1,
            contradictions=int(n < 2),
        )
        for n in range(9)
    ]
    found = whole([*cases, Case(key="broken", failed="pixels: cannot be decoded")])
    assert found["n"] == 9 and found["failed"] == [["broken", "pixels: cannot be decoded"]]
    assert found["parsing"]["share"]["value"] == pytest.approx(0.1)  # type: ignore[index]
    assert found["ratio"]["error"]["value"] == pytest.approx(0.04)  # type: ignore[index]
    assert found["ratio"]["missing"] == 1  # type: ignore[index]
    assert found["contradicted"]["value"] == pytest.approx(2 / 9)  # type: ignore[index]
    groups = {g["value"]: g for g in found["groups"]}  # type: ignore[attr-defined]
    assert groups["AP"]["macro_auroc"]["value"] is not None
    assert groups["PA"] == {
        **dict.fromkeys(("macro_auroc", "macro_f1", "sensitivity", "iou")),
        "name": "view",
        "value": "PA",
        "n": 3,
    }
    assert found["worst"][0]["mistakes"] == ["missed x (0 %)"]  # type: ignore[index]


def test_the_same_cases_give_the_same_intervals() -> None:
    assert whole(four()) == whole(four())
    with pytest.raises(ValueError, match="no study"):
        evaluate([Case(key="a", failed="gone")], ABOUT)
