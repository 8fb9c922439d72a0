"""The papers' claims: figures of two arms over the same studies, their differences, their file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.claims.paired import (
    accuracy,
    best_thresholds,
    by_seed,
    common_answers,
    compare,
    macro_f1,
    write,
)
from cxr_node.domain.findings import Presence
from cxr_node.evaluation.cases import AnswerCase, Case, LabelCase

RNG_SEED = 5
STUDIES = 120


def answered(key: str, right: Sequence[bool]) -> Case:
    answers = tuple(
        AnswerCase(stage=2, question="q", subject=str(n), expected="a", given="a" if one else "b")
        for n, one in enumerate(right)
    )
    return Case(key=key, answers=answers)


def arms() -> dict[str, list[Case]]:
    """Studies of very different difficulty; the second arm is right once more in every tenth."""
    rng = np.random.default_rng(RNG_SEED)
    first, second = [], []
    for number in range(STUDIES):
        right = [bool(x) for x in rng.random(10) < rng.random()]
        first.append(answered(str(number), [*right, False]))
        second.append(answered(str(number), [*right, number % 10 == 0]))
    return {"first": first, "second": second}


def test_what_is_hard_for_both_arms_cancels_out_of_their_difference() -> None:
    both = arms()
    line = compare("right", accuracy(2), both, [("first", "second")])
    found = line.differences["second - first"]
    assert found.value == pytest.approx(12 / (11 * STUDIES))
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.value < found.high
    alone = line.arms["first"]
    assert alone.low is not None
    assert alone.high is not None
    assert found.high - found.low < (alone.high - alone.low) / 5
    assert alone.value == pytest.approx(
        np.mean([a.given == "a" for case in both["first"] for a in case.answers])
    )


def test_arms_of_other_studies_are_not_compared() -> None:
    both = arms()
    both["second"] = both["second"][::-1]
    with pytest.raises(ValueError, match="same studies"):
        compare("right", accuracy(), both, [("first", "second")])


def test_one_patient_is_paired_across_levels_of_drawing() -> None:
    level = {"plain": [answered("plain/7", [True])], "hard": [answered("hard/7", [False])]}
    named = {name: by_seed(cases) for name, cases in level.items()}
    line = compare("right", accuracy(), named, [("plain", "hard")])
    assert line.differences["hard - plain"].value == -1


def test_only_questions_that_all_arms_were_asked_are_compared() -> None:
    shared = common_answers(
        {"one": [answered("s", [True, True, False])], "other": [answered("s", [True])]}
    )
    assert [len(cases[0].answers) for cases in shared.values()] == [1, 1]


def labelled(key: str, truth: bool, probability: float) -> Case:
    called = Presence.PRESENT if probability >= 0.5 else Presence.ABSENT
    label = LabelCase(label="edema", truth=truth, called=called, probability=probability)
    return Case(key=key, labels=(label,))


def test_fitted_thresholds_find_what_the_model_rates_too_low() -> None:
    cases = [labelled(str(n), n < 10, 0.3 if n < 10 else 0.1) for n in range(40)]
    assert best_thresholds(cases) == {"edema": pytest.approx(0.2)}
    weights = np.ones((1, len(cases)))
    assert macro_f1()(cases, weights)[0] == 0
    assert macro_f1(best_thresholds(cases))(cases, weights)[0] == 1


def test_the_file_of_a_claim_holds_points_and_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = compare("right", accuracy(), arms(), [("first", "second")])
    write(tmp_path / "out" / "claim.json", {"claim": "c", "count": STUDIES}, [line])
    stored = json.loads((tmp_path / "out" / "claim.json").read_text())
    assert stored["claim"] == "c"
    (found,) = stored["lines"]
    assert found["figure"] == "right"
    assert found["differences"]["second - first"].keys() == {"value", "low", "high", "n"}
    assert found["arms"]["first"]["n"] == STUDIES
    assert "+0.009" in capsys.readouterr().out
