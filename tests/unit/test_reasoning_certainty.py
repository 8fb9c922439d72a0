"""Uncertainty is bounded, falls as an answer becomes clearer, and says whether it is calibrated."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.reasoning.certainty import certainty, uncertainty
from cxr_node.reasoning.profiles import Calibration, Profile
from cxr_node.reasoning.scripted import ScriptedModel
from cxr_node.reasoning.staged import StagedReader
from tests.asking import request
from tests.models import picture

share = st.floats(0, 1)


def over(present: float, absent: float, uncertain: float) -> dict[str, float]:
    """Probabilities that add up to one."""
    total = present + absent + uncertain
    return {
        "present": present / total,
        "absent": absent / total,
        "uncertain": uncertain / total,
    }


@given(share, share, share)
def test_uncertainty_is_a_share(a: float, b: float, c: float) -> None:
    assume(a + b + c > 1e-6)
    found = over(a, b, c)
    assert 0 <= uncertainty(found) <= 1
    made = certainty(FindingKind.EDEMA, found, Profile())
    assert made.confidence == pytest.approx(1 - made.uncertainty)
    assert 0 <= made.probability <= 1


@given(st.floats(0.5, 1), st.floats(0.5, 1), st.floats(0, 0.9))
def test_a_clearer_answer_is_never_more_uncertain(p: float, q: float, unsure: float) -> None:
    """The farther present and absent lie apart, the less; whichever of the two is meant."""
    low, high = sorted((p, q))
    rest = 1 - unsure
    vague, clear = (over(s * rest, (1 - s) * rest, unsure) for s in (low, high))
    assert uncertainty(clear) <= uncertainty(vague) + 1e-9
    other = over((1 - high) * rest, high * rest, unsure)
    assert uncertainty(other) == pytest.approx(uncertainty(clear), abs=1e-9)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (over(1, 0, 0), 0.0),
        (over(1, 1, 1), 1.0),
        (over(1, 1, 0), math.log(2) / math.log(3)),
        ({"present": 0.5, "absent": 0.5}, 1.0),
        ({"present": 1.0, "absent": 0.0}, 0.0),
    ],
)
def test_the_ends_of_the_scale(found: dict[str, float], expected: float) -> None:
    assert uncertainty(found) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("named", "expected"),
    [("presence:edema", True), ("presence", True), ("presence:port", False), ("overall", False)],
)
def test_calibrated_means_that_this_finding_has_a_calibration(named: str, expected: bool) -> None:
    profile = Profile(calibration={named: Calibration()}, thresholds={FindingKind.EDEMA: 0.3})
    made = certainty(FindingKind.EDEMA, over(1, 1, 0), profile)
    assert (made.calibrated, made.threshold) == (expected, 0.3)


def test_the_own_calibration_of_a_subject_comes_first() -> None:
    general, own = Calibration(temperature=2), Calibration(temperature=3)
    profile = Profile(calibration={"presence": general, "presence:edema": own})
    assert profile.calibration_of("presence", "edema") is own
    assert profile.calibration_of("presence", "port") is general
    assert profile.calibration_of("overall") is None


def test_every_assessed_finding_of_a_reading_states_its_certainty() -> None:
    answers = {
        "overall": "abnormal",
        "presence/edema": 0.8,
        "presence/fracture": math.nan,
        "presence/port": {"present": 0.2, "absent": 0.2, "uncertain": 0.6},
    }
    reading = StagedReader(ScriptedModel(answers)).read(request(picture()))
    found = {f.kind: f for f in reading.findings}
    lost = found[FindingKind.FRACTURE]
    assert lost.presence is Presence.NOT_ASSESSED
    assert (lost.probability, lost.uncertainty, lost.confidence) == (None, None, None)
    for kind, stated in found.items():
        if kind is not FindingKind.FRACTURE:
            assert stated.probability is not None
            assert stated.uncertainty is not None and 0 <= stated.uncertainty <= 1
            assert stated.confidence is not None and 0 <= stated.confidence <= 1
            assert stated.threshold == 0.5
    assert found[FindingKind.PORT].presence is Presence.UNCERTAIN
    assert (found[FindingKind.PORT].uncertainty or 0) > (found[FindingKind.EDEMA].uncertainty or 0)
