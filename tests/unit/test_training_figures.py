"""Areas, operating points and calibration against worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cxr_node.evaluation.calibrating import calibration_error
from cxr_node.evaluation.operating import OperatingPoint, logistic
from cxr_node.training.figures import auroc, operating_point, rates


def test_area_of_worked_examples() -> None:
    assert auroc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == pytest.approx(0.75)
    assert auroc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert auroc([1, 1, 1, 1], [False, True, False, True]) == 0.5
    assert auroc([3, 2, 2, 1], [True, True, False, False]) == pytest.approx(0.875)
    assert math.isnan(auroc([1, 2], [True, True]))


def test_operating_point_lies_between_the_classes() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.7, 0.8])
    truth = np.array([False, False, False, True, True])
    assert operating_point(scores, truth) == pytest.approx(0.5)
    assert rates(scores, truth, 0.5) == (1.0, 1.0)


def test_a_heavier_miss_lowers_the_operating_point() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 2 == 0
    scores = rng.normal(0, 1, 400) + truth
    assert operating_point(scores, truth, 3.0) < operating_point(scores, truth, 1.0)


def test_a_weak_finding_keeps_its_specificity() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(2000) % 2 == 0
    scores = rng.normal(0, 1, 2000) + 0.3 * truth
    free, bound = operating_point(scores, truth), operating_point(scores, truth, 1.0, 0.8)
    assert rates(scores, truth, free)[1] < 0.75
    assert rates(scores, truth, bound)[1] >= 0.8


def test_platt_scaling_finds_the_line_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 2, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-(0.7 * x - 0.5)))
    assert logistic(x, truth) == pytest.approx((0.7, -0.5), abs=0.06)
    probability = OperatingPoint(0.7, -0.5, 0.5).probability(x)
    assert calibration_error(probability, truth) < 0.02
    assert calibration_error(np.clip(probability * 0.3, 0, 1), truth) > 0.15
