"""Marks of a staged reading and advantages within a group, against worked examples."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cxr_node.domain.findings import FindingKind
from cxr_node.domain.stages import StageKey, Turn
from cxr_node.reasoning.boxes import box_text
from cxr_node.reasoning.profiles import Profile
from cxr_node.training.grpo_advantages import Credit, Marked, advantages, compared
from cxr_node.training.grpo_marks import Asked, marks, truth_of
from cxr_node.training.phantom_records import phantom_records

S, K = StageKey, FindingKind
PROJECTION = (S.QUALITY_VIEW, "projection", "")
EFFUSION = (S.FINDINGS, "presence", K.PLEURAL_EFFUSION)
SIDE = (S.ATTRIBUTES_GROUNDING, "side", K.PLEURAL_EFFUSION)
BOX = (S.ATTRIBUTES_GROUNDING, "box", K.PLEURAL_EFFUSION)
COURSE = (S.FUTURE_TREND, "course", "")


def turn(key: Asked, answer: str, *, accepted: bool = True) -> Turn:
    stage, question, subject = key
    return Turn(stage, question, subject, "?", "0", "0", answer, {}, accepted)


TRUTH = {
    PROJECTION: "PA",
    EFFUSION: "present",
    (S.FINDINGS, "presence", K.EDEMA): "absent",
    SIDE: "left",
    BOX: box_text((0, 0, 10, 10)),
    COURSE: "worsen",
}


def test_every_answer_is_marked_against_the_record() -> None:
    turns = [
        turn(PROJECTION, "AP"),
        turn(EFFUSION, "present"),
        turn((S.FINDINGS, "presence", K.EDEMA), "present"),
        turn(SIDE, "left"),
        turn(BOX, box_text((5, 0, 15, 10))),
        turn((S.ATTRIBUTES_GROUNDING, "severity", K.EDEMA), "mild"),  # the record denies it
        turn((S.ATTRIBUTES_GROUNDING, "severity", K.PLEURAL_EFFUSION), "mild"),  # says nothing
        turn(COURSE, "not assessed", accepted=False),
    ]
    found = marks(turns, TRUTH, Profile())
    assert found.turns == (0.0, 1.0, 0.0, 1.0, pytest.approx(1 / 3), 0.0, None, 0.0)
    assert found.stages == {
        S.QUALITY_VIEW: 0.0,
        S.FINDINGS: 0.5,
        S.ATTRIBUTES_GROUNDING: pytest.approx((1 + 1 / 3 + 0) / 3),
        S.FUTURE_TREND: 0.0,
    }


def test_what_a_missed_finding_would_have_been_asked_counts_as_wrong() -> None:
    missed = [turn(PROJECTION, "PA"), turn(EFFUSION, "absent")]
    found = marks(missed, TRUTH, Profile())
    assert found.stages[S.ATTRIBUTES_GROUNDING] == 0.0
    assert found.stages[S.FUTURE_TREND] == 0.0
    untaught = Profile(untaught=(S.ATTRIBUTES_GROUNDING, S.FUTURE_TREND))
    assert marks(missed, TRUTH, untaught).stages == {S.QUALITY_VIEW: 1.0, S.FINDINGS: 0.0}


def test_a_comparison_that_could_not_be_made_is_not_missed() -> None:
    truth = TRUTH | {(S.COMPARISON, "change", K.PLEURAL_EFFUSION): "new"}
    missed = [turn(PROJECTION, "PA"), turn(EFFUSION, "absent")]
    assert S.COMPARISON not in marks(missed, truth, Profile()).stages
    summary = turn((S.COMPARISON, "summary", ""), "no change")
    assert marks([*missed, summary], truth, Profile()).stages[S.COMPARISON] == 0.0


def test_a_phantom_marks_its_own_answers_with_one() -> None:
    truth = truth_of(next(phantom_records(7, 1)))
    found = marks([turn(key, answer) for key, answer in truth.items()], truth, Profile())
    assert set(found.turns) == {1.0}
    assert set(found.stages.values()) == {1.0}
    assert len(truth) > len(FindingKind)


def test_values_are_compared_within_their_group() -> None:
    # mean 0.5, deviation 0.5
    assert compared([1.0, 0.0, 1.0, 0.0]) == pytest.approx([0.5 / 0.5001, -0.5 / 0.5001] * 2)
    # mean 2/3, deviation sqrt(2)/3; what is not known stays out
    deviation = 2**0.5 / 3
    assert compared([1.0, None, 1.0, 0.0]) == pytest.approx(
        [
            (1 / 3) / (deviation + 1e-4),
            0.0,
            (1 / 3) / (deviation + 1e-4),
            (-2 / 3) / (deviation + 1e-4),
        ]
    )
    assert compared([1.0, 1.0]) == [0.0, 0.0]
    assert compared([None, None]) == [0.0, 0.0]


def test_an_answer_is_credited_for_itself_and_for_what_follows() -> None:
    """Two readings: the first projection is wrong, yet its later stages go better."""

    def reading(answers: Mapping[Asked, float | None], *stages: float, whole: float) -> Marked:
        names = (S.QUALITY_VIEW, S.FINDINGS, S.ATTRIBUTES_GROUNDING)
        return Marked(answers, dict(zip(names, stages, strict=True)), whole)

    group = [
        reading({PROJECTION: 0.0, EFFUSION: 1.0, SIDE: 1.0}, 0.0, 1.0, 1.0, whole=-0.25),
        reading({PROJECTION: 1.0, EFFUSION: 1.0}, 1.0, 1.0, 0.0, whole=0.0),
    ]
    one, half = 0.5 / 0.5001, 0.125 / 0.1251  # two unlike values, half their distance
    credit = Credit(follow=0.5, stages={S.ATTRIBUTES_GROUNDING: 2.0})
    first, second = advantages(group, credit)
    behind = 2.0 * one  # stage 3 of the first reading went better, with its weight
    expected = {
        PROJECTION: -one + 0.25 * behind - half,
        EFFUSION: 0.0 + 0.5 * behind - half,
        SIDE: 0.0 - half,  # asked once only: there is nothing to compare it with
    }
    assert first == pytest.approx(expected, abs=1e-6)
    assert second == pytest.approx(
        {PROJECTION: one - 0.25 * behind + half, EFFUSION: -0.5 * behind + half}, abs=1e-6
    )
