"""What a model says is parsed or refused; nothing in between."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_node.domain.errors import AnswerRefused
from cxr_node.domain.findings import FindingKind, Presence
from cxr_node.reasoning import answers, boxes
from cxr_node.reasoning.profiles import Calibration
from cxr_node.reasoning.prose.terms import named_terms

FUZZ = settings(max_examples=500, deadline=None)
OPTIONS = ("present", "absent", "uncertain")
noise = st.text() | st.text("()<|box>,.0123456789- ", max_size=60)
percent = st.floats(0, 100, allow_nan=False)


@FUZZ
@given(noise)
def test_any_text_is_a_sound_box_or_refused(raw: str) -> None:
    try:
        x0, y0, x1, y1 = boxes.box(raw)
    except AnswerRefused:
        return
    assert 0 <= x0 < x1 <= 100
    assert 0 <= y0 < y1 <= 100


@FUZZ
@given(percent, percent, percent, percent)
def test_a_box_survives_being_written_and_read(a: float, b: float, c: float, d: float) -> None:
    raw = f"<|ref|> heart <|/ref|><|box|>({a:.3f}, {b:.3f}), ({c:.3f}, {d:.3f})<|/box|>"
    try:
        found = boxes.box(raw)
    except AnswerRefused:
        assert abs(a - c) < 0.52 or abs(b - d) < 0.52 or max(a, b, c, d) <= 1
        return
    assert boxes.box(boxes.box_text(found)) == found
    assert found == pytest.approx((min(a, c), min(b, d), max(a, c), max(b, d)), abs=0.011)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("(10, 20), (30, 40)", (10, 20, 30, 40)),
        ("( 10, 20), ( 30, 40)", (10, 20, 30, 40)),
        ("(30, 40), (10, 20)", (10, 20, 30, 40)),
        ("<|box|>(10.25, 20), (30, 40.5)<|/box|>", (10.25, 20, 30, 40.5)),
        ("(-2, 20), (30, 104)", (0, 20, 30, 100)),
    ],
)
def test_boxes_are_clipped_and_ordered(raw: str, expected: tuple[float, ...]) -> None:
    assert boxes.box(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "no box",
        "(10, 20)",
        "(10, 20), (10, 40)",
        "(10, 20), (10.4, 40)",
        "(100, 200), (448, 500)",
        "(1, 2), (3, 4) and (5, 6), (7, 8)",
        "(nan, 2), (3, 4)",
        "(1e9, 2), (3, 4)",
        "(10, 20, 30, 40)",
    ],
)
def test_what_is_not_exactly_one_box_is_refused(raw: str) -> None:
    with pytest.raises(AnswerRefused):
        boxes.box(raw)


@FUZZ
@given(st.text(max_size=2000), st.integers(1, 200))
def test_any_text_is_clean_and_capped_or_refused(raw: str, longest: int) -> None:
    try:
        said = answers.text(raw, longest)
    except AnswerRefused:
        return
    assert said
    assert len(said) <= longest
    assert said.isprintable()
    assert "<|" not in raw or "<|end|>" not in said


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  No  effusion.\n", "No effusion."),
        ("a\x00 tube\x07 in place", "a tube in place"),
        ("Clear lungs.<|end|>", "Clear lungs."),
        ("<think>look</think> <answer>Clear lungs.</answer>", "Clear lungs."),
    ],
)
def test_texts_are_cleaned(raw: str, expected: str) -> None:
    assert answers.text(raw, 100) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "12 34",
        "( ( ( a",
        "tube tube tube tube",
        "lung " * 9 + "one two three four",
        "<think>and then it was cut",
        "<answer>Clear.</answer><answer>Not clear.</answer>",
        "<think>a</think><answer>effusion",
    ],
)
def test_texts_without_sense_are_refused(raw: str) -> None:
    with pytest.raises(AnswerRefused):
        answers.text(raw, 100)


@FUZZ
@given(st.lists(st.floats(), max_size=4))
def test_scores_become_probabilities_or_are_refused(scores: list[float]) -> None:
    try:
        found = answers.probabilities(scores, OPTIONS, None)
    except AnswerRefused:
        assert len(scores) != 3 or not all(map(math.isfinite, scores))
        return
    assert tuple(found) == OPTIONS
    assert sum(found.values()) == pytest.approx(1)


def test_calibration_moves_probabilities() -> None:
    plain = answers.probabilities((0.0, 0.0, -9.0), OPTIONS, None)
    moved = answers.probabilities(
        (0.0, 0.0, -9.0), OPTIONS, Calibration(temperature=2.0, bias={"present": 2.0})
    )
    assert answers.present_probability(plain) == pytest.approx(0.5)
    assert answers.present_probability(moved) == pytest.approx(1 / (1 + math.exp(-1)))


@pytest.mark.parametrize(
    ("chances", "threshold", "expected"),
    [
        ((0.5, 0.5, 0.0), 0.5, Presence.PRESENT),
        ((0.4, 0.5, 0.1), 0.5, Presence.ABSENT),
        ((0.2, 0.7, 0.1), 0.2, Presence.PRESENT),
        ((0.3, 0.3, 0.4), 0.1, Presence.UNCERTAIN),
    ],
)
def test_presence_follows_the_operating_point(
    chances: tuple[float, ...], threshold: float, expected: Presence
) -> None:
    assert answers.presence(dict(zip(OPTIONS, chances, strict=True)), threshold) is expected


def test_named_terms_lose_nothing_silently() -> None:
    found = named_terms("Hiatal hernia, a left pleural effusion; no nodule and two rib fractures.")
    assert found.known == (FindingKind.PLEURAL_EFFUSION, FindingKind.FRACTURE)
    assert found.unknown == ("hiatal hernia",)
    assert named_terms("none").unknown == ()


@FUZZ
@given(st.text())
def test_every_affirmed_term_is_known_or_listed(raw: str) -> None:
    found = named_terms(raw)
    assert all(term == term.strip() and term for term in found.unknown)
