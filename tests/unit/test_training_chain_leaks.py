"""The leak filter: what may stand in a chain of reasoning and what may not, in many wordings."""

from __future__ import annotations

import time

import pytest

from cxr_node.training.chain_leaks import Leak, leak
from tests.leaking_sentences import DROPPED, PASSES


@pytest.mark.parametrize("text", PASSES)
def test_what_is_seen_may_be_said(text: str) -> None:
    assert leak(text) is None


@pytest.mark.parametrize(("reason", "text"), [(r, t) for r, row in DROPPED.items() for t in row])
def test_what_gives_away_the_source_is_dropped_with_its_reason(reason: Leak, text: str) -> None:
    assert leak(text) is reason
    assert leak(text.upper()) is not None
    assert leak(f"There is a small effusion. {text} The heart is normal.") is not None


def test_a_comparison_is_allowed_where_both_pictures_are_shown() -> None:
    for text in DROPPED[Leak.EARLIER]:
        assert leak(text, two_pictures=True) in (None, Leak.HISTORY), text
    assert leak("The report says it grew since the prior film.", two_pictures=True) is Leak.REPORT


def test_every_reason_is_tried_and_a_curly_apostrophe_hides_nothing() -> None:
    assert set(DROPPED) == set(Leak)
    assert leak("It wasn’t mentioned.") is Leak.OMISSION


def test_long_text_takes_no_longer_than_its_length() -> None:
    start = time.perf_counter()
    leak("no very " * 5000 + "un the " * 5000)
    assert time.perf_counter() - start < 2.0
