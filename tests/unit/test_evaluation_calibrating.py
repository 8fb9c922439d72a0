"""A calibration is fitted on some cases, judged on others, and written with how well it holds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_node.domain.errors import ConfigurationError
from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.domain.stages import StageKey
from cxr_node.evaluation import calibrating
from cxr_node.evaluation.calibrating import Told, judge, operating_points, raw, told
from cxr_node.evaluation.cases import Case, LabelCase
from cxr_node.evaluation.operating import OperatingPoint, log_odds, logistic, sigmoid
from cxr_node.reasoning import answers
from cxr_node.reasoning.embedded import embedded_folder, embedded_manifest
from cxr_node.reasoning.profiles import MANIFEST, Calibration, Profile, load_manifest, seal, verify

_K = FindingKind


def test_every_calibration_that_is_shipped_carries_its_fit() -> None:
    folder = embedded_folder()
    manifest = load_manifest(folder)
    verify(folder, manifest)
    assert set(manifest.profile.calibration) == {
        f"presence:{kind}" for kind in manifest.profile.thresholds
    }
    for settings in manifest.profile.calibration.values():
        assert settings.fit is not None
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


@given(st.floats(-30, 30))
def test_log_odds_undo_a_probability(x: float) -> None:
    assert log_odds(sigmoid(np.array([x])))[0] == pytest.approx(x, abs=0.05)


def test_scaling_finds_the_line_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 3, 4000)
    truth = rng.random(4000) < 1 / (1 + np.exp(-(0.7 * x - 1.2)))
    assert logistic(x, truth) == pytest.approx((0.7, -1.2), abs=0.1)


def test_the_loss_is_that_of_the_formula() -> None:
    truth = np.array([True, False, False])
    probability = np.array([0.8, 0.4, 0.0])
    assert calibrating.log_loss(probability, truth) == pytest.approx(
        -(math.log(0.8) + math.log(0.6) + math.log(1 - 1e-6)) / 3
    )
    found = calibrating.fit_of(probability, truth, "data")
    assert (found.positives, found.negatives) == (1, 2)
    assert found.calibration_error == pytest.approx((0.2 + 0.4 + 0.0) / 3, abs=1e-4)


def _cases(seed: int, count: int = 400) -> list[Case]:
    """Pneumothorax is told by a line; a fracture not at all; a port is too seldom."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        air, broken = rng.random(2) < 0.4
        seen = rng.normal(2 if air else -2, 1.5)
        said = {_K.PNEUMOTHORAX: (air, seen), _K.FRACTURE: (broken, rng.normal())}
        said[_K.PORT] = (number < 5, 3.0 if number < 5 else -3.0)
        labels = tuple(
            LabelCase(
                label=kind,
                truth=bool(true),
                called=Presence.ABSENT,
                probability=float(sigmoid(np.array([odds]))[0]),
            )
            for kind, (true, odds) in said.items()
        )
        other = LabelCase(label="no_finding", truth=True, called=Presence.ABSENT, probability=0.5)
        made.append(Case(key=str(number), labels=(*labels, other)))
    return made


def test_only_what_the_model_can_tell_gets_an_operating_point() -> None:
    points = operating_points(told(_cases(0)))
    assert set(points) == {_K.PNEUMOTHORAX}
    (found,) = judge(points, told(_cases(1)), "fitted on one; judged on another")
    assert found.auroc > 0.9
    assert found.sensitivity > 0.8
    assert found.specificity > 0.85
    assert found.fit.calibration_error < 0.05
    assert found.fit.positives + found.fit.negatives == 400
    nothing = {_K.FRACTURE: Told(np.zeros(100), np.arange(100) % 2 == 0)}
    with pytest.raises(ConfigurationError, match="nothing was calibrated"):
        operating_points(nothing)


def test_it_is_asked_raw_and_no_further_than_the_findings() -> None:
    profile = Profile(
        thresholds={_K.EDEMA: 0.3},
        calibration={"overall": Calibration()},
        not_assessed=(_K.PORT,),
    )
    asked = raw(profile)
    assert (asked.thresholds, asked.calibration, asked.not_assessed) == ({}, {}, ())
    assert set(StageKey) - set(asked.untaught) == {StageKey.QUALITY_VIEW, StageKey.FINDINGS}


def test_the_manifest_keeps_points_and_fits_and_leaves_out_the_rest(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    seal(tmp_path, embedded_manifest())
    points = operating_points(told(_cases(0)))
    judged = judge(points, told(_cases(1)), "fitted on one; judged on another")
    calibrating.write(tmp_path, points, judged)
    manifest = load_manifest(tmp_path)
    verify(tmp_path, manifest)
    profile = manifest.profile
    assert profile.threshold(_K.PNEUMOTHORAX) == points[_K.PNEUMOTHORAX].threshold
    settings = profile.calibration_of("presence", _K.PNEUMOTHORAX)
    assert settings is not None
    assert settings.fit == judged[0].fit
    assert set(profile.not_assessed) == set(FindingKind) - {_K.PNEUMOTHORAX}
    assert (tmp_path / MANIFEST).is_file()
