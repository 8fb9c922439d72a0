"""A calibration says how it was found and how well it holds, and the shipped one does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_node.reasoning import answers
from cxr_node.reasoning.embedded import embedded_folder
from cxr_node.reasoning.profiles import Calibration, load_manifest, verify
from cxr_node.training.calibrate import OperatingPoint, logistic
from cxr_node.training.judge import fit_of, judge, log_loss, seeds_text

SHIPPED = embedded_folder()
TRUTHS = [{"seed": 7 + n, "findings": {"pneumothorax": {}} if n % 4 == 0 else {}} for n in range(8)]


def test_every_calibration_that_is_shipped_carries_its_fit() -> None:
    manifest = load_manifest(SHIPPED)
    verify(SHIPPED, manifest)
    assert set(manifest.profile.calibration) == {
        f"presence:{kind}" for kind in manifest.profile.thresholds
    }
    for settings in manifest.profile.calibration.values():
        assert settings.fit is not None
        assert settings.fit.positives + settings.fit.negatives >= 300
        assert min(settings.fit.positives, settings.fit.negatives) >= 50
        assert settings.fit.calibration_error < 0.1
        assert "judged on phantom" in settings.fit.data


@given(st.floats(0.3, 5), st.floats(-3, 3), st.floats(-9, 9), st.floats(-9, 9))
def test_an_operating_point_gives_what_the_reading_gives(
    temperature: float, bias: float, present: float, absent: float
) -> None:
    settings = Calibration(temperature=temperature, bias={"present": bias})
    options = ("present", "absent", "uncertain")
    found = answers.probabilities((present, absent, -20.0), options, settings)
    point = OperatingPoint.of(settings)
    expected = answers.present_probability(found)
    assert point.probability(np.array([present - absent]))[0] == pytest.approx(expected)
    again = point.calibration
    assert again.temperature == pytest.approx(temperature)
    assert again.bias["present"] == pytest.approx(bias, abs=1e-6)


def test_scaling_finds_the_line_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 3, 4000)
    truth = rng.random(4000) < 1 / (1 + np.exp(-(0.7 * x - 1.2)))
    assert logistic(x, truth) == pytest.approx((0.7, -1.2), abs=0.1)


def test_the_loss_is_that_of_the_formula() -> None:
    truth = np.array([True, False, False])
    probability = np.array([0.8, 0.4, 0.0])
    assert log_loss(probability, truth) == pytest.approx(
        -(math.log(0.8) + math.log(0.6) + math.log(1 - 1e-6)) / 3
    )
    found = fit_of(probability, truth, "data")
    assert (found.positives, found.negatives) == (1, 2)
    assert found.calibration_error == pytest.approx((0.2 + 0.4 + 0.0) / 3, abs=1e-4)


def test_single_findings_are_judged_and_the_data_are_named() -> None:
    scores = {"presence:pneumothorax": np.log(np.tile([0.25, 0.75, 1e-9], (8, 1)))}
    calibration = {"presence:pneumothorax": Calibration(), "overall": Calibration()}
    found = judge(calibration, scores, TRUTHS, "other phantoms")
    assert set(found) == {"presence:pneumothorax"}
    fit = found["presence:pneumothorax"]
    assert (fit.positives, fit.negatives, fit.calibration_error) == (2, 6, 0.0)
    assert fit.data == f"fitted on other phantoms; judged on {seeds_text(TRUTHS)}"
    assert "seeds 7 to 14" in fit.data
