"""The time-critical flag of a reading against what the rules say of the truth."""

from __future__ import annotations

import pytest

from cxr_node.domain.findings import DevicePosition, FindingKind, Presence, Severity
from cxr_node.evaluation.flags import critical, flag_case
from tests.readings import finding, sample_reading

_NOTHING = {"severity": None, "position": None}


@pytest.mark.parametrize(
    ("kind", "severity", "position", "expected"),
    [
        ("pneumothorax", "severe", None, True),
        ("pneumothorax", "mild", None, False),
        ("endotracheal_tube", None, "too_low", True),
        ("endotracheal_tube", None, "correct", False),
        ("cardiomegaly", "severe", None, False),
    ],
)
def test_truth_is_what_the_rules_call_stat(
    kind: str, severity: str | None, position: str | None, expected: bool
) -> None:
    known = {"severity": severity, "position": position}
    assert critical([(kind, known), ("edema", _NOTHING)]) is expected


def test_nothing_true_is_not_critical() -> None:
    assert critical([]) is False


def test_a_flag_rests_on_severity_and_position_that_were_read() -> None:
    large = finding(FindingKind.PNEUMOTHORAX, 0.9, severity=Severity.SEVERE)
    small = finding(FindingKind.PNEUMOTHORAX, 0.9, severity=Severity.MILD)
    flagged = flag_case(True, sample_reading(findings=(large,), advice=None))
    assert (flagged.called, flagged.probability) == (Presence.PRESENT, 0.9)
    assert (
        flag_case(False, sample_reading(findings=(small,), advice=None)).called is Presence.ABSENT
    )


def test_a_device_that_lies_well_is_no_reason() -> None:
    well = finding(FindingKind.ENDOTRACHEAL_TUBE, 0.99, position=DevicePosition.CORRECT)
    low = finding(FindingKind.ENDOTRACHEAL_TUBE, 0.99, position=DevicePosition.TOO_LOW)
    for held, called, probability in (
        (well, Presence.ABSENT, 0.0),
        (low, Presence.PRESENT, 0.99),
    ):
        case = flag_case(True, sample_reading(findings=(held,), advice=None))
        assert (case.called, case.probability) == (called, probability)


def test_what_was_not_asked_is_not_assessed() -> None:
    assert flag_case(True, sample_reading(findings=())).called is Presence.NOT_ASSESSED
