"""What counts as the same answer about the canary study, and what as drift."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from cxr_node.domain.findings import FindingKind, Laterality, Presence, Reading
from cxr_node.services.canary_answers import CanaryAnswers, answers_of, differences
from tests.readings import sample_reading


def drifted(**changes: Any) -> list[str]:
    """The sample reading with its first finding changed, held against itself."""
    reading = sample_reading()
    first, *others = reading.findings
    other = replace(reading, findings=(replace(first, **changes), *others))
    return differences(answers_of(reading).model_dump(), answers_of(other), 0.05)


def first() -> Any:
    return sample_reading().findings[0]


def test_the_same_reading_holds() -> None:
    assert drifted() == []


def test_a_probability_may_move_within_the_tolerance_and_no_further() -> None:
    assert first().probability is not None
    assert drifted(probability=first().probability - 0.049) == []
    [words] = drifted(probability=first().probability - 0.051)
    assert words.startswith(f"probability of {first().kind}")


@pytest.mark.parametrize(
    "changes",
    [
        {"presence": Presence.UNCERTAIN},
        {"presence": Presence.NOT_ASSESSED},
        {"laterality": Laterality.BILATERAL},
        {"probability": None},
        {"probability": math.nan},
    ],
)
def test_a_call_or_a_side_that_changed_is_drift(changes: dict[str, Any]) -> None:
    assert drifted(**changes)


def test_a_finding_that_is_not_asked_any_more_is_drift() -> None:
    reading = sample_reading()
    fewer = replace(reading, findings=reading.findings[1:])
    held = answers_of(reading).model_dump()
    assert f"{first().kind} was present, is not named" in differences(held, answers_of(fewer), 1)


def test_projection_and_overall_verdict_count() -> None:
    reading = sample_reading()
    other: Reading = replace(reading, projection="lateral", abnormal=None)
    said = differences(answers_of(reading).model_dump(), answers_of(other), 0.05)
    assert any("projection" in words for words in said)
    assert any("abnormal" in words for words in said)


@pytest.mark.parametrize(
    "broken", [{}, {"findings": 3}, {"projection": "PA", "abnormal": "high", "findings": {}}]
)
def test_a_reference_that_cannot_be_read_is_drift(broken: dict[str, Any]) -> None:
    [words] = differences(broken, answers_of(sample_reading()), 0.05)
    assert "cannot be read" in words


def test_only_what_is_present_counts_as_called() -> None:
    said = answers_of(sample_reading())
    assert isinstance(said, CanaryAnswers)
    assert set(said.present) == {f.kind for f in sample_reading().present}
    assert FindingKind.PNEUMOTHORAX in said.findings
