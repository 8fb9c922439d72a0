"""Received text and keys as words: nothing in them may rearrange a page."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_node.domain.study import StudyState, VisibleState
from cxr_node.domain.worklist import DeliveryStatus
from cxr_node.web import words
from tests.pages import entry


@given(st.text(max_size=400))
def test_shown_text_is_one_visible_line(text: str) -> None:
    line = words.shown(text)
    assert len(line) <= 200
    assert not [c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert line == line.strip()


@pytest.mark.parametrize(
    ("received", "shown"),
    [
        ("Doe^John", "Doe, John"),
        ("Doe^John^Paul^Dr^Jr", "Doe, John Paul"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田, 太郎) (やまだ, たろう)"),
        ("=山田^太郎", "山田, 太郎"),
        ("A\r\nB^C\x1b[31m", "A B, C [31m"),
        ("\u202eeoD^enaJ\u2066", "eoD, enaJ"),
        ("^^^", ""),
        ("", ""),
    ],
)
def test_person_names(received: str, shown: str) -> None:
    assert words.person_name(received) == shown


def test_a_name_of_ten_kilobytes_is_cut() -> None:
    assert len(words.person_name("A" * 10_240)) <= 64


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0 s"),
        (0.84, "0.8 s"),
        (42.9, "42 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (400_000, "4 days"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_dates_and_times_of_a_header() -> None:
    assert words.day("20260304") == "2026-03-04"
    assert words.day("04/03/26\n") == "04/03/26"
    assert words.clock_time("115500.123") == "11:55"
    assert words.clock_time("noon") == "noon"


def test_every_state_has_words() -> None:
    assert set(words.STATE_WORDS) == set(VisibleState)
    assert set(words.STEP_WORDS) == set(StudyState)


@pytest.mark.parametrize("visible", list(VisibleState))
def test_every_state_has_a_sentence_and_a_reason(visible: VisibleState) -> None:
    line = entry(visible=visible, words="", priority_words="")
    assert words.banner(line).endswith(".")
    assert words.why(line)


def test_nothing_flagged_is_never_said_to_be_normal() -> None:
    line = entry(visible=VisibleState.READ, words="", priority_words="")
    assert "does not say that the image is normal" in words.banner(line)
    assert "not a statement" in words.why(line)


def test_a_failure_does_not_hide_why_the_study_is_flagged() -> None:
    line = entry(visible=VisibleState.FAILED, words="not delivered", state=StudyState.PARKED)
    assert words.why(line) == "pneumothorax present at 0.87; not delivered"
    assert words.banner(line) == "Raised to STAT: pneumothorax present at 0.87. Not delivered."


@pytest.mark.parametrize(
    ("error", "said"),
    [("refused: 0xC000", "refused: 0xC000"), ("no room", "0xC000 no room"), ("", "0xC000")],
)
def test_a_status_is_said_once(error: str, said: str) -> None:
    assert words.last_answer(DeliveryStatus("pacs", "parked", 1, 0xC000, error)) == said


@pytest.mark.parametrize("state", ["waiting", "sending", "sent", "parked", "unheard-of"])
def test_only_a_sent_delivery_asks_for_nothing(state: str) -> None:
    advice = words.delivery_advice(DeliveryStatus("pacs", state, 2, 0xC000, "refused"))
    assert ("nothing to do" in advice) is (state == "sent")


def test_dimse_status() -> None:
    assert words.dimse_status(0xA700) == "0xA700"
    assert words.dimse_status(None) == ""
